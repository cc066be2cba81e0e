"""Start the HTTP service and the page for analysts.

    python -m inference.service

Exit status: 0 it was told to stop, 1 its workers could not start, 2 wrong use.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.service.server import serve
from inference.service.settings import Settings
from zhibiao.errors import ServerError, ZhibiaoError
from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory
from zhibiao.terminal import accept_lossy_terminal

__all__ = ["Options", "build_parser", "main", "parse_arguments", "run"]

_TOKEN_VARIABLE = "ZHIBIAO_TOKEN"
_SHORTEST_TOKEN = 16

_EPILOG = f"""\
口令：
  来自环境变量 {_TOKEN_VARIABLE} 或 --token-file；命令行上不能直接写，以免别人从进程列表看到。
  设了口令，/v1/ 和 /metrics 要带 Authorization: Bearer 口令；/health、/ready、网页和 /docs 不要。
  监听本机以外的地址时必须有口令，除非加 --no-token（例如前面的代理已经管登录）。

日志：
  每行一个 JSON 对象，写到标准输出；不含报告内容和文件名。

停止：
  SIGTERM 或 Ctrl-C：先不再就绪，再停止接收，已收下的请求答完才退出。SIGHUP：逐个换新工作进程。

部署、监控、估算规模见 docs/operations.md。"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the program was asked to do."""

    settings: Settings
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1


_DEFAULT = Options(Settings())


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; help texts are Chinese, for operators."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.service",
        description="启动 HTTP 服务和分析人员的网页；接口说明在 /docs。",
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
        add_help=False,
    )
    address = parser.add_argument_group("地址")
    address.add_argument("--host", default=_DEFAULT.host, help="监听的地址（默认 %(default)s）")
    address.add_argument(
        "--port", default=_DEFAULT.port, type=int, help="端口，0 表示任选一个（默认 %(default)s）"
    )
    address.add_argument("--token-file", type=Path, metavar="FILE", help="口令所在的文件")
    address.add_argument("--no-token", action="store_true", help="任何人都可以用，不要口令")
    work = parser.add_argument_group("模型和进程")
    work.add_argument("--model", type=Path, metavar="DIR", help="模型文件夹（默认使用内置模型）")
    work.add_argument(
        "--workers",
        default=_DEFAULT.workers,
        type=_positive,
        metavar="N",
        help="工作进程数，各装一份模型（默认 %(default)s）",
    )
    work.add_argument(
        "--threads", type=_positive, metavar="N", help="每个进程的计算线程数（默认平分处理器核）"
    )
    work.add_argument(
        "--readers", type=_positive, metavar="N", help=_help("每个进程同时读几个文件", "readers")
    )
    limits = parser.add_argument_group("限制")
    for name, text in _LIMITS.items():
        limits.add_argument(f"--max-{name}", type=_positive, metavar="N", help=_help(text, name))
    for name, text in _TIMES.items():
        option = f"--{name.replace('_', '-')}"
        limits.add_argument(option, type=_seconds, metavar="S", help=_help(text, name))
    other = parser.add_argument_group("其他")
    other.add_argument("--help", "-h", action="help", help="显示本说明")
    return parser


_LIMITS: Mapping[str, str] = {
    "bytes": "一个请求体的字节",
    "characters": "一个请求的文本字符",
    "reports": "一批、一个 JSONL 文件里的报告",
    "pages": "一个 PDF 的页数",
    "expanded": "一个 docx 解开后的字节",
    "requests": "每个进程同时进行的请求",
    "queue": "每个进程排队和抽取中的字符",
}
_TIMES: Mapping[str, str] = {
    "seconds": "一个请求最多算几秒",
    "upload_seconds": "一个请求体最多传几秒",
    "drain": "被要求停止后还接收几秒",
}


def _help(text: str, name: str) -> str:
    default = getattr(_DEFAULT.settings, name)
    return f"{text}（默认 {int(default):,}）"


def _positive(value: str) -> int:
    if not re.fullmatch(r"[0-9_]{1,15}", value) or int(value) < 1:
        raise argparse.ArgumentTypeError(f"应为正整数，而不是 {value!r}")
    return int(value)


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value):
        raise argparse.ArgumentTypeError(f"应为秒数，而不是 {value!r}")
    return float(value)


def parse_arguments(
    argv: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Options:
    """Turn arguments and environment into options; leaves with status 2 on wrong use.

    Raises:
        ServerError: the token cannot be used, or is missing where anybody could come.
    """
    found = build_parser().parse_args(argv)
    token = None if found.no_token else _token(found.token_file, environment)
    if token is None and not found.no_token and not _is_loopback(found.host):
        raise ServerError(
            f"{found.host}：别的机器能到达这个地址，必须有口令；请设环境变量 {_TOKEN_VARIABLE} "
            "或 --token-file，确实不要时加 --no-token"
        )
    given = {
        "model": found.model,
        "threads": found.threads or max(1, _cores() // found.workers),
        "token": token,
        "readers": found.readers,
        **{name: getattr(found, f"max_{name}") for name in _LIMITS},
        **{name: getattr(found, name) for name in _TIMES},
    }
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    return Options(settings, found.host, found.port, found.workers)


def _token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    if file is None:
        source, token = _TOKEN_VARIABLE, environment.get(_TOKEN_VARIABLE)
    else:
        source = str(file)
        try:
            token = file.read_text(encoding="ascii")
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "有 ASCII 以外的字符"
            raise ServerError(f"{file}：读不了口令（{reason}）；请检查文件") from error
    if token is None:
        return None
    token = token.strip()
    if not re.fullmatch(rf"[!-~]{{{_SHORTEST_TOKEN},}}", token):
        raise ServerError(
            f"{source}：口令应是至少 {_SHORTEST_TOKEN} 个 ASCII 字符，不含空白；"
            "可以用 openssl rand -hex 32 生成"
        )
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(options: Options) -> int:
    """Serve until told to stop and return the exit status.

    Raises:
        ModelError: the model directory cannot be used.
        ServerError: the address cannot be used.
    """
    # A worker would find out too, but only this process can say it in one line.
    ModelDirectory.open(options.settings.model or EMBEDDED_MODEL)
    return serve(options.settings, options.host, options.port, options.workers, _say)


def _say(address: str) -> None:
    print(f"服务地址：{address}（网页），{address}/docs（接口）；Ctrl-C 停止", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    try:
        return run(parse_arguments(argv))
    except ZhibiaoError as error:
        print(f"错误：{' '.join(str(error).split())}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    accept_lossy_terminal()
    sys.exit(main())

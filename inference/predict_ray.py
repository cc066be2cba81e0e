"""Turn reports into rows on many machines, or on all cores of one, with Ray.

    python -m inference.predict_ray INPUT... --output DIR

Exit status: 0 everything was read, 1 some inputs failed or some parts are not done, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.distributed.cluster import ray_cluster
from inference.distributed.job import Job, run_job
from inference.distributed.pieces import PARQUET
from inference.distributed.summary import JobSummary
from inference.distributed.worker import Engine
from zhibiao.errors import ZhibiaoError
from zhibiao.journal import one_line
from zhibiao.sources import KNOWN_SUFFIXES
from zhibiao.terminal import accept_lossy_terminal, stop_like_ctrl_c

__all__ = ["Options", "build_parser", "main", "parse_arguments", "run"]

_EPILOG = """\
结果（part-000000 起，每部分一个文件）：
  predictions/part-*.jsonl   每行一份报告：原文、片段、记录
  records/part-*.parquet     每行一条记录；--no-records 时没有
  manifests/part-*.json      这一部分的条数、SHA-256、未能读取的文件；有它才算完成
  failures.jsonl             全部未能读取的文件和原因
  summary.json               合计
  plan.jsonl                 哪些报告在哪一部分

再运行同一条命令会接着做没有完成的部分；核对结果：python -m inference.distributed.verify DIR

退出状态：
  0 全部读取；1 有输入未能读取或有部分没有完成；2 用法有误。"""

_TELL_EVERY = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Options:
    """What one run of the program was asked to do."""

    job: Job
    engine: Engine
    address: str | None = None
    quiet: bool = False


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; help texts are Chinese."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.predict_ray",
        description="用 Ray 在多台机器（或一台机器的全部核心）上把中文报告变成记录；\n"
        "编号和结果与 inference.predict 相同。",
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
        add_help=False,
    )
    data = parser.add_argument_group("输入与输出")
    data.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="文件、文件夹、通配符，或 s3://、gs://、hdfs:// 等地址；每台机器都要能读\n"
        f"可读的后缀：{' '.join((*KNOWN_SUFFIXES, PARQUET))}\n"
        f"{PARQUET} 要有文本列 id 和 text，每行一份报告",
    )
    data.add_argument(
        "--output", required=True, metavar="DIR", help="输出文件夹或地址，每台机器都要能写"
    )
    data.add_argument(
        "--records",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="把实体连成记录（默认）；--no-records 只找实体",
    )
    data.add_argument(
        "--keep-boilerplate", action="store_true", help="保留网页导航、页眉页脚等非正文内容"
    )
    data.add_argument(
        "--part",
        type=_positive,
        default=1000,
        metavar="N",
        help="每部分最多几份报告（默认 1000）；重做、续做以部分为单位",
    )
    work = parser.add_argument_group("模型与机器")
    work.add_argument("--model", metavar="DIR", help="模型文件夹，每台机器同一路径（默认内置模型）")
    work.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="Ray 集群；auto 是本机所在的集群（默认环境变量 RAY_ADDRESS，没有时只用本机）",
    )
    work.add_argument(
        "--actors", type=_positive, metavar="N", help="几个进程同时做（默认占满集群）"
    )
    work.add_argument(
        "--threads", type=_positive, default=1, metavar="N", help="每个进程用几个核心（默认 1）"
    )
    work.add_argument(
        "--gpus",
        type=_share,
        default=0.0,
        metavar="X",
        help="每个进程占多少块 GPU，可以是 0.25 这样的一份（默认 0，不用 GPU）",
    )
    work.add_argument(
        "--patience",
        type=_positive,
        default=1800,
        metavar="S",
        help="一份报告最多做几秒，超过的会被隔离（默认 1800）",
    )
    other = parser.add_argument_group("其他")
    other.add_argument("--quiet", action="store_true", help="不显示进度和汇总")
    other.add_argument("--help", "-h", action="help", help="显示本说明")
    return parser


def _positive(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"应为正整数，而不是 {value!r}")
    return int(value)


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    # Ray gives either a share of one GPU or whole ones.
    if not (0 <= number <= 1 or (number.is_integer() and number > 0)):
        raise argparse.ArgumentTypeError(f"应为 0 到 1 之间的数或整数，而不是 {value!r}")
    return number


def parse_arguments(argv: Sequence[str] | None = None) -> Options:
    """Turn command-line arguments into options; leaves with status 2 on wrong use."""
    # Intermixed: inputs may stand before and after the options.
    found = build_parser().parse_intermixed_args(argv)
    engine = Engine(
        model=found.model,
        backend="torch" if found.gpus else "onnx",
        device="cuda" if found.gpus else "cpu",
        threads=found.threads,
    )
    job = Job(
        inputs=tuple(found.inputs),
        output=found.output,
        records=found.records,
        keep_boilerplate=found.keep_boilerplate,
        reports=found.part,
        actors=found.actors,
        cpus=found.threads,
        gpus=found.gpus,
        patience=float(found.patience),
    )
    return Options(job, engine, found.address, found.quiet)


class _Progress:
    """Lines on standard error, now and then, that also read well in a log file."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._started = self._told = time.monotonic()
        self._parts = self._reports = self._characters = self._failures = 0

    def tell(self, row: Mapping[str, Any], left: int) -> None:
        self._parts += 1
        self._reports += row["reports"]
        self._characters += row["characters"]
        self._failures += row["failures"]
        now = time.monotonic()
        if self._quiet or (left and now - self._told < _TELL_EVERY):
            return
        self._told = now
        seconds = max(now - self._started, 0.001)
        print(
            f"完成 {self._parts} 部分，还有 {left}；{self._reports:,} 份报告，"
            f"{self._failures:,} 处失败；每秒 {self._characters / seconds:,.0f} 字，"
            f"约剩 {_duration(seconds / self._parts * left)}",
            file=sys.stderr,
            flush=True,
        )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} 小时 {minutes % 60} 分" if minutes >= 60 else f"{minutes} 分"


def run(options: Options) -> JobSummary:
    """Join or start the cluster and do the job.

    Raises:
        ReadError: no input, no cluster or no Ray.
        ModelError: the model folder cannot be used.
        OutputError: the output folder cannot be written, or holds another job's results.
    """
    with ray_cluster(options.address):
        return run_job(options.job, options.engine, _Progress(options.quiet).tell)


def _print_summary(summary: JobSummary, output: str) -> None:
    print(
        f"{summary.parts} 部分，{summary.reports:,} 份报告，{summary.characters:,} 字，"
        f"{summary.spans:,} 个实体，{summary.records:,} 条记录，{summary.failures:,} 处失败"
    )
    print(f"输出：{output}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse_arguments(argv)
    try:
        summary = run(options)
    except ZhibiaoError as error:
        print(f"错误：{one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("已中断；完成的部分都在，再运行同一条命令会接着做。", file=sys.stderr)
        return 130
    if not options.quiet:
        _print_summary(summary, options.job.output)
    for part, reason in summary.errors.items():
        print(f"失败：第 {part} 部分：{one_line(reason)}", file=sys.stderr)
    if summary.missing:
        print(f"有 {len(summary.missing)} 部分没有完成；再运行同一条命令会接着做", file=sys.stderr)
    if summary.failures:
        print(f"有 {summary.failures} 处失败，见 failures.jsonl", file=sys.stderr)
    return summary.exit_status


if __name__ == "__main__":
    accept_lossy_terminal()
    stop_like_ctrl_c()
    sys.exit(main())

"""The annotation loop, one command a step: ``python -m annotation COMMAND``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from zhibiao.errors import ZhibiaoError
from zhibiao.journal import one_line
from zhibiao.terminal import accept_lossy_terminal, stop_like_ctrl_c

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "create": ("annotation.project", "新建标注项目，或把它更新到最新"),
    "import": ("annotation.intake", "把报告文件变成任务，附上模型的建议"),
    "rank": ("annotation.queue", "把最值得标的报告排到前面"),
    "export": ("annotation.export", "取回标注，逐条检查，写成报告 JSONL 和标记文本"),
    "agreement": ("annotation.agreement", "计算几位标注者的一致度，列出分歧"),
    "adjudicate": ("annotation.adjudicate", "把有分歧的报告连同各人的版本导入裁决项目"),
    "audit": ("annotation.audit.command", "在标注里找可能的错误"),
    "merge": ("annotation.merging", "把导出的报告并入语料文件夹"),
    "serve": ("annotation.serve", "启动给 Label Studio 提供建议的模型服务"),
}
"""Command to (module, what it does), in the order of the work."""

_EPILOG = """\
退出状态：
  0 一切正常；1 做完了，但有些输入或标注有问题（逐一说明）；2 用法有误或服务器不可用。"""


def build_parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of all commands; only ``command`` gets its arguments, the others a help line.

    The modules are heavy, so only the one that runs is imported.
    """
    parser = argparse.ArgumentParser(
        prog="python -m annotation",
        description="标注的完整流程：建项目、导入、标注、导出、检查、合并、模型服务。",
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if name == command:
            importlib.import_module(module).configure(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in argv if word in COMMANDS), "")
    options = build_parser(command).parse_args(argv)
    try:
        status: int = importlib.import_module(COMMANDS[command][0]).run(options)
    except ZhibiaoError as error:
        print(f"错误：{one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("已中断；已完成的部分保留，再执行一次同样的命令就接着做。", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    accept_lossy_terminal()
    stop_like_ctrl_c()
    sys.exit(main())

"""Checking a folder of results against its plan and manifests, byte for byte.

    python -m inference.distributed.verify DIR

Exit status: 0 everything is there and as it was written, 1 something is not, 2 wrong use.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence

from inference.distributed.parts import FOLDERS, read_manifest
from inference.distributed.plan import Plan
from inference.distributed.stores import Store
from zhibiao.errors import ReadError, ZhibiaoError
from zhibiao.journal import one_line

__all__ = ["faults", "main"]


def faults(location: str) -> Iterator[str]:
    """Yield one Chinese line for each thing that is missing, changed or too much in a folder.

    Raises:
        ReadError: it is no folder of results.
    """
    store = Store(location)
    plan = Plan.find(store)
    if plan is None:
        raise ReadError(f"{location}：没有 plan.jsonl；请给出 predict_ray 的输出文件夹")
    known: set[str] = set()
    for place in plan.parts:
        manifest = read_manifest(store, place.part)
        if manifest is None:
            yield f"第 {place.part} 部分没有完成"
            continue
        known |= {f"manifests/part-{place.part:06d}.json", *manifest["files"]}
        if manifest["plan"] != plan.digest:
            yield f"第 {place.part} 部分属于另一个计划"
        planned = sum(piece.reports for piece in plan.pieces(place))
        if manifest["reports"] < planned and not manifest["failures"]:
            yield f"第 {place.part} 部分应有 {planned} 份报告，只有 {manifest['reports']} 份"
        for name, facts in manifest["files"].items():
            data = store.read(name)
            if data is None:
                yield f"{name}：没有这个文件"
            elif hashlib.sha256(data).hexdigest() != facts["sha256"]:
                yield f"{name}：内容和写出时不同"
            elif name.endswith(".jsonl") and data.count(b"\n") != manifest["reports"]:
                yield f"{name}：应有 {manifest['reports']} 行"
    for folder in FOLDERS:
        for name in sorted(store.names(folder)):
            if f"{folder}/{name}" not in known:
                yield f"{folder}/{name}：不属于任何一部分"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.distributed.verify",
        description="核对 predict_ray 的输出文件夹：每一部分都在，条数和 SHA-256 与清单一致。",
        add_help=False,
    )
    parser.add_argument("output", metavar="DIR", help="predict_ray 的输出文件夹，路径或网络地址")
    parser.add_argument("--help", "-h", action="help", help="显示本说明")
    location = parser.parse_args(argv).output
    wrong = 0
    try:
        for line in faults(location):
            wrong += 1
            print(line)
    except ZhibiaoError as error:
        print(f"错误：{one_line(str(error))}", file=sys.stderr)
        return 2
    print(f"{wrong} 处不符" if wrong else "全部一致")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

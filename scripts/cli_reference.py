"""Write docs/cli.md, the reference of all programs, from their --help.

python scripts/cli_reference.py             write it
python scripts/cli_reference.py --check     exit with status 1 when it is out of date
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from annotation.__main__ import COMMANDS  # noqa: E402
from zhibiao.files import replacing  # noqa: E402

PROGRAMS = (
    "inference.predict",
    "inference.service",
    "inference.predict_ray",
    "inference.distributed.verify",
    "scripts/label_studio",
    *(f"annotation {command}" for command in COMMANDS),
    "training.encoder",
    "training.teacher",
    "training.adapt",
    "training.train",
    "training.export",
    "training.evaluate_model",
    "training.compare_models",
    "training.evaluate_records",
    "training.compare_records",
    "training.model_card",
    "training.calibrate",
    "training.soup",
    "training.convert",
    "training.check_data",
    "training.study",
    "training.distil",
    "training.splits",
    "scripts/check_corpus.py",
    "scripts/record_sheet.py",
    "scripts/series_names.py",
    "scripts/benchmark.py",
    "scripts/benchmark_annotation.py",
    "scripts/measure_archive.py",
    "scripts/measure_ray.py",
    "scripts/load_test.py",
    "scripts/fuzz.py",
    "scripts/audit_dependencies.py",
)
"""Modules with their commands, and scripts, in the order of the page."""

TARGET = ROOT / "docs" / "cli.md"

_INTRODUCTION = """\
# 命令参考

<!-- Written by scripts/cli_reference.py from --help; change the program, then run it again. -->
"""


def reference() -> str:
    """The whole page as Markdown.

    Raises:
        CalledProcessError: a program does not answer --help.
    """
    return "\n".join([_INTRODUCTION, *(_section(name) for name in PROGRAMS)])


def _section(name: str) -> str:
    program = [name] if name.startswith("scripts/") else ["-m", *name.split()]
    # argparse breaks lines at the width of the terminal and may colour them.
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *program, "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = " ".join(["python", *program, "--help"])
    return f"## {name}\n\n```text\n$ {shown}\n{done.stdout}```\n"


def main(argv: list[str] | None = None) -> int:
    """Write or check the page and return the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/cli.md from --help.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    check = parser.parse_args(argv).check
    page = reference()
    if not check:
        with replacing(TARGET) as stream:
            stream.write(page)
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == page:
        return 0
    name = TARGET.relative_to(ROOT)
    print(f"{name}: out of date; run python scripts/cli_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

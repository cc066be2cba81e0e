"""What one run of predict.py did, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Summary", "print_summary"]


@dataclass(slots=True)
class Summary:
    """What one run did; ``outputs`` holds (path to open, what it is for)."""

    reports: int
    characters: int
    spans: Mapping[str, int]
    records: int
    doubtful: int
    failures: tuple[str, ...]
    outputs: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 when everything was read, 1 when something failed."""
        return 1 if self.failures else 0


def print_summary(summary: Summary, console: Console) -> None:
    """Print the counts of a run and where its outputs are."""
    table = Table(title="抽取结果", title_justify="left", show_edge=False)
    table.add_column("项目")
    table.add_column("数量", justify="right")
    table.add_row("报告", f"{summary.reports:,}")
    table.add_row("字符", f"{summary.characters:,}")
    table.add_row("片段", f"{sum(summary.spans.values()):,}")
    for label, count in summary.spans.items():
        table.add_row(f"  {label}", f"{count:,}")
    table.add_row("记录", f"{summary.records:,}")
    table.add_row("  低置信度", f"{summary.doubtful:,}")
    table.add_row("失败", f"{len(summary.failures):,}")
    console.print(table)
    console.print("\n输出：", markup=False)
    for path, note in summary.outputs:
        console.print(f"  {path}  {note}", markup=False)

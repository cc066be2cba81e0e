"""What happens during a run, told to the person at the terminal."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["Journal", "one_line"]

_SPEED_SECONDS = 300.0
"""How far back the estimate of the remaining time looks: reports differ much in length."""


class Journal:
    """Progress, failures and warnings on standard error; a context manager.

    Failures are always printed, one line each, as they happen. Warnings and the progress bar are
    left out when ``quiet``; the bar is also left out when standard error is no terminal.
    ``total`` is the work in bytes of source; :meth:`expect` adds to it.
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self.failures: list[str] = []
        self._quiet = quiet
        self._console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
            speed_estimate_period=_SPEED_SECONDS,
        )
        self._total = total
        self._task = self._progress.add_task("读取", total=total or None)
        self._reports = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def failure(self, line: str, size: int = 0, *, source: str = "") -> None:
        """Name an input that could not be read; ``size`` is its share of the work.

        ``source`` names the file or the line of a report JSONL, for journals that keep books.
        """
        line = one_line(line)
        self.failures.append(line)
        self._print(f"失败：{line}")
        self._progress.advance(self._task, size)

    def warning(self, line: str) -> None:
        """Say something about an input that was read all the same."""
        if not self._quiet:
            self._print(f"提示：{one_line(line)}")

    def expect(self, size: int) -> None:
        """Add ``size`` bytes to the work that lies ahead."""
        self._total += size
        self._progress.update(self._task, total=self._total)

    def done(self, size: int, reports: int = 1) -> None:
        """Count finished reports, ``size`` bytes of the work; less than 0 takes them back."""
        self._reports += reports
        description = f"已完成 {self._reports:,} 份"
        self._progress.update(self._task, advance=size, description=description)

    def milestone(self, line: str) -> None:
        """Say how far a long run is, with the time that it will still take.

        The progress bar says it all the time, so this is for a log that has none.
        """
        if self._quiet or not self._progress.disable:
            return
        seconds = self._progress.tasks[0].time_remaining
        left = "" if not seconds else f"，大约还要 {timedelta(seconds=round(seconds))}"
        self._print(f"{line}{left}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False)


def one_line(message: str) -> str:
    """The message with line breaks and control characters shown as escapes.

    File names may hold them, and a terminal would obey them.
    """
    return "".join(
        character if character.isprintable() or character == "\u3000" else _escape(character)
        for character in message
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

"""How far training is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from transformers import TrainerCallback

__all__ = ["ProgressReport"]

_LEAST_SECONDS = 5.0  # between two lines in a log file


class ProgressReport(TrainerCallback):
    """Prints to standard error, on the first process only."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(
            emoji=False, stderr=True, highlight=False, soft_wrap=True
        )
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started = self._told = 0.0
        self._first = 0

    def close(self) -> None:
        """Take the bar off the terminal, however training ended."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        self._started = time.monotonic()
        self._first = state.global_step
        if self._first:
            self._console.print(f"resumed at step {self._first}/{state.max_steps}")
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=state.max_steps, completed=self._first)
            self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._bar:
            self._bar.update(self._task, completed=state.global_step)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        if "eval_f1" in logs:
            best = max(state.best_metric or 0.0, logs["eval_f1"])
            self._console.print(
                f"epoch {logs['epoch']:.0f}: validation F1 {logs['eval_f1']:.4f}, best {best:.4f}"
            )
        elif "loss" in logs:
            text = f"loss {logs['loss']:.4f}, rate {logs['learning_rate']:.2g}, "
            text += f"{logs['characters_per_second']:,.0f} characters/s"
            if self._bar:
                self._bar.update(self._task, description=text)
            elif time.monotonic() - self._told >= _LEAST_SECONDS:
                self._told = time.monotonic()
                self._console.print(f"{self._place(state)}, {text}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.close()

    def _place(self, state: Any) -> str:
        elapsed = time.monotonic() - self._started
        done = max(1, state.global_step - self._first)
        left = elapsed / done * (state.max_steps - state.global_step)
        return (
            f"step {state.global_step}/{state.max_steps}, epoch {state.epoch:.1f}, "
            f"{_clock(elapsed)} gone, at most {_clock(left)} left"
        )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))

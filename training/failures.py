"""What goes wrong in training, said so that the reader knows what to change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from training.settings import TrainConfig
from zhibiao.errors import OutputError, ZhibiaoError

__all__ = ["TrainingError", "explain_memory", "explain_writing", "first_line"]


class TrainingError(ZhibiaoError):
    """A run that cannot start, go on or be resumed; says which setting to change."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def explain_memory(config: TrainConfig) -> Iterator[None]:
    """Turn running out of memory, the GPU's or the machine's, into advice.

    Raises:
        TrainingError: instead of torch's error.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        allocator = "can't allocate memory" in str(error)
        if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and not allocator:
            raise
        where = "CUDA" if isinstance(error, torch.OutOfMemoryError) else "main memory"
        advice = [f"lower batch_windows ({config.batch_windows}) and raise gradient_accumulation"]
        advice[0] += f" ({config.gradient_accumulation}) by as much"
        if not config.gradient_checkpointing:
            advice.append("set gradient_checkpointing=true")
        advice.append(f"lower window ({config.window})")
        raise TrainingError(
            f"out of memory ({where}): {', or '.join(advice)}: {first_line(error)}"
        ) from error


@contextmanager
def explain_writing(target: Path, advice: str) -> Iterator[None]:
    """Turn whatever stops a file from being written into one error that names the target.

    Raises:
        OutputError: safetensors, torch and Python raise three kinds of error on a full disk.
    """
    try:
        yield
    except Exception as error:
        reason = first_line(error)
        with suppress(OSError):  # torch's own message does not say that the disk is full
            folder = next(path for path in (target, *target.parents) if path.exists())
            reason += f"; {shutil.disk_usage(folder).free / 1e6:,.1f} MB free there"
        raise OutputError(f"{target}: cannot be written ({reason}); {advice}") from error

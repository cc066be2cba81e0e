"""Stand-ins for the model that hurt the process they run in, and ways to run an archive."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.fakes import RegexExtractor
from zhibiao.spans import Span

__all__ = ["Hurting", "files", "manifest", "predictions"]


class Hurting(RegexExtractor):
    """Does ``harm`` at each report whose text has the word ``at``, or only at the first one.

    ``once`` is a file that says that the harm is done.
    """

    def __init__(self, harm: str, at: str = "毒", once: Path | None = None) -> None:
        super().__init__(batch=3)
        self.harm = harm
        self.at = at
        self.once = once

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        return super().extract_many(map(self._suffer, texts))

    def _suffer(self, text: str) -> str:
        if self.at in text and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            if self.harm == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.harm == "hang":
                time.sleep(600)
            elif self.harm == "slow":
                time.sleep(0.02)
            elif self.harm == "full disk":
                raise OSError(28, "No space left on device")
            else:
                raise RuntimeError(self.harm)
        return text


def files(output: Path) -> dict[str, bytes]:
    """Every file of an output folder but the lock, by its path in it."""
    found = (path for path in sorted(output.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(output)): path.read_bytes() for path in found if path.name != ".lock"
    }


def predictions(output: Path) -> list[dict[str, Any]]:
    """The predictions of an archive or an ordinary run, in order."""
    return [
        json.loads(line)
        for path in sorted(output.rglob("predictions.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def manifest(output: Path) -> list[dict[str, str]]:
    """The rows of the manifest."""
    with (output / "manifest.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))

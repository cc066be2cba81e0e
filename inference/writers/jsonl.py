"""Predictions as JSON Lines, the format between stages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.prediction import Prediction
from inference.run import Run
from zhibiao.files import replacing

__all__ = ["write_jsonl"]


@contextmanager
def write_jsonl(path: Path, run: Run) -> Iterator[Callable[[Prediction], None]]:
    """Write one JSON object a line to ``path``; offsets count Unicode code points."""
    with replacing(path) as stream:

        def write(prediction: Prediction) -> None:
            data = prediction.to_dict(run.model)
            stream.write(json.dumps(data, ensure_ascii=False) + "\n")

        yield write

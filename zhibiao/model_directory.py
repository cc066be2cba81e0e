"""Model directories: what prediction reads besides weights, and where the embedded model is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from zhibiao.decoder import Decoder
from zhibiao.errors import ModelError
from zhibiao.spans import LABELS
from zhibiao.tagging import labels_of

__all__ = ["EMBEDDED_MODEL", "ModelDirectory"]

EMBEDDED_MODEL = Path(__file__).parent / "models" / "compact"
"""The model that comes with the package."""

_SETTINGS = "zhibiao.json"


@dataclass(frozen=True)
class ModelDirectory:
    """A Hugging Face model directory with ``zhibiao.json`` beside it.

    ``window`` and ``overlap`` are in characters; ``positions`` is how many tokens fit the model.
    ``temperature`` divides the logits, and the transitions with them.
    ``thresholds`` maps labels to the least score a span must have. ``transitions`` has shape
    (tags from, tags to), or is None where the model has none. Without ``touching`` two predicted
    spans of one label never meet: in reports they hardly ever do, and a model that is unsure in
    the middle of a span would break it. ``lone`` maps labels to the least score of a
    span of one character.
    """

    path: Path
    name: str = ""
    version: str = "0"
    window: int = 254
    overlap: int = 32
    positions: int = 512
    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=dict)
    transitions: npt.NDArray[np.float32] | None = None
    labels: tuple[str, ...] = LABELS
    touching: bool = True
    lone: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, labels: tuple[str, ...] | None = LABELS) -> ModelDirectory:
        """Read and check the settings of a model directory.

        ``labels`` is the label set that it must have; None takes whatever it has.

        Raises:
            ModelError: no such directory, a file missing or broken, or another label set.
        """
        path = Path(path)
        if not path.is_dir():
            raise ModelError(f"{path}: no such model directory; train one or leave --model out")
        config = _read_json(path / "config.json")
        found = config.get("id2label")
        tags = [found.get(str(i)) for i in range(len(found))] if isinstance(found, dict) else []
        try:
            held = labels_of([str(tag) for tag in tags])
        except ValueError as error:
            raise ModelError(f"{path}: config.json: {error}; use a model with IOB2 tags") from error
        if labels is not None and held != labels:
            raise ModelError(
                f"{path}: the model's labels are {'、'.join(held)}, not {'、'.join(labels)}; "
                "use a model for them"
            )
        settings = _read_json(path / _SETTINGS) if (path / _SETTINGS).is_file() else {}
        try:
            return cls._checked(path, config, settings, held)
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ModelError(f"{path / _SETTINGS}: {error}") from error

    @classmethod
    def _checked(
        cls, path: Path, config: dict[str, Any], settings: dict[str, Any], labels: tuple[str, ...]
    ) -> Self:
        tags = 2 * len(labels) + 1
        room = int(config.get("max_position_embeddings", 512)) - 2
        window = int(settings.get("window", min(cls.window, room)))
        overlap = int(settings.get("overlap", min(cls.overlap, window // 2)))
        if not 0 < window <= room or not 0 <= overlap <= window // 2:
            raise ValueError(f"window {window} or overlap {overlap} do not fit {room} positions")
        raw = settings.get("transitions")
        transitions = None if raw is None else np.asarray(raw, dtype=np.float32)
        if transitions is not None and transitions.shape != (tags, tags):
            raise ValueError(f"transitions must be {tags} x {tags}")
        touching = settings.get("touching", True)
        if not isinstance(touching, bool):
            raise ValueError("touching must be true or false")
        thresholds = {str(k): float(v) for k, v in settings.get("thresholds", {}).items()}
        lone = {str(k): float(v) for k, v in settings.get("lone", {}).items()}
        if not set(lone) <= set(labels):
            raise ValueError("lone may name only known labels")
        temperature = float(settings.get("temperature", cls.temperature))
        if not 0 < temperature < np.inf or not set(thresholds) <= set(labels):
            raise ValueError("temperature must be above 0, thresholds only for known labels")
        if not np.isfinite([*thresholds.values(), *lone.values()]).all():
            raise ValueError("thresholds and lone must hold finite numbers")
        return cls(
            path=path,
            name=str(settings.get("name") or path.name),
            version=str(settings.get("version", cls.version)),
            window=window,
            overlap=overlap,
            positions=room + 2,
            temperature=temperature,
            thresholds=thresholds,
            transitions=transitions,
            labels=labels,
            touching=touching,
            lone=lone,
        )

    @cached_property
    def decoder(self) -> Decoder:
        """The decoder for log-probabilities of the model's temperature."""
        scaled = None if self.transitions is None else self.transitions / self.temperature
        return Decoder(self.labels, scaled, self.touching, self.thresholds, self.lone)

    @cached_property
    def digest(self) -> str:
        """A hash of the files that decide predictions; changes when the model does."""
        digest = hashlib.sha256()
        for name in ("config.json", _SETTINGS, "tokenizer.json", "model.onnx", "model.safetensors"):
            if (self.path / name).is_file():
                digest.update(name.encode())
                with open(self.path / name, "rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:16]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: missing; this is not a complete model directory") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return data

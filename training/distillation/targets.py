"""What a teacher says about text, kept on disk, and the windows and loss to learn it with.

Soft targets at temperature T, their loss times T squared: Hinton et al. 2015 (Distilling the
knowledge in a neural network), who also learn from the mean of several models.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from zhibiao.characters import CharacterEncoder
from zhibiao.extractor import Extractor
from zhibiao.windows import split_windows

__all__ = ["TargetWindows", "distillation_loss", "pack", "soft_targets"]

Half = npt.NDArray[np.float16]

_IGNORED = -100
_CHUNK = 256  # texts that the teacher sees at a time


def pack(paragraphs: Iterable[str], window: int, characters: int) -> list[str]:
    """Paragraphs joined by newlines up to about a window each, ``characters`` in all or fewer."""
    packed: list[str] = []
    held = ""
    for paragraph in paragraphs:
        if characters <= 0:
            break
        characters -= len(paragraph) + 1
        if held and len(held) + 1 + len(paragraph) > window:
            packed.append(held)
            held = ""
        held = f"{held}\n{paragraph}" if held else paragraph
    return [*packed, held] if held else packed


def soft_targets(
    teachers: Sequence[Extractor], texts: Sequence[str], folder: Path, console: Console
) -> Half:
    """Log of the teachers' mean probabilities of all characters, (characters, tags), from disk.

    The teachers have one label set.
    """
    digest = hashlib.sha256()
    for teacher in teachers:
        digest.update(teacher.settings.digest.encode())
    for text in texts:
        digest.update(f"{len(text)} {text}".encode())
    path = folder / f"{digest.hexdigest()[:24]}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        total = sum(len(text) for text in texts)
        partial = path.with_suffix(".partial")
        held = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            partial, "w+", np.float16, (total, 2 * len(teachers[0].labels) + 1)
        )
        place = 0
        for first in range(0, len(texts), _CHUNK):
            chunk = list(texts[first : first + _CHUNK])
            answers = [teacher.log_probabilities(chunk) for teacher in teachers]
            for of_text in zip(*answers, strict=True):
                found = np.logaddexp.reduce(of_text) - np.log(len(teachers))
                # Half precision ends at -65504; a certain tag's rivals are far above that.
                held[place : place + len(found)] = found
                place += len(found)
            console.print(f"teacher: {place:,} of {total:,} characters", highlight=False)
        held.flush()
        del held
        os.replace(partial, path)
    soft: Half = np.load(path, mmap_mode="r")
    return soft


class TargetWindows(Dataset[dict[str, Any]]):
    """Windows of texts with the teacher's log-probabilities and, where there are any, gold tags."""

    def __init__(
        self,
        texts: Sequence[str],
        tags: Sequence[npt.NDArray[np.int64] | None],
        soft: Half,
        characters: CharacterEncoder,
        window: int,
    ) -> None:
        self._texts, self._tags, self._soft, self._characters = texts, tags, soft, characters
        self._starts = np.cumsum([0, *(len(text) for text in texts)])
        self._places = [
            (number, piece.start, piece.end)
            for number, text in enumerate(texts)
            for piece in split_windows(text, window, 0)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, start, end = self._places[index]
        tags = self._tags[number]
        gold = np.full(end - start, _IGNORED) if tags is None else tags[start:end].copy()
        # What is left of a span that the window's edge cuts is no gold of any kind.
        inside = (gold > 0) & (gold % 2 == 0)
        gold[: len(gold) if inside.all() else int(np.argmin(inside))] = _IGNORED
        first = int(self._starts[number])
        return {
            "ids": self._characters.encode(self._texts[number][start:end]),
            "gold": gold,
            "teacher": self._soft[first + start : first + end],
        }

    def collate(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Tensors padded to (windows, longest): ids, mask, gold tags, teacher."""
        encoder = self._characters
        longest = max(len(item["ids"]) for item in items) + 2
        longest += -longest % 8
        shape = (len(items), longest)
        ids = np.full(shape, encoder.padding, dtype=np.int64)
        gold = np.full(shape, _IGNORED, dtype=np.int64)
        teacher = np.full((*shape, self._soft.shape[1]), np.nan, dtype=np.float32)
        for row, item in enumerate(items):
            size = len(item["ids"])
            ids[row, 0], ids[row, size + 1] = encoder.start, encoder.end
            ids[row, 1 : size + 1] = item["ids"]
            gold[row, 1 : size + 1] = item["gold"]
            teacher[row, 1 : size + 1] = item["teacher"]
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy((ids != encoder.padding).astype(np.int64)),
            "gold": torch.from_numpy(gold),
            "teacher": torch.from_numpy(teacher),
        }


def distillation_loss(
    logits: Tensor,
    gold: Tensor,
    teacher: Tensor,
    *,
    temperature: float,
    soft_weight: float,
    gold_weight: float,
) -> Tensor:
    """The weighted sum of both losses, each a mean over its characters.

    ``logits`` and ``teacher`` (log-probabilities) have shape (windows, length, tags), ``gold``
    (windows, length) with -100 where a tag is unknown; rows of ``teacher`` that are padding are
    NaN. KL is at temperature T, times T squared so that its gradients keep their size.
    """
    known = gold != _IGNORED
    real = ~teacher.isnan().any(dim=-1)
    student = functional.log_softmax(logits[real].float() / temperature, dim=-1)
    wanted = functional.log_softmax(teacher[real].float() / temperature, dim=-1)
    soft = functional.kl_div(student, wanted, reduction="batchmean", log_target=True)
    loss = soft_weight * temperature**2 * soft
    if known.any():  # a batch may hold unlabelled text alone
        loss = loss + gold_weight * functional.cross_entropy(logits[known].float(), gold[known])
    return loss

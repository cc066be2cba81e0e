"""Reports as training windows."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from training.augment import Augmenter
from zhibiao.characters import CharacterEncoder
from zhibiao.reports import Report
from zhibiao.spans import Span
from zhibiao.tagging import spans_to_tags, tags_to_spans
from zhibiao.windows import split_windows

__all__ = ["WindowDataset", "collate", "data_hash", "lost_spans"]

IGNORED = -100


def data_hash(reports: Iterable[Report]) -> str:
    """A hash of ids, texts and spans, to record what a model was trained on."""
    digest = hashlib.sha256()
    for report in reports:
        digest.update(repr((report.id, report.text, [s.key for s in report.spans])).encode())
    return digest.hexdigest()[:16]


def lost_spans(reports: Iterable[Report], window: int, overlap: int) -> int:
    """Gold spans that do not come back from tags and windows; must be 0.

    A span is kept when tagging returns it and some window holds it whole.
    """
    lost = 0
    for report in reports:
        tags = spans_to_tags(len(report.text), report.spans, report.labels)
        returned = {span.key for span in tags_to_spans(tags, report.labels)}
        windows = split_windows(report.text, window, overlap)
        for span in report.spans:
            whole = any(w.start <= span.start and span.end <= w.end for w in windows)
            lost += not (whole and span.key in returned)
    return lost


class WindowDataset(Dataset[dict[str, list[int]]]):
    """Windows of reports, cut and varied anew in every epoch.

    Item i is around the i-th of the evenly cut windows; where it starts and what is varied
    depends only on seed, epoch and i, so a resumed run sees what an uninterrupted one would.
    Tags of spans that a window's edge cuts are ignored by the loss.
    """

    def __init__(
        self,
        reports: Sequence[Report],
        characters: CharacterEncoder,
        window: int,
        seed: int,
        augmenter: Augmenter | None = None,
    ) -> None:
        self.epoch = 0
        self._reports = reports
        self._characters = characters
        self._window = window
        self._seed = seed
        self._augmenter = augmenter
        self._places = [
            (number, window_.start)
            for number, report in enumerate(reports)
            for window_ in split_windows(report.text, window, 0)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        rng = random.Random(f"{self._seed} {self.epoch} {index}")
        number, start = self._places[index]
        report = self._reports[number]
        if self._augmenter:
            start = max(0, start + rng.randint(-self._window // 2, self._window // 2))
            # Varied text may grow; room is left for it. Short windows teach short inputs.
            size = int(self._window * (0.9 if rng.random() < 0.8 else rng.uniform(0.15, 0.9)))
            start = min(start, max(0, len(report.text) - size))
        else:
            size = self._window
        end = min(start + size, len(report.text))
        text, spans, cut = _slice(report, start, end)
        if self._augmenter:
            inside = [span for span in spans if span not in cut]
            if not cut:
                text, spans = self._augmenter(text, inside, rng)
            else:
                low = max((s.end for s in cut if s.start == 0), default=0)
                high = min((s.start for s in cut if s.end == len(text)), default=len(text))
                middle, varied = self._augmenter(
                    text[low:high], [span.shifted(-low) for span in inside], rng
                )
                tail = text[high:]
                text = text[:low] + middle + tail
                spans = [span.shifted(low) for span in varied]
                any_label = report.labels[0]  # what is cut is ignored, whatever it is
                cut = [Span(0, low, any_label)] if low else []
                if tail:
                    cut.append(Span(len(text) - len(tail), len(text), any_label))
        return self._encode(text, spans, cut, report.labels)

    def _encode(
        self, text: str, spans: Sequence[Span], cut: Sequence[Span], labels: Sequence[str]
    ) -> dict[str, list[int]]:
        tags = spans_to_tags(len(text), [span for span in spans if span not in cut], labels)
        for span in cut:
            tags[span.start : span.end] = IGNORED
        ids = self._characters.encode(text)[: self._window].tolist()
        tags = tags[: self._window]
        return {
            "input_ids": [self._characters.start, *ids, self._characters.end],
            "labels": [IGNORED, *tags.tolist(), IGNORED],
        }


def _slice(report: Report, start: int, end: int) -> tuple[str, list[Span], list[Span]]:
    """Text, spans inside it, and which of them are cut pieces of longer spans."""
    spans: list[Span] = []
    cut: list[Span] = []
    for span in report.spans:
        if span.end <= start or span.start >= end:
            continue
        piece = Span(max(span.start, start) - start, min(span.end, end) - start, span.label)
        spans.append(piece)
        if span.start < start or span.end > end:
            cut.append(piece)
    return report.text[start:end], spans, cut


def collate(items: Sequence[dict[str, list[int]]], padding: int) -> dict[str, Any]:
    """Padded tensors input_ids, attention_mask and labels, each (windows, longest)."""
    longest = max(len(item["input_ids"]) for item in items)
    longest += -longest % 8
    ids = np.full((len(items), longest), padding, dtype=np.int64)
    labels = np.full((len(items), longest), IGNORED, dtype=np.int64)
    for row, item in enumerate(items):
        ids[row, : len(item["input_ids"])] = item["input_ids"]
        labels[row, : len(item["labels"])] = item["labels"]
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy((ids != padding).astype(np.int64)),
        "labels": torch.from_numpy(labels),
    }

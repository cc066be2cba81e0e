"""Figures of splits: how much there is of what, how long it is, what contradicts itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.formats.sources import Split, surfaces
from zhibiao.windows import split_windows

__all__ = ["conflicting_strings", "figures_of"]

_QUANTILES = {"min": 0.0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}


def figures_of(
    splits: Sequence[Split], labels: Sequence[str], window: int, overlap: int
) -> dict[str, Any]:
    """Counts and lengths: splits, labels (by split), report_lengths, span_lengths (by label).

    Lengths are in characters; labels outside ``labels`` follow those inside.
    """
    figures: dict[str, Any] = {"splits": {}, "labels": {}, "report_lengths": {}, "span_lengths": {}}
    for split in splits:
        counts = Counter(span.label for draft in split.drafts for span in draft.spans)
        sizes = [len(draft.text) for draft in split.drafts]
        figures["splits"][split.name] = {
            "reports": len(split.drafts),
            "characters": sum(sizes),
            "spans": counts.total(),
            "windows": sum(
                len(split_windows(draft.text, window, overlap)) for draft in split.drafts
            ),
        }
        beyond = sorted(set(counts) - set(labels))
        figures["labels"][split.name] = {label: counts[label] for label in (*labels, *beyond)}
        figures["report_lengths"][split.name] = _quantiles(sizes)
    lengths: dict[str, list[int]] = {label: [] for label in labels}
    for split in splits:
        for draft in split.drafts:
            for span in draft.spans:
                lengths.setdefault(span.label, []).append(span.end - span.start)
    figures["span_lengths"] = {label: _quantiles(sizes) for label, sizes in lengths.items()}
    return figures


def _quantiles(sizes: Sequence[int]) -> dict[str, int]:
    """Lengths that occur, not means of two; empty where there is nothing."""
    if not sizes:
        return {}
    found = np.quantile(sizes, list(_QUANTILES.values()), method="inverted_cdf")
    return dict(zip(_QUANTILES, found.astype(int).tolist(), strict=True))


def conflicting_strings(splits: Sequence[Split]) -> list[dict[str, Any]]:
    """Strings with more than one label: ``string``, ``labels`` (counts), ``first`` (where).

    Those whose second label is commonest come first: a slip among hundreds tells least.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    first: dict[tuple[str, str], str] = {}
    for split in splits:
        for draft in split.drafts:
            for span, surface in surfaces(draft):
                counts[surface][span.label] += 1
                first.setdefault((surface, span.label), f"{draft.where} ({span.start}, {span.end})")
    rows: list[dict[str, Any]] = [
        {
            "string": surface,
            "labels": dict(found.most_common()),
            "first": {label: first[surface, label] for label in found},
        }
        for surface, found in counts.items()
        if len(found) > 1
    ]
    return sorted(rows, key=lambda row: -sorted(row["labels"].values())[-2])

"""The reports of a training run, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.dataset import data_hash, lost_spans
from training.settings import TrainConfig
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError, SpanError
from zhibiao.reports import Report

__all__ = ["describe_data", "read_data"]


def read_data(config: TrainConfig) -> tuple[list[Report], list[Report]]:
    """Training and validation reports, checked against each other and the config.

    Raises:
        FormatError: data that breaks its format, an empty split, a label that is not in the
            config, a report in both splits, or gold spans that no window holds whole.
    """
    reports = _read(config.train, "train", tuple(config.labels))
    validation = _read(config.validation, "validation", tuple(config.labels))
    shared = {r.id for r in reports} & {r.id for r in validation}
    if shared:
        raise FormatError(
            f"report {min(shared)!r} is in training and validation (train: "
            f"{', '.join(config.train)}; validation: {', '.join(config.validation)}); "
            "split by report"
        )
    lost = {r.id: lost_spans([r], config.window, config.overlap) for r in [*reports, *validation]}
    if total := sum(lost.values()):
        first = next(name for name, count in lost.items() if count)
        raise FormatError(
            f"{total} gold spans, the first in report {first!r}, do not fit window "
            f"{config.window} with overlap {config.overlap}; raise the window or the overlap"
        )
    return reports, validation


def _read(sources: Sequence[str], split: str, labels: tuple[str, ...]) -> list[Report]:
    reports: list[Report] = []
    for source in sources:
        try:
            found = read_reports(source, labels)
        except SpanError as error:
            hint = "; or add it to labels in the config" if "unknown label" in str(error) else ""
            raise FormatError(f"{error}{hint}") from error
        for report in found:
            # A tagged corpus knows the project's six labels, whatever the config's are.
            unknown = {span.label for span in report.spans} - set(labels)
            if unknown:
                raise FormatError(
                    f"{source}: report {report.id!r}: label {min(unknown)!r} is none of "
                    f"{', '.join(labels)}; add it to labels in the config, or take it out"
                )
            reports.append(Report(report.id, report.text, report.spans, report.meta, labels))
    if not any(report.spans for report in reports):
        what = "no labelled span in" if reports else "no report in"
        raise FormatError(f"{split} is empty: {what} {', '.join(sources)}; label reports for it")
    return reports


def describe_data(sources: Sequence[str], reports: Sequence[Report]) -> dict[str, Any]:
    """Sources, counts and hash of a split, to be kept beside the model."""
    return {
        "sources": list(sources),
        "reports": len(reports),
        "characters": sum(len(report.text) for report in reports),
        "spans": sum(len(report.spans) for report in reports),
        "hash": data_hash(reports),
    }

"""Learning curve: F1 over the number of training reports, and what more reports would bring.

Subsets of one seed are nested: the first 20 reports of its order hold the first 10.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from training.studies.forecast import forecast
from training.studies.intervals import describe
from training.studies.plots import plot_curve
from training.studies.run import Result, Run
from training.studies.settings import Sources, StudyConfig, Summary, run_config
from zhibiao.errors import FormatError
from zhibiao.reports import Report

__all__ = ["CurveConfig", "order", "plan_curve", "summarise_curve"]


class CurveConfig(StudyConfig):
    """Settings of a learning curve.

    ``extra_epochs``: a subset with a tenth of the characters gets 10 ** extra_epochs times the
    epochs (and patience). With 0 small subsets get few steps and their scores say little about
    the data; with 1 all runs take as many steps, and the study costs most.
    """

    sizes: list[int | Literal["all"]] = Field(default=[10, 20, 40, 80, 160, "all"], min_length=1)
    """Numbers of training reports."""

    seeds: list[int] = Field(default=[1, 2, 3], min_length=1)
    """A nested series of subsets, and a training seed, each."""

    reports: list[str] | None = None
    """Training sources to take subsets of, all when null; the others are in every run."""

    extra_epochs: float = Field(default=0.5, ge=0, le=1)
    """How much longer small subsets train: 0 the same epochs, 1 the same steps."""

    more: list[int] = Field(default=[50, 200])
    """How many more reports to forecast for."""

    rounds: int = Field(default=500, ge=20)
    """Resamples of the runs for the forecast's band."""

    @field_validator("sizes", "more")
    @classmethod
    def _positive(cls, sizes: list[Any]) -> list[Any]:
        for size in sizes:
            if size != "all" and size < 1:
                raise ValueError(f"{size} reports: give a number above 0")
        return sizes


def order(reports: Sequence[Report], seed: int) -> list[Report]:
    """The reports in the seed's random order, which does not depend on how they come.

    Reports that are added later fall in between and leave the order of the others as it is.
    """

    def place(report: Report) -> bytes:
        return hashlib.sha256(f"{seed} {report.id}".encode()).digest()

    return sorted(reports, key=place)


def plan_curve(study: CurveConfig, data: Sources) -> list[Run]:
    """A run for each size and seed, small ones first."""
    base = run_config(study, "base", {}, "changes")
    reports, whole = data.divide(base, study.reports)
    fixed = sum(len(report.text) for report in data.reports(whole, base.labels))
    total = fixed + sum(len(report.text) for report in reports)
    sizes = {len(reports) if size == "all" else size for size in study.sizes}
    if max(sizes) > len(reports):
        raise FormatError(
            f"sizes: {max(sizes)} is more than the {len(reports)} reports there are; write all"
        )
    runs = []
    for size in sorted(sizes):
        for seed in dict.fromkeys(study.seeds):
            name = f"size-{size}-seed-{seed}"
            chosen = order(reports, seed)[:size]
            part = fixed + sum(len(report.text) for report in chosen)
            longer = (total / max(1, part)) ** study.extra_epochs
            changes = {
                "train": [*whole, data.subset(name, chosen, base.labels)],
                "seed": seed,
                "epochs": round(base.epochs * longer),
                "patience": round(base.patience * longer),
            }
            config = run_config(study, name, changes, "changes")
            runs.append(Run(name, config, tuple(study.test), {"size": size, "seed": seed}))
    return runs


def summarise_curve(study: CurveConfig, results: Sequence[Result]) -> Summary:
    """F1 by size, the fitted power law, and the forecast with its warnings."""
    by_size: defaultdict[int, list[float]] = defaultdict(list)
    for result in results:
        if result.finished:
            by_size[result.run.facts["size"]].append(result.f1)
    rows = [{"reports": size, **describe(scores)} for size, scores in sorted(by_size.items())]
    if not rows:
        return Summary({}, [])
    sizes = [size for size, scores in sorted(by_size.items()) for _ in scores]
    scores = [score for _, found in sorted(by_size.items()) for score in found]
    numbers: dict[str, Any] = {"sizes": rows}
    lines = [f"{row['reports']} reports: F1 {row['mean']}" for row in rows]
    try:
        found = forecast(sizes, scores, study.more, rounds=study.rounds)
    except ValueError as error:
        numbers["forecast"] = {"trusted": False, "reasons": [str(error)]}
        lines.append(f"no forecast: {error}")
        return Summary(numbers, rows, lines, plot_curve(sizes, scores, [], [], trusted=False))
    numbers["forecast"] = found.to_dict()
    for point in found.points:
        lines.append(
            f"{point['more']} more reports ({point['reports']}): F1 {point['f1']:.3f} "
            f"({point['low']:.3f} to {point['high']:.3f}), "
            f"{point['gain']:+.3f} ({point['gain_low']:+.3f} to {point['gain_high']:+.3f})"
        )
    if not found.trusted:
        lines.append("do not trust this forecast: " + "; ".join(found.reasons))
    figure = plot_curve(sizes, scores, found.grid, found.points, trusted=found.trusted)
    return Summary(numbers, rows, lines, figure)

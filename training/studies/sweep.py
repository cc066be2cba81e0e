"""Ablations: named variants of one config, each with several seeds, against the base."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from training.studies.intervals import Counts, bootstrap_difference, describe, mean_interval
from training.studies.plots import plot_scores
from training.studies.run import Result, Run
from training.studies.settings import Sources, StudyConfig, Summary, run_config

__all__ = ["SweepConfig", "plan_sweep", "summarise_sweep"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BASE = "base"


class SweepConfig(StudyConfig):
    """Settings of ablations."""

    variants: dict[str, dict[str, Any]] = Field(min_length=1)
    """Name to changes (dotted key to value); the base itself is always run."""

    seeds: list[int] = Field(default=[13, 14, 15], min_length=1)
    """Seeds that every variant is trained with."""

    @field_validator("variants")
    @classmethod
    def _names_fit_folders(cls, variants: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, changes in variants.items():
            if not _NAME.fullmatch(name) or name == _BASE:
                raise ValueError(f"{name!r}: name variants with a-z 0-9 . _ -, not {_BASE!r}")
            if "seed" in changes:
                raise ValueError(f"{name!r}: seeds are for the key 'seeds'")
        return variants


def plan_sweep(study: SweepConfig, _: Sources) -> list[Run]:
    """Every variant with every seed; all variants of one seed before the next seed.

    So a study that is cut short still compares.
    """
    runs = []
    for seed in dict.fromkeys(study.seeds):
        for variant, changes in {_BASE: {}, **study.variants}.items():
            name = f"{variant}-seed-{seed}"
            config = run_config(study, name, {**changes, "seed": seed}, f"variants.{variant}")
            runs.append(Run(name, config, tuple(study.test), {"variant": variant, "seed": seed}))
    return runs


def summarise_sweep(study: SweepConfig, results: Sequence[Result]) -> Summary:
    """Mean F1 of each variant and its difference to the base, with two intervals.

    ``seeds``: t interval of the differences seed by seed (chance in training).
    ``reports``: bootstrap over reports, counts summed over the seeds that both have (chance in
    the choice of test reports).
    """
    held: dict[str, dict[int, Result]] = {_BASE: {}, **{name: {} for name in study.variants}}
    for result in results:
        if result.finished:
            held[result.run.facts["variant"]][result.run.facts["seed"]] = result
    base = held[_BASE]
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for variant, by_seed in held.items():
        if not by_seed:
            lines.append(f"{variant}: no finished run")
            continue
        spread = describe([result.f1 for result in by_seed.values()])
        row: dict[str, Any] = {"variant": variant}
        row |= {key: spread[key] for key in ("runs", "mean", "sd")}
        shared = [seed for seed in by_seed if seed in base]
        if variant != _BASE and shared:
            row |= _difference([base[s] for s in shared], [by_seed[s] for s in shared])
            lines.append(_sentence(variant, row))
        rows.append(row)
    groups = {name: [r.f1 for r in by_seed.values()] for name, by_seed in held.items() if by_seed}
    figure = plot_scores("Ablations", groups) if groups else None
    return Summary({"variants": rows}, rows, lines, figure)


def _difference(base: list[Result], other: list[Result]) -> dict[str, Any]:
    differences = [b.f1 - a.f1 for a, b in zip(base, other, strict=True)]
    seeds = mean_interval(differences)
    low, high = bootstrap_difference(_counts(base), _counts(other))
    return {
        "difference": round(float(np.mean(differences)), 4),
        "seeds_low": round(seeds[0], 4) if seeds else None,
        "seeds_high": round(seeds[1], 4) if seeds else None,
        "reports_low": round(low, 4),
        "reports_high": round(high, 4),
    }


def _counts(results: list[Result]) -> Counts:
    """Counts of each report, summed over runs that were scored on the same reports."""
    each = [
        [[row["right"], row["predicted"], row["gold"]] for row in result.record["reports"]]
        for result in results
    ]
    summed: Counts = np.asarray(each, dtype=np.int64).sum(axis=0)
    return summed


def _sentence(variant: str, row: dict[str, Any]) -> str:
    if row["seeds_low"] is None:
        return f"{variant}: {row['difference']:+.4f}; one seed in common, so chance is unknown"
    clear = all(row[f"{kind}_low"] > 0 or row[f"{kind}_high"] < 0 for kind in ("seeds", "reports"))
    verdict = "a clear difference" if clear else "could be chance"
    return (
        f"{variant}: {row['difference']:+.4f}, seeds {row['seeds_low']:+.4f} to "
        f"{row['seeds_high']:+.4f}, reports {row['reports_low']:+.4f} to "
        f"{row['reports_high']:+.4f}: {verdict}"
    )

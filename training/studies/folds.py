"""k-fold cross-validation by report: a score on every training report from a model without it.

The fold's reports are kept out of training *and* of early stopping, which looks at the base
config's validation reports; so out-of-fold predictions are honest, and an audit can use them.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from pydantic import Field
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from training.studies.intervals import bootstrap_f1, describe
from training.studies.plots import plot_scores
from training.studies.run import Result, Run
from training.studies.settings import Sources, StudyConfig, Summary, run_config
from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.metrics import Counts
from zhibiao.reports import Report

__all__ = ["FoldsConfig", "divide", "plan_folds", "summarise_folds"]


class FoldsConfig(StudyConfig):
    """Settings of a k-fold study."""

    folds: int = Field(default=5, ge=2)
    """Parts that the reports are divided into."""

    seed: int = 13
    """Seed of the division."""

    reports: list[str] | None = None
    """Training sources to divide, all when null; the others are trained on in every fold."""

    group: str | None = None
    """Key of meta; reports of the same value stay in one fold."""


def divide(
    reports: Sequence[Report], folds: int, seed: int, group: str | None = None
) -> list[list[Report]]:
    """The reports as ``folds`` parts, each with about the same share of every genre.

    Which report is where depends on the ids and the seed, not on the order of ``reports``.

    Raises:
        FormatError: fewer reports (or groups) than folds.
    """
    ordered = sorted(reports, key=lambda report: report.id)
    groups = [str(r.meta.get(group, r.id)) if group else r.id for r in ordered]
    if len(set(groups)) < folds:
        what = f"values of {group!r}" if group else "reports"
        raise FormatError(f"folds: {folds} is more than the {len(set(groups))} {what}")
    strata = _strata([str(r.meta.get("genre", "other")) for r in ordered], folds)
    splitter = (
        StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        if group
        else StratifiedKFold(folds, shuffle=True, random_state=seed)
    )
    parts = splitter.split(np.zeros(len(ordered)), strata, groups if group else None)
    divided = [[ordered[place] for place in held] for _, held in parts]
    if not all(divided):
        raise FormatError(f"folds: {folds} parts of whole {group!r} leave one empty; use fewer")
    return divided


def _strata(genres: list[str], folds: int) -> list[str]:
    """Genres with fewer reports than folds count as one; they cannot be spread evenly alone."""
    counts = Counter(genres)
    strata = [genre if counts[genre] >= folds else "" for genre in genres]
    if 0 < strata.count("") < folds:
        largest = counts.most_common(1)[0][0]
        strata = [stratum or largest for stratum in strata]
    return strata


def plan_folds(study: FoldsConfig, data: Sources) -> list[Run]:
    """One run a fold: trained on the other folds, scored on its own."""
    base = run_config(study, "base", {}, "changes")
    reports, whole = data.divide(base, study.reports)
    parts = divide(reports, study.folds, study.seed, study.group)
    runs = []
    for number, held in enumerate(parts, start=1):
        rest = [report for part in parts if part is not held for report in part]
        name = f"fold-{number}"
        changes = {"train": [*whole, data.subset(f"{name}-train", rest, base.labels)]}
        config = run_config(study, name, changes, "changes")
        test = data.subset(f"{name}-held", held, base.labels)
        facts = {"fold": number, "reports": len(held)}
        runs.append(Run(name, config, (test,), facts))
    return runs


def summarise_folds(study: FoldsConfig, results: Sequence[Result]) -> Summary:
    """Mean over folds, and the pooled score of all out-of-fold predictions.

    Writes ``out_of_fold.jsonl``: every report with gold, predicted spans and its fold.
    """
    done = [result for result in results if result.finished]
    if not done:
        return Summary({}, [])
    _join_predictions(study, done)
    scores = [result.f1 for result in done]
    spread = describe(scores, test_ratio=1 / (study.folds - 1))
    each = [row for result in done for row in result.record["reports"]]
    counts = np.array([[row["right"], row["predicted"], row["gold"]] for row in each])
    right, predicted, gold = counts.sum(axis=0).tolist()
    low, high = bootstrap_f1(counts, seed=study.seed)
    pooled = Counts(right, predicted, gold).f1
    genres: defaultdict[str, Counts] = defaultdict(Counts)
    labels: defaultdict[str, Counts] = defaultdict(Counts)
    for row in each:
        genres[row["genre"]] += Counts(row["right"], row["predicted"], row["gold"])
    for result in done:
        for label, found in result.record["scores"]["labels"].items():
            labels[label] += Counts(found["right"], found["predicted"], found["gold"])
    numbers = {
        "folds": spread,
        "pooled": {"f1": round(pooled, 4), "low": round(low, 4), "high": round(high, 4)},
        "labels": {label: round(found.f1, 4) for label, found in labels.items()},
        "genres": {genre: round(found.f1, 4) for genre, found in sorted(genres.items())},
        "complete": len(done) == study.folds,
    }
    rows = [
        {"fold": r.run.facts["fold"], "reports": r.run.facts["reports"], "f1": round(r.f1, 4)}
        for r in done
    ]
    lines = [
        f"mean F1 over {len(done)} folds {spread['mean']}, sd {spread['sd']}, "
        f"95% interval {spread['low']} to {spread['high']} (Nadeau and Bengio)",
        f"out-of-fold F1 over {len(each)} reports {pooled:.4f}, "
        f"95% interval {low:.4f} to {high:.4f} (bootstrap by report)",
    ]
    if len(done) < study.folds:
        lines.append(f"{study.folds - len(done)} folds are missing: the figures are not of all")
    groups = {f"fold {row['fold']}": [float(row["f1"])] for row in rows}
    return Summary(numbers, rows, lines, plot_scores("k-fold by report", {**groups, "all": scores}))


def _join_predictions(study: FoldsConfig, done: Sequence[Result]) -> None:
    with replacing(study.folder / "out_of_fold.jsonl") as stream:
        for result in done:
            path = result.run.folder / "predictions.jsonl"
            for line in path.read_text(encoding="utf-8").splitlines():
                item = json.loads(line) | {"fold": result.run.facts["fold"]}
                stream.write(json.dumps(item, ensure_ascii=False) + "\n")

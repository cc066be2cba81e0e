"""All measures of a model on some reports, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training.dataset import lost_spans
from training.evaluation.alignment import align
from training.evaluation.boundaries import boundary_errors
from training.evaluation.calibration import calibration, fit_temperature
from training.evaluation.confusion import confusion, error_kinds
from training.evaluation.intervals import count_reports, intervals
from training.evaluation.mistakes import find_mistakes
from training.evaluation.outcome import Outcome, retempered
from training.evaluation.partial import partial_scores
from training.evaluation.slices import by_genre, by_length
from training.evaluation.thresholds import label_thresholds
from zhibiao.errors import ZhibiaoError
from zhibiao.extractor import Extractor
from zhibiao.metrics import score_reports, seqeval_f1

__all__ = ["Fit", "fit", "summarise"]


@dataclass(frozen=True)
class Fit:
    """Temperature and thresholds found on validation reports, not yet part of the model.

    ``factor`` is the fitted temperature divided by the model's own, ``target`` what it was
    fitted on (see :func:`~training.evaluation.calibration.fit_temperature`). ``thresholds`` is what
    :func:`~training.evaluation.thresholds.label_thresholds` found for ``precision`` with that
    temperature, empty when no precision was wanted.
    """

    source: str
    factor: float
    target: str = "spans"
    precision: float | None = None
    thresholds: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def fit(
    outcomes: Sequence[Outcome],
    source: str,
    precision: float | None = None,
    target: str = "spans",
) -> Fit:
    """Fit the temperature and, for a wanted precision, the label thresholds.

    Raises:
        ZhibiaoError: no gold spans, no best temperature, or an impossible precision.
    """
    factor = fit_temperature(outcomes, target)
    if precision is None:
        return Fit(source, factor, target)
    warmer = [retempered(outcome, factor) for outcome in outcomes]
    return Fit(source, factor, target, precision, label_thresholds(warmer, precision))


def summarise(
    extractor: Extractor,
    outcomes: Sequence[Outcome],
    fitted: Fit | None = None,
    resamples: int = 2000,
    seed: int = 13,
) -> dict[str, Any]:
    """Every measure of the outcomes of ``extractor``, as plain data with these keys:

    - ``model``, ``reports``, ``characters``, ``lost_gold_spans`` (must be 0), ``seqeval_f1``;
    - ``micro``, ``macro_f1``, ``labels``: strict scores (:mod:`zhibiao.metrics`);
    - ``intervals``: their 95% intervals (:func:`~training.evaluation.intervals.intervals`);
    - ``partial``: by schema (:func:`~training.evaluation.partial.partial_scores`);
    - ``genres``, ``lengths``: lists of parts (:mod:`training.evaluation.slices`);
    - ``confusion``: gold label, then predicted label, to count; ``O`` is a lack;
    - ``errors``: counts by kind (:func:`~training.evaluation.confusion.error_kinds`);
    - ``boundaries``: by label (:func:`~training.evaluation.boundaries.boundary_errors`);
    - ``calibration``: ``temperature`` of the model, ``before``
      (:func:`~training.evaluation.calibration.calibration`), and ``fitted``, ``fitted_on``,
      ``target`` and ``after``, which are None without ``fitted``;
    - ``thresholds``: None, or ``wanted`` precision, ``fitted_on``, ``labels`` as found there, and
      ``here``: the strict scores of these reports with them;
    - ``mistakes``: a list (:meth:`training.evaluation.mistakes.Mistake.to_dict`).

    Raises:
        ZhibiaoError: seqeval and the span sets disagree, so one of them is wrong; or nervaluate
            and the span sets do.
    """
    labels = extractor.labels
    settings = extractor.settings
    reports = [outcome.report for outcome in outcomes]
    pairs = [(outcome.gold, outcome.predicted) for outcome in outcomes]
    groups = [list(align(gold, predicted)) for gold, predicted in pairs]
    every = [group for of_report in groups for group in of_report]
    scores = score_reports(pairs, labels)
    lengths = (len(report.text) for report in reports)
    check = seqeval_f1(((n, *pair) for n, pair in zip(lengths, pairs, strict=True)), labels)
    _must_agree("seqeval", check, scores.micro.f1, 1e-9)
    partial = partial_scores(every, labels)
    _must_agree("nervaluate", partial["strict"]["f1"], scores.micro.f1, 1e-4)
    return {
        "model": extractor.info,
        "reports": len(reports),
        "characters": sum(len(report.text) for report in reports),
        "lost_gold_spans": lost_spans(reports, settings.window, settings.overlap),
        "seqeval_f1": round(check, 4),
        **scores.to_dict(),
        "intervals": intervals(count_reports(pairs, labels), labels, resamples, seed),
        "partial": partial,
        "genres": by_genre(outcomes, resamples, seed),
        "lengths": by_length(outcomes, resamples, seed),
        "confusion": confusion(every, labels),
        "errors": error_kinds(every, labels),
        "boundaries": boundary_errors(
            (
                (report.text, group)
                for report, of_report in zip(reports, groups, strict=True)
                for group in of_report
            ),
            labels,
        ),
        **_fitted(extractor, outcomes, fitted),
        "mistakes": [mistake.to_dict() for mistake in find_mistakes(outcomes)],
    }


def _must_agree(who: str, theirs: float, ours: float, within: float) -> None:
    if abs(theirs - ours) > within:
        raise ZhibiaoError(f"{who} says {theirs}, span sets say {ours}")


def _fitted(
    extractor: Extractor, outcomes: Sequence[Outcome], fitted: Fit | None
) -> dict[str, Any]:
    own = extractor.settings.temperature
    result: dict[str, Any] = {
        "calibration": {
            "temperature": own,
            "before": calibration(outcomes),
            "fitted": None,
            "fitted_on": None,
            "target": None,
            "after": None,
        },
        "thresholds": None,
    }
    if fitted is None:
        return result
    warmer = [retempered(outcome, fitted.factor) for outcome in outcomes]
    result["calibration"] |= {
        "fitted": round(own * fitted.factor, 4),
        "fitted_on": fitted.source,
        "target": fitted.target,
        "after": calibration(warmer),
    }
    if fitted.precision is not None:
        least = {name: row["threshold"] or 0.0 for name, row in fitted.thresholds.items()}
        kept = [
            replace(outcome, decoder=replace(outcome.decoder, thresholds=least))
            for outcome in warmer
        ]
        here = score_reports(((o.gold, o.predicted) for o in kept), extractor.labels)
        result["thresholds"] = {
            "wanted": fitted.precision,
            "fitted_on": fitted.source,
            "labels": dict(fitted.thresholds),
            "here": here.to_dict(),
        }
    return result

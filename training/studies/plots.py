"""Plots of studies as matplotlib figures; drawn without a screen and without pyplot's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["plot_curve", "plot_history", "plot_scores", "save_figure"]

_BLUE, _ORANGE, _GREY = "#1f5f99", "#c8641b", "#8a8a8a"


def _axes(title: str, x: str, width: float = 7.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel("strict micro F1")
    axes.grid(color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def plot_scores(title: str, groups: Mapping[str, Sequence[float]]) -> Figure:
    """Every score of each group as a dot, and the group's mean as a line."""
    figure, axes = _axes(title, "", max(5.0, 1.5 + 0.9 * len(groups)))
    for place, scores in enumerate(groups.values()):
        axes.plot([place] * len(scores), scores, "o", color=_BLUE, alpha=0.6)
        if scores:
            mean = sum(scores) / len(scores)
            axes.plot([place - 0.25, place + 0.25], [mean, mean], color=_ORANGE, lw=2)
    axes.set_xticks(range(len(groups)), list(groups), rotation=30 if len(groups) > 4 else 0)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    return figure


def plot_curve(
    sizes: Sequence[int],
    scores: Sequence[float],
    grid: Sequence[Mapping[str, float]],
    points: Sequence[Mapping[str, float]],
    *,
    trusted: bool,
) -> Figure:
    """Scores over sizes, the fitted curve with its band (``grid``) and the forecast points."""
    figure, axes = _axes("Learning curve", "training reports (log scale)")
    if grid:
        x = [row["reports"] for row in grid]
        axes.fill_between(
            x,
            [row["low"] for row in grid],
            [row["high"] for row in grid],
            color=_ORANGE,
            alpha=0.15,
            label="95% band (bootstrap over runs)",
        )
        name = "fit a - b n^-c" + ("" if trusted else " (not to be trusted)")
        axes.plot(x, [row["f1"] for row in grid], color=_ORANGE, label=name)
    axes.plot(sizes, scores, "o", color=_BLUE, alpha=0.7, label="runs")
    if points:
        values = [row["f1"] for row in points]
        axes.errorbar(
            [row["reports"] for row in points],
            values,
            yerr=[
                [max(0.0, row["f1"] - row["low"]) for row in points],
                [max(0.0, row["high"] - row["f1"]) for row in points],
            ],
            fmt="D",
            color=_ORANGE,
            capsize=3,
            label="forecast",
        )
    axes.set_xscale("log")
    ticks = sorted({*sizes, *(int(row["reports"]) for row in points)})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, loc="lower right")
    return figure


def plot_history(numbers: Sequence[int], scores: Sequence[float]) -> Figure:
    """Scores of a search's finished trials in order, and the best so far."""
    figure, axes = _axes("Hyperparameter search", "trial")
    axes.plot(numbers, scores, "o", color=_BLUE, alpha=0.7, label="trial")
    best = [max(scores[: i + 1]) for i in range(len(scores))]
    axes.step(numbers, best, where="post", color=_ORANGE, label="best so far")
    axes.legend(frameon=False, loc="lower right")
    return figure


def save_figure(figure: Figure, folder: Path, name: str = "plot") -> None:
    """Write ``NAME.svg`` and ``NAME.png`` (150 dots an inch); the same figure, the same bytes."""
    with mpl.rc_context({"svg.hashsalt": "zhibiao"}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=150)

"""The same training with several seeds: how much of a difference is chance."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from training.studies.intervals import describe
from training.studies.plots import plot_scores
from training.studies.run import Result, Run
from training.studies.settings import Sources, StudyConfig, Summary, run_config

__all__ = ["SeedsConfig", "plan_seeds", "summarise_seeds"]


class SeedsConfig(StudyConfig):
    """Settings of a study of seeds."""

    seeds: list[int] = Field(default=[13, 14, 15, 16, 17], min_length=2)
    """Values of the training config's seed."""


def plan_seeds(study: SeedsConfig, _: Sources) -> list[Run]:
    """One run a seed; a seed given twice is run once."""
    return [
        Run(
            f"seed-{seed}",
            run_config(study, f"seed-{seed}", {"seed": seed}, "changes"),
            tuple(study.test),
            {"seed": seed},
        )
        for seed in dict.fromkeys(study.seeds)
    ]


def summarise_seeds(_: SeedsConfig, results: Sequence[Result]) -> Summary:
    """Mean, standard deviation, least and greatest F1: micro, macro and by label."""
    done = [result for result in results if result.finished]
    if not done:
        return Summary({}, [])
    columns = {
        "micro": [result.f1 for result in done],
        "macro": [result.record["scores"]["macro_f1"] for result in done],
    }
    for label in done[0].record["scores"]["labels"]:
        columns[label] = [result.record["scores"]["labels"][label]["f1"] for result in done]
    numbers = {name: describe(values) for name, values in columns.items()}
    micro = numbers["micro"]
    line = (
        f"F1 {micro['mean']} over {micro['runs']} seeds, sd {micro['sd']}, "
        f"{micro['min']} to {micro['max']}; 95% interval of the mean "
        f"{micro['low']} to {micro['high']}"
    )
    return Summary(
        {**numbers, "best": max(done, key=lambda result: result.f1).run.name},
        [{"score": name, **values} for name, values in numbers.items()],
        [line],
        plot_scores("Seeds", {"seeds": columns["micro"]}),
    )

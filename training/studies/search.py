"""Hyperparameter search with Optuna: TPE proposals, median pruning, kept in SQLite.

Tree-structured Parzen estimator: Bergstra et al. 2011. A trial is pruned when its F1 after an
epoch is below the median of the earlier trials at that epoch (Optuna's MedianPruner).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from typing import Literal, Self

import optuna
import yaml
from optuna.trial import Trial, TrialState
from pydantic import Field, model_validator

from training.config import Config
from training.studies.plots import plot_history
from training.studies.run import Result, Run, execute
from training.studies.settings import Sources, StudyConfig, Summary, run_config
from zhibiao.errors import FormatError
from zhibiao.files import replacing

__all__ = ["Dimension", "SearchConfig", "plan_search", "run_search", "summarise_search"]

Choice = bool | int | float | str | None


class Dimension(Config):
    """One hyperparameter: ``float`` or ``int`` between low and high, or one of ``choices``."""

    type: Literal["float", "int", "choice"]
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: list[Choice] | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        bounds = (self.low, self.high)
        if self.type == "choice":
            if not self.choices or bounds != (None, None) or self.log or self.step is not None:
                raise ValueError("type choice needs choices, and no low, high, log or step")
            return self
        if self.low is None or self.high is None or self.choices is not None:
            raise ValueError(f"type {self.type} needs low and high, and no choices")
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must be below high {self.high}, above 0 with log")
        if self.log and self.step is not None:
            raise ValueError("log and step do not go together")
        if self.type == "int" and any(isinstance(value, float) for value in (*bounds, self.step)):
            raise ValueError("type int needs whole numbers")
        return self

    def suggest(self, trial: Trial, key: str) -> Choice:
        """The trial's value of the hyperparameter ``key``."""
        if self.choices is not None:
            chosen: Choice = trial.suggest_categorical(key, self.choices)
            return chosen
        low, high = self.low or 0, self.high or 0
        if self.type == "int":
            step = int(self.step or 1)
            return trial.suggest_int(key, int(low), int(high), step=step, log=self.log)
        return trial.suggest_float(key, low, high, step=self.step, log=self.log)


class SearchConfig(StudyConfig):
    """Settings of a search; ``test`` stays empty, for what is searched on cannot test."""

    trials: int = Field(default=20, ge=1)
    """Finished and pruned trials in the end."""

    space: dict[str, Dimension] = Field(min_length=1)
    """Dotted key of the training config to type, low, high, log, step or choices."""

    seed: int = 13
    """Seed of the proposals."""

    prune: bool = True
    """Stop trials that are below the median of the earlier ones; needs isolate."""

    startup_trials: int = Field(default=5, ge=1)
    """Trials at random, and never stopped, before the method begins."""

    warmup_epochs: int = Field(default=2, ge=0)
    """Epochs before a trial may be stopped."""

    @model_validator(mode="after")
    def _searches_on_validation(self) -> Self:
        if self.test:
            raise ValueError("test: a search is scored on validation; test the best one after it")
        if self.prune and not self.isolate:
            raise ValueError("prune: true needs isolate: true")
        return self


def plan_search(study: SearchConfig, _: Sources) -> list[Run]:
    """As many runs of the base config as there are trials, to estimate the cost.

    Raises:
        FormatError: ``space`` names a key that training does not have.
    """
    config = run_config(study, "base", {}, "changes")
    for key, dimension in study.space.items():
        for value in dimension.choices or (dimension.low, dimension.high):
            run_config(study, "base", {key: value}, f"space.{key}")
    return [Run(f"trial-{n}", config, (), {"trial": n}) for n in range(study.trials)]


def run_search(
    study: SearchConfig, data: Sources, report: Callable[[Result], None] = lambda _: None
) -> list[Result]:
    """Do the trials that are still missing; results of those done now.

    Trials are kept in ``optuna.db``. One that was cut off is proposed again first, with the same
    values, and goes on from its checkpoint.

    Raises:
        FormatError: the folder has trials of another base config or space.
    """
    plan_search(study, data)
    held = _open(study)
    _check_same(study, held)
    for trial in held.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        held.tell(trial.number, state=TrialState.FAIL)
        held.enqueue_trial(trial.params, skip_if_exists=False)
    counted = (TrialState.COMPLETE, TrialState.PRUNED)
    missing = study.trials - len(held.get_trials(deepcopy=False, states=counted))
    results: list[Result] = []

    def objective(trial: Trial) -> float:
        values = {key: dim.suggest(trial, key) for key, dim in study.space.items()}
        result = _one(study, data, trial, values)
        results.append(result)
        report(result)
        if result.status == "pruned":
            raise optuna.TrialPruned
        if not result.finished:
            raise _FailedError(result.error)
        return result.f1

    if missing > 0:
        try:
            held.optimize(
                objective, n_trials=missing, n_jobs=study.processes, catch=(_FailedError,)
            )
        except ValueError as error:
            raise FormatError(
                f"space: it does not fit the trials in {study.output} ({error}); "
                "choose another output"
            ) from error
    return results


class _FailedError(Exception):
    pass


def _one(study: SearchConfig, data: Sources, trial: Trial, values: dict[str, Choice]) -> Result:
    # Named by its values: one that is proposed twice is trained once.
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    name = f"trial-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    config = run_config(study, name, values, "space")
    run = Run(name, config, (), {"trial": trial.number, "values": values})

    def watch(epoch: int, f1: float) -> bool:
        trial.report(f1, epoch)
        return trial.should_prune()

    # The pool of `execute` is for plans that are known; here Optuna runs the threads.
    single = study.model_copy(update={"processes": 1})
    (result,) = execute([run], single, data, watch=watch if study.prune else None)
    trial.set_user_attr("run", name)
    if result.error:
        trial.set_user_attr("error", result.error)
    return result


def _open(study: SearchConfig) -> optuna.Study:
    study.folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(logging.WARNING)
    storage = f"sqlite:///{(study.folder / 'optuna.db').resolve()}"
    held = optuna.create_study(
        storage=storage,
        study_name="search",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(study.startup_trials, study.warmup_epochs),
    )
    # A sampler starts anew when the search goes on; with the same seed it would repeat itself.
    held.sampler = optuna.samplers.TPESampler(
        n_startup_trials=study.startup_trials, seed=study.seed + len(held.trials)
    )
    return held


def _check_same(study: SearchConfig, held: optuna.Study) -> None:
    config = run_config(study, "base", {}, "changes").model_dump(mode="json")
    space = {key: dimension.model_dump(mode="json") for key, dimension in study.space.items()}
    text = json.dumps({"config": config, "space": space}, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if held.user_attrs.setdefault("digest", digest) != digest:
        raise FormatError(
            f"output: {study.output} has trials of another base config, changes or space; "
            "choose another output"
        )
    held.set_user_attr("digest", digest)


def summarise_search(study: SearchConfig, _: Sequence[Result]) -> Summary:
    """All trials of the storage; writes ``best.yaml``, a config for ``training.train``."""
    trials = _open(study).get_trials(deepcopy=False)
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "f1": None if trial.value is None else round(trial.value, 4),
            **trial.params,
            "run": trial.user_attrs.get("run"),
            "error": trial.user_attrs.get("error"),
        }
        for trial in trials
    ]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        return Summary({"trials": rows}, rows, ["no trial has finished"])
    best = max(complete, key=lambda trial: trial.value or 0.0)
    config = run_config(study, "best", best.params, "space").model_dump(mode="json")
    config.pop("resume", None)
    config |= {"output": f"{study.folder / 'best'}"}
    with replacing(study.folder / "best.yaml") as stream:
        stream.write(
            f"# The best of {len(trials)} trials (number {best.number}, validation F1 "
            f"{best.value:.4f}).\n# python -m training.train --config {study.folder}/best.yaml\n"
        )
        yaml.safe_dump(config, stream, allow_unicode=True, sort_keys=False)
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    numbers = {
        "trials": rows,
        "best": {"trial": best.number, "f1": best.value, "values": best.params},
    }
    lines = [
        f"best of {len(complete)} finished and {pruned} pruned trials: F1 {best.value:.4f} with "
        + ", ".join(f"{key}={value}" for key, value in best.params.items()),
        f"config: {study.folder / 'best.yaml'} (its validation F1 is a maximum, so too high: "
        "judge it on test)",
    ]
    figure = plot_history(
        [trial.number for trial in complete], [trial.value or 0.0 for trial in complete]
    )
    return Summary(numbers, rows, lines, figure)

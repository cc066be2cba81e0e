"""What all studies have in common: their settings, the data they read, their summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from training.config import Config, load_config
from training.dataset import data_hash
from training.train import TrainConfig
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError
from zhibiao.reports import Report, write_jsonl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Sources", "StudyConfig", "Summary", "run_config"]

_OWN = ("output", "resume")  # what a study sets itself


class StudyConfig(Config):
    """Settings of every study."""

    base: str
    """The training config that all runs start from."""

    output: str
    """Folder of the study."""

    changes: dict[str, Any] = Field(default_factory=dict)
    """What all runs change in the base: dotted key to value."""

    test: list[str] = Field(default_factory=list)
    """Sources that runs are scored on; the validation reports when empty."""

    isolate: bool = True
    """Train each run in a process of its own."""

    processes: int = Field(default=1, ge=1)
    """Runs side by side."""

    keep_models: bool = True
    """Keep a run's weights once it is scored."""

    @model_validator(mode="after")
    def _processes_are_processes(self) -> Self:
        if self.processes > 1 and not self.isolate:
            raise ValueError(f"processes: {self.processes} at a time need isolate: true")
        return self

    @property
    def folder(self) -> Path:
        """Where the study writes."""
        return Path(self.output)


@dataclass(frozen=True)
class Summary:
    """What a study found: numbers for JSON, a table, sentences for people, and a plot."""

    numbers: dict[str, Any]
    rows: list[dict[str, Any]]
    lines: list[str] = field(default_factory=list)
    figure: Figure | None = None


def run_config(
    study: StudyConfig, name: str, changes: Mapping[str, Any], where: str
) -> TrainConfig:
    """The training config of the run ``name``: base, the study's changes, then ``changes``.

    Raises:
        FormatError: a key that training does not have or a value it does not take; the message
            begins with ``where``, the key of the study file that is to blame.
    """
    overrides = []
    for key, value in {**study.changes, **changes}.items():
        if key in _OWN:
            raise FormatError(f"{where}: {key!r} is set by the study; take it out")
        overrides.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    overrides.append(f"output={json.dumps(str(study.folder / 'runs' / name), ensure_ascii=False)}")
    try:
        return load_config(TrainConfig, study.base, [*overrides, "resume=false"])
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from error


class Sources:
    """Reports of data sources, read once, and subsets of them as files of their own.

    With ``write=False`` (a dry run) subsets are remembered but not written.
    """

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        self._folder = folder
        self._write = write
        self._held: dict[tuple[str, tuple[str, ...]], list[Report]] = {}

    def reports(self, sources: Sequence[str], labels: Sequence[str]) -> list[Report]:
        """All reports of the sources, in order."""
        found: list[Report] = []
        for source in sources:
            key = (source, tuple(labels))
            if key not in self._held:
                self._held[key] = read_reports(source, tuple(labels))
            found += self._held[key]
        return found

    def subset(self, name: str, reports: Sequence[Report], labels: Sequence[str]) -> str:
        """Write reports as a JSONL source; its name holds their hash, so other data is another."""
        path = self._folder / f"{name}-{data_hash(reports)[:8]}.jsonl"
        if self._write and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(path, reports)
        self._held[str(path), tuple(labels)] = list(reports)
        return str(path)

    def divide(self, base: TrainConfig, wanted: list[str] | None) -> tuple[list[Report], list[str]]:
        """Reports to divide, sorted by id, and the training sources that stay whole in every run.

        Raises:
            FormatError: ``wanted`` names a source that the base config does not train on, or an
                id occurs twice.
        """
        chosen = base.train if wanted is None else wanted
        for source in chosen:
            if source not in base.train:
                raise FormatError(
                    f"reports: {source!r} is not among the base config's training sources "
                    f"({', '.join(base.train)})"
                )
        reports = sorted(self.reports(chosen, base.labels), key=lambda report: report.id)
        for before, after in pairwise(reports):
            if before.id == after.id:
                raise FormatError(f"reports: id {after.id!r} occurs twice; give each its own")
        return reports, [source for source in base.train if source not in chosen]

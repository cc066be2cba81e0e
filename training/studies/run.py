"""One training run of a study, and many of them: done once, each in its own folder.

A run's folder is a model directory with ``run.yaml`` (its whole config), ``run.json`` (what it
was trained and scored on, scores, time), ``predictions.jsonl`` and, for runs in a process of
their own, ``log.txt``. A run is finished when its ``zhibiao.json`` stands beside a ``run.json``
of the same config, test sources and data; anything else is trained again, from the last
checkpoint where the config is the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from training.dataset import data_hash
from training.studies.settings import Sources, StudyConfig
from training.train import TrainConfig, train
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.extractor import Extractor
from zhibiao.files import replacing
from zhibiao.metrics import Scores, score_reports
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["Result", "Run", "carry_out", "execute"]

_ROOT = Path(__file__).resolve().parents[2]
_WEIGHTS = ("model.safetensors", "model.onnx", "pytorch_model.bin")

Watch = Callable[[int, float], bool]
"""Told each epoch and its F1; True stops the run."""


@dataclass(frozen=True)
class Run:
    """A training config with a name; ``facts`` say what it stands for in its study."""

    name: str
    config: TrainConfig
    test: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the run writes; its model directory."""
        return Path(self.config.output)

    def characters(self, data: Sources) -> int:
        """Characters that training and scoring go through at most, early stopping aside."""
        config = self.config

        def count(sources: Sequence[str]) -> int:
            return sum(len(report.text) for report in data.reports(sources, config.labels))

        scored = count(self.test or config.validation)
        return config.epochs * (count(config.train) + count(config.validation)) + scored

    def record(self, data: Sources) -> dict[str, Any] | None:
        """The content of ``run.json`` when the run is finished, with this config and this data."""
        if not (self.folder / "zhibiao.json").is_file():
            return None
        try:
            text = (self.folder / "run.json").read_text(encoding="utf-8")
            record: dict[str, Any] = json.loads(text)
        except (OSError, ValueError):
            return None
        wanted = {
            "config": _plain(self.config),
            "test": list(self.test),
            "data": _hashes(data, self.config, self.test),
        }
        return record if all(record.get(key) == wanted[key] for key in wanted) else None


@dataclass(frozen=True)
class Result:
    """How a run ended. ``record`` is the content of its ``run.json``, empty without success."""

    run: Run
    status: Literal["done", "reused", "failed", "pruned"]
    record: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def finished(self) -> bool:
        """Whether there are scores."""
        return self.status in ("done", "reused")

    @property
    def f1(self) -> float:
        """Strict micro F1 on the test reports, from counts and so not rounded."""
        micro = self.record["scores"]["micro"]
        total = micro["predicted"] + micro["gold"]
        return float(2 * micro["right"] / total) if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``study.json``."""
        data: dict[str, Any] = {"name": self.run.name, "status": self.status, **self.run.facts}
        data["folder"] = str(self.run.folder)
        if self.finished:
            data |= {"f1": round(self.f1, 4), "scores": self.record["scores"]}
            data["seconds"] = self.record["seconds"]
        if self.error:
            data["error"] = self.error
        return data


def carry_out(config: TrainConfig, test: Sequence[str], *, resume: bool = False) -> dict[str, Any]:
    """Train, score whole reports with the saved model, write predictions and ``run.json``."""
    started = time.monotonic()
    output, _ = train(config.model_copy(update={"resume": resume}))
    seconds = time.monotonic() - started
    labels = tuple(config.labels)
    cuda = config.device != "cpu" and torch.cuda.is_available()
    extractor = Extractor.from_pretrained(
        output, backend="torch", device="cuda" if cuda else "cpu", labels=labels
    )
    reports = [r for source in test or config.validation for r in read_reports(source, labels)]
    found = list(extractor.extract_many(report.text for report in reports))
    with replacing(output / "predictions.jsonl") as stream:
        for report, spans in zip(reports, found, strict=True):
            line = _prediction(report, spans, extractor.info)
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    each = [
        score_reports([(report.spans, spans)], labels)
        for report, spans in zip(reports, found, strict=True)
    ]
    record = {
        "config": _plain(config),
        "test": list(test),
        "data": _hashes(Sources(output), config, test),
        "seconds": round(seconds, 1),
        "scores": score_reports(
            ((r.spans, spans) for r, spans in zip(reports, found, strict=True)), labels
        ).to_dict(),
        "reports": [_counts(r, scores) for r, scores in zip(reports, each, strict=True)],
    }
    _write_json(output / "run.json", record)
    return record


def _prediction(report: Report, spans: Sequence[Span], model: dict[str, str]) -> dict[str, Any]:
    return {
        "id": report.id,
        "source": str(report.meta.get("source", "")),
        "text": report.text,
        "spans": [
            {
                "start": span.start,
                "end": span.end,
                "label": span.label,
                "text": report.text[span.start : span.end],
                "score": round(span.score, 4),
            }
            for span in spans
        ],
        "gold": [{"start": s.start, "end": s.end, "label": s.label} for s in report.spans],
        "meta": dict(report.meta),
        "model": model,
    }


def _counts(report: Report, scores: Scores) -> dict[str, Any]:
    micro = scores.micro
    return {
        "id": report.id,
        "genre": str(report.meta.get("genre", "other")),
        "right": micro.right,
        "predicted": micro.predicted,
        "gold": micro.gold,
    }


def execute(
    runs: Sequence[Run],
    study: StudyConfig,
    data: Sources,
    report: Callable[[Result], None] = lambda _: None,
    watch: Watch | None = None,
) -> list[Result]:
    """Do the runs that are not finished; results in the order of ``runs``.

    A run that fails gives a result that says why, and the others go on. ``report`` is called
    with each result as it comes, one at a time.
    ``watch`` needs ``isolate``: it sees the F1 of each epoch and may stop the run.
    """

    lock = threading.Lock()
    stop = threading.Event()

    def one(run: Run) -> Result:
        record = run.record(data)
        if record is None:
            result = _start(run, study, data, watch, stop)
        else:
            result = Result(run, "reused", record)
        if result.finished and not study.keep_models:
            for name in _WEIGHTS:
                (run.folder / name).unlink(missing_ok=True)
        with lock:
            report(result)
        return result

    if study.processes == 1:
        return [one(run) for run in runs]
    with ThreadPoolExecutor(study.processes) as pool:
        try:
            return list(pool.map(one, runs))
        except BaseException:  # an interruption reaches this thread alone; the others must end
            stop.set()
            raise


def _start(
    run: Run, study: StudyConfig, data: Sources, watch: Watch | None, stop: threading.Event
) -> Result:
    checkpoints = run.folder / "checkpoints"
    resume = False
    try:
        _prepare(run, data)
        resume = any(checkpoints.glob("checkpoint-*"))
        if study.isolate:
            result = _in_process(run, study, watch, stop, resume=resume)
        else:
            result = Result(run, "done", carry_out(run.config, run.test, resume=resume))
    except Exception as error:  # whatever stops one run must not stop the others
        if resume:  # a checkpoint that cannot be gone on from would fail for ever
            shutil.rmtree(checkpoints, ignore_errors=True)
        kind = "" if isinstance(error, ZhibiaoError) else f"{type(error).__name__}: "
        result = Result(run, "failed", error=f"{kind}{error}".splitlines()[0])
    if result.status == "pruned":
        shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def _prepare(run: Run, data: Sources) -> None:
    """Write ``run.yaml``; what an earlier run of another config or other data left is removed."""
    hashes = _hashes(data, run.config, run.test)
    text = f"# data: {' '.join(f'{name} {value}' for name, value in hashes.items())}\n"
    text += yaml.safe_dump(_plain(run.config), allow_unicode=True, sort_keys=False)
    path = run.folder / "run.yaml"
    if run.folder.is_dir() and any(run.folder.iterdir()):
        if not path.is_file():
            raise FormatError(f"{run.folder}: holds something else; choose another output")
        if path.read_text(encoding="utf-8") != text:
            shutil.rmtree(run.folder)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "run.json").unlink(missing_ok=True)
    with replacing(path) as stream:
        stream.write(text)


def _in_process(
    run: Run, study: StudyConfig, watch: Watch | None, stop: threading.Event, *, resume: bool
) -> Result:
    command = [sys.executable, "-m", "training.studies", str(run.folder / "run.yaml")]
    command += ["--resume"] if resume else []
    command += ["--test", *run.test] if run.test else []
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    )
    if study.processes > 1:
        # Side by side, more threads than cores slow all of them.
        share = max(1, (os.cpu_count() or 1) // study.processes)
        environment["OMP_NUM_THREADS"] = str(share)
    log = run.folder / "log.txt"
    told = 0
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while process.poll() is None and not stop.is_set():
                try:
                    process.wait(0.5)
                except subprocess.TimeoutExpired:
                    scores = _epoch_scores(run.folder) if watch else []
                    for epoch, f1 in scores[told:]:
                        told += 1
                        if watch and watch(epoch, f1):
                            return Result(run, "pruned", error=f"stopped after epoch {epoch}")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    code = process.returncode
    if code < 0 or code == 130:  # killed or interrupted, which is no fault of the run
        return Result(run, "failed", error=f"stopped by signal {-code}; repeat the command")
    if code:
        raise FormatError(f"{_last_line(log)} (see {log})")
    return Result(run, "done", json.loads((run.folder / "run.json").read_text(encoding="utf-8")))


def _epoch_scores(folder: Path) -> list[tuple[int, float]]:
    """Whole-report F1 of the epochs so far, from the state in the newest checkpoint."""
    found: list[tuple[int, float]] = []
    for path in folder.glob("checkpoints/checkpoint-*/trainer_state.json"):
        try:
            history = json.loads(path.read_text(encoding="utf-8"))["log_history"]
        except (OSError, ValueError, KeyError):
            continue  # being written or already removed: the next look will see it
        rows = [(round(row["epoch"]), row["eval_f1"]) for row in history if "eval_f1" in row]
        found = max(found, rows, key=len)
    return found


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "ended without a message")
    return last.removeprefix("error: ")


def _plain(config: TrainConfig) -> dict[str, Any]:
    """The config as JSON has it, without ``resume``, which changes nothing in the result."""
    data: dict[str, Any] = config.model_dump(mode="json")
    data.pop("resume", None)
    return data


def _hashes(data: Sources, config: TrainConfig, test: Sequence[str]) -> dict[str, str]:
    parts = {"train": config.train, "validation": config.validation, "test": test}
    try:
        return {
            name: data_hash(data.reports(sources, config.labels)) for name, sources in parts.items()
        }
    except OSError as error:
        raise FormatError(f"data of {config.name}: {error}") from error


def _write_json(path: Path, data: Any) -> None:
    with replacing(path) as stream:
        stream.write(json.dumps(data, ensure_ascii=False, indent=1) + "\n")

"""Whole runs with options: what a step is, averages, CRF, curves, what lands in the directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.training_runs import TAGGED, config, report, reports_in
from training.averaging import AverageUpdater
from training.evaluate_model import score_extractor
from training.provenance import git_state
from training.train import train
from training.weights import tiny_encoder
from zhibiao import Extractor, Report, Span, write_jsonl
from zhibiao.corpus import read_reports

Weights = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """16 short reports that fit one window each, and differ."""
    folder = tmp_path_factory.mktemp("data")
    tagged = [report(i, times=1) for i in range(16)]
    shorter = [
        Report(r.id, r.text[: 66 - i], tuple(s for s in r.spans if s.end <= 66 - i))
        for i, r in enumerate(tagged)
    ]
    write_jsonl(folder / "train.jsonl", shorter)
    write_jsonl(folder / "validation.jsonl", [report(100), report(101), report(102, times=2)])
    return str(folder / "train.jsonl"), str(folder / "validation.jsonl")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny encoder without dropout, so that a step depends on its windows alone."""
    folder = tiny_encoder(tmp_path_factory.mktemp("encoder"), [TAGGED])
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(settings))
    return str(folder)


def steps(encoder: str, **changes: Any) -> dict[str, Any]:
    """Two epochs of two steps of eight windows."""
    plain = {"encoder": encoder, "epochs": 2, "batch_windows": 8, "log_every": 1}
    plain |= {"dropout": 0.0, "augment": None, "learning_rate": 1e-3, "head_learning_rate": 1e-3}
    return plain | changes


def rows(output: Path, key: str) -> list[float]:
    history = json.loads((output / "history.json").read_text(encoding="utf-8"))
    return [row[key] for row in history if key in row]


def assert_same_run(one: Path, other: Path, start: Weights) -> None:
    """The same losses and gradients, and weights that differ little beside how far they moved."""
    assert rows(other, "loss") == pytest.approx(rows(one, "loss"), rel=1e-3)
    # Adam does not notice a gradient that is too large; its norm before clipping shows it.
    assert rows(other, "grad_norm") == pytest.approx(rows(one, "grad_norm"), rel=1e-2)
    a, b = (load_file(path / "model.safetensors") for path in (one, other))
    moved = sum(float(np.square(a[k] - v, dtype=np.float64).sum()) for k, v in start.items())
    apart = sum(float(np.square(a[k] - b[k], dtype=np.float64).sum()) for k in start)
    assert apart < 0.01 * moved


@pytest.fixture(scope="module")
def plain(data: tuple[str, str], encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(config(data, tmp_path_factory.mktemp("plain"), **steps(encoder)))[0]


@pytest.fixture(scope="module")
def start(encoder: str) -> Weights:
    weights = load_file(Path(encoder) / "model.safetensors")
    return {f"bert.{name}": array.astype(np.float32) for name, array in weights.items()}


def test_accumulated_steps_are_whole_steps(
    data: tuple[str, str], encoder: str, plain: Path, start: Weights, tmp_path: Path
) -> None:
    changes = steps(encoder, batch_windows=2, gradient_accumulation=4)
    assert len(rows(plain, "loss")) == 4
    assert_same_run(plain, train(config(data, tmp_path / "m", **changes))[0], start)


def test_checkpointed_activations_change_nothing(
    data: tuple[str, str], encoder: str, plain: Path, start: Weights, tmp_path: Path
) -> None:
    changes = steps(encoder, gradient_checkpointing=True)
    assert_same_run(plain, train(config(data, tmp_path / "m", **changes))[0], start)


@pytest.mark.parametrize(
    "options", [{}, {"head": "crf", "fgm_epsilon": 0.5, "gradient_accumulation": 2}]
)
def test_two_processes_are_one_with_twice_the_batch(
    data: tuple[str, str],
    encoder: str,
    start: Weights,
    tmp_path: Path,
    root: Path,
    options: dict[str, Any],
) -> None:
    """torchrun on the CPU; the first process writes."""
    both = {"ema_decay": 0.5, "tensorboard": True, "threads": 1, **options}
    both["published"] = {"BERT-base": 78.8}
    batch = 8 // both.get("gradient_accumulation", 1)
    one, _ = train(config(data, tmp_path / "one", **steps(encoder, batch_windows=batch, **both)))
    two = config(data, tmp_path / "two", **steps(encoder, batch_windows=batch // 2, **both))
    path = tmp_path / "two.yaml"
    path.write_text(json.dumps(two.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node", "2", "-m", "training.train", "--config", str(path)]
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("validation F1") == 1
    assert done.stdout.count("BERT-base, published: 78.8; ") == 1
    found = Path(two.output)
    assert_same_run(one, found, start)
    settings, expected = (
        json.loads((path / "zhibiao.json").read_text(encoding="utf-8")) for path in (found, one)
    )
    assert settings["compute"]["processes"] == 2
    assert settings["compute"]["characters"] == expected["compute"]["characters"]
    assert settings["metrics"] == expected["metrics"]
    assert len(list((found / "tensorboard").iterdir())) == 1
    assert not (found / "checkpoints").exists()


def test_characters_seen(data: tuple[str, str], plain: Path) -> None:
    settings = json.loads((plain / "zhibiao.json").read_text(encoding="utf-8"))
    size = sum(len(r.text) for r in read_reports(data[0]))
    assert settings["data"]["train"]["characters"] == size
    assert settings["compute"]["characters"] == 2 * size
    assert settings["training"]["steps"] == 4
    assert settings["training"]["precision"] == "fp32"


def test_the_average_is_what_is_saved(
    data: tuple[str, str], encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    original = AverageUpdater.on_step_end

    def spy(self: AverageUpdater, *a: Any, **named: Any) -> None:
        seen.append(named["model"].classifier.weight.detach().clone())
        original(self, *a, **named)

    monkeypatch.setattr(AverageUpdater, "on_step_end", spy)
    output, scores = train(config(data, tmp_path / "m", **steps(encoder, epochs=1, ema_decay=0.15)))
    assert len(seen) == 2
    wanted = 0.15 * seen[0] + 0.85 * seen[1]
    saved = load_file(output / "model.safetensors")["classifier.weight"]
    assert saved == pytest.approx(wanted.numpy(), rel=1e-3, abs=1e-5)
    assert saved != pytest.approx(seen[1].numpy(), rel=1e-3, abs=1e-5)
    extractor = Extractor.from_pretrained(output, backend="torch")
    assert score_extractor(extractor, read_reports(data[1])) == scores


def test_crf_run_is_a_plain_model_directory(tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification
    from transformers.utils import logging

    data = reports_in(tmp_path)
    settings = config(data, tmp_path / "m", head="crf", epochs=25)
    output, scores = train(settings)
    assert scores.micro.f1 > 0.8
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    model, info = AutoModelForTokenClassification.from_pretrained(output, output_loading_info=True)
    assert not info["unexpected_keys"]
    assert not info["missing_keys"]
    assert model.config.num_labels == 13
    extractor = Extractor.from_pretrained(output, backend="torch")
    transitions = extractor.settings.transitions
    assert transitions is not None
    assert np.abs(transitions).max() > 0.01
    assert not transitions[0, 2::2].any()  # steps that cannot happen stay as they were
    assert score_extractor(extractor, read_reports(data[1])) == scores


def test_other_labels_with_weights_and_curves(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing import (  # type: ignore[import-untyped]
        event_accumulator,
    )

    labels = ("人名", "地名")
    text = "张三到了青山县。李四也到了白水县。"
    spans = (Span(0, 2, "人名"), Span(4, 7, "地名"), Span(8, 10, "人名"), Span(13, 16, "地名"))
    for name in ("train", "validation"):
        reports = [Report(f"{name}{i}", text, spans, {}, labels) for i in range(4)]
        write_jsonl(tmp_path / f"{name}.jsonl", reports)
    data = (str(tmp_path / "train.jsonl"), str(tmp_path / "validation.jsonl"))
    changes: dict[str, Any] = {"labels": list(labels), "augment": None, "class_weights": "balanced"}
    changes |= {
        "touching": False,
        "tensorboard": True,
        "log_every": 5,
        "epochs": 40,
        "layer_decay": 0.8,
        "patience": 3,
    }
    output, scores = train(config(data, tmp_path / "m", **changes))
    assert scores.micro.f1 == 1.0
    extractor = Extractor.from_pretrained(output, backend="torch", labels=None)
    assert extractor.labels == labels
    assert not extractor.settings.touching
    assert [span.key for span in extractor.extract(text)] == [span.key for span in spans]
    curves = event_accumulator.EventAccumulator(str(output / "tensorboard"))
    curves.Reload()
    names = set(curves.Tags()["scalars"])
    wanted = {"eval/f1", "eval/人名", "eval/地名", "train/loss", "train/grad_norm"}
    assert names >= wanted | {"train/learning_rate", "train/characters_per_second"}
    found = [event.value for event in curves.Scalars("eval/f1")]
    assert max(found) == pytest.approx(1.0)
    # Early stopping: three epochs after the first of the best ones.
    assert len(found) == found.index(max(found)) + 1 + 3
    assert curves.Scalars("eval/f1")[-1].step == 2 * len(found)
    assert rows(output, "eval_f1") == pytest.approx(found)


def test_git_state(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, "-C", str(tmp_path), *words], check=True, capture_output=True)

    assert git_state(tmp_path) is None
    git("init")
    (tmp_path / "a.txt").write_text("1")
    git("add", "a.txt")
    git("commit", "-m", "one")
    clean = git_state(tmp_path)
    assert clean is not None
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "new.txt").write_text("1")
    assert git_state(tmp_path) == clean
    (tmp_path / "a.txt").write_text("2")
    assert git_state(tmp_path) == {**clean, "dirty": True}

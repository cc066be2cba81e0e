"""Runs that are killed or fail to write, and go on as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.training_runs import config, reports_in
from training import train as train_module
from training.config import load_config
from training.settings import TrainConfig
from training.train import train
from training.trainer import ReportTrainer, last_checkpoint
from zhibiao import Extractor, OutputError, ZhibiaoError

# Ends itself with SIGKILL before the step that the first argument names.
KILLED = """
import os, signal, sys
from training.train import main
from training.trainer import ReportTrainer
original = ReportTrainer.training_step
def step(self, *a, **k):
    if self.state.global_step == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *a, **k)
ReportTrainer.training_step = step
main(sys.argv[2:])
"""


@pytest.fixture(scope="module", autouse=True)
def own_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return reports_in(tmp_path_factory.mktemp("data"))


def debug(root: Path, data: tuple[str, str], output: Path, *more: str) -> list[str]:
    """Arguments of ``training.train``: configs/debug.yaml on the tests' reports."""
    settings = [f'train=["{data[0]}"]', f'validation=["{data[1]}"]', f"output={output}"]
    settings += ["epochs=3", "batch_windows=3", "threads=1", "device=cpu"]
    return ["--config", str(root / "configs" / "debug.yaml"), *settings, *more]


def run(root: Path, arguments: list[str]) -> Path:
    loaded = load_config(TrainConfig, root / "configs" / "debug.yaml", arguments[2:])
    return train(loaded)[0]


def same_weights(one: Path, other: Path) -> bool:
    a, b = (load_file(path / "model.safetensors") for path in (one, other))
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "options",
    [[], ["ema_decay=0.9", "fgm_epsilon=0.5", "head=crf", "gradient_accumulation=2"]],
    ids=["plain", "everything"],
)
def test_killed_and_resumed_is_uninterrupted(
    root: Path, data: tuple[str, str], tmp_path: Path, options: list[str]
) -> None:
    whole = run(root, debug(root, data, tmp_path / "whole", *options))
    history = json.loads((whole / "history.json").read_text())
    steps = history[-1]["step"] // 3
    arguments = debug(root, data, tmp_path / "cut", *options)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(steps + steps // 2), *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    work = tmp_path / "cut" / "checkpoints"
    assert last_checkpoint(work) == work / f"checkpoint-{steps}"
    # A kill while saving leaves a folder that is not whole: newer, and not to be used.
    shutil.copytree(work / f"checkpoint-{steps}", work / "checkpoint-999")
    (work / "checkpoint-999" / "progress.json").unlink()
    (work / "checkpoint-999" / "model.safetensors").write_bytes(b"half")
    resumed = run(root, [*arguments, "resume=true"])
    assert same_weights(whole, resumed)
    settings = [
        json.loads((path / "zhibiao.json").read_text(encoding="utf-8")) for path in (whole, resumed)
    ]
    for key in ("metrics", "transitions"):
        assert settings[0][key] == settings[1][key]
    assert settings[0]["compute"]["characters"] == settings[1]["compute"]["characters"]
    scores = [
        [
            row["eval_f1"]
            for row in json.loads((path / "history.json").read_text())
            if "eval_f1" in row
        ]
        for path in (whole, resumed)
    ]
    assert len(scores[0]) == 3
    assert scores[0] == scores[1]


def test_killed_after_early_stopping(
    root: Path, data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to train; the best epoch is found again, not the last."""
    scores = iter([0.2, 0.6, 0.4])
    original = ReportTrainer.log

    def log(self: ReportTrainer, logs: dict[str, float], *rest: Any) -> None:
        if "eval_f1" in logs:
            logs["eval_f1"] = next(scores)
        original(self, logs, *rest)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is left to train")

    # Stops after the third of nine epochs.
    arguments = debug(root, data, tmp_path / "m", "epochs=9", "patience=1")
    with monkeypatch.context() as patch:
        patch.setattr(ReportTrainer, "log", log)
        patch.setattr(train_module, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            run(root, arguments)
    work = tmp_path / "m" / "checkpoints"
    last = last_checkpoint(work)
    assert last is not None
    best = min(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    assert best != last
    wanted = load_file(best / "model.safetensors")
    monkeypatch.setattr(ReportTrainer, "training_step", never)
    output = run(root, [*arguments, "resume=true"])
    saved = load_file(output / "model.safetensors")
    assert all(np.array_equal(saved[name], wanted[name].astype(np.float16)) for name in saved)
    settings = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    assert settings["training"]["best_step"] == int(best.name.split("-")[1])


def test_resuming_with_other_settings_or_data_is_refused(
    data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_save", lambda *_: None)
        train(config(data, tmp_path / "m", epochs=1))
    with pytest.raises(ZhibiaoError, match=r"learning_rate was 0\.005, is 0\.1.*resume=true"):
        train(config(data, tmp_path / "m", epochs=1, learning_rate=0.1, resume=True))
    other = tmp_path / "other"
    other.mkdir()
    more = reports_in(other, train=5)
    with pytest.raises(ZhibiaoError, match="other settings or data"):
        train(config((more[0], data[1]), tmp_path / "m", epochs=1, resume=True))
    # What changes nothing in the result may change.
    train(config(data, tmp_path / "m", epochs=1, resume=True, log_every=3, version="2"))


class Full:
    """Stands for ``torch.save`` on a disk that fills up at the n-th file."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._save = torch.save

    def __call__(self, value: Any, target: Any, *rest: Any, **named: Any) -> None:
        self._files -= 1
        if self._files < 0:
            Path(target).write_bytes(b"x" * 100)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._save(value, target, *rest, **named)


def test_disk_full_while_saving_a_checkpoint(
    data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 3, "ema_decay": 0.9}
    whole, _ = train(config(data, tmp_path / "whole", **settings))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", Full(6))
        with pytest.raises(OutputError) as caught:
            train(config(data, tmp_path / "full", **settings))
    work = tmp_path / "full" / "checkpoints"
    last = last_checkpoint(work)
    assert last is not None
    assert list(work.glob("checkpoint-*")) == [last]  # the half one is gone
    message = str(caught.value)
    assert "checkpoint-" in message
    assert "No space left on device" in message
    assert "MB free there" in message
    assert f"resume=true: {last.name} is whole" in message
    resumed, _ = train(config(data, tmp_path / "full", resume=True, **settings))
    assert same_weights(whole, resumed)


def test_disk_full_while_saving_the_model(
    data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model that stood there goes on working, and nothing has to be trained again."""
    output, _ = train(config(data, tmp_path / "m", epochs=1))
    before = {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}

    def full(network: Any, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "save_weights", full)
        with pytest.raises(OutputError, match=r"No space left on device.*resume=true"):
            train(config(data, tmp_path / "m", epochs=2))
    assert {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()} == before
    Extractor.from_pretrained(output, backend="torch")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(ReportTrainer, "training_step", never)
    train(config(data, tmp_path / "m", epochs=2, resume=True))
    after = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    assert after["config"]["epochs"] == 2

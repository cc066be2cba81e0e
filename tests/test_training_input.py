"""What a run cannot start from or go on with, and what the message says to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_runs import TAGGED, config, report, reports_in
from training.config import load_config
from training.failures import TrainingError, explain_memory
from training.settings import TrainConfig
from training.train import main, train
from training.trainer import ReportTrainer
from training.weights import tiny_encoder
from zhibiao import FormatError, ModelError, Report, Span, write_jsonl


@pytest.fixture
def data(tmp_path: Path) -> tuple[str, str]:
    return reports_in(tmp_path)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"), [TAGGED])


def written(path: Path, *reports: Report) -> str:
    write_jsonl(path, reports)
    return str(path)


def test_label_that_the_config_does_not_know(data: tuple[str, str], tmp_path: Path) -> None:
    odd = Report("odd", "张三到会。", (Span(0, 2, "人名"),), {}, ("人名",))
    source = written(tmp_path / "odd.jsonl", report(7), odd)
    with pytest.raises(FormatError) as caught:
        train(config((source, data[1]), tmp_path / "m"))
    message = str(caught.value)
    assert "odd.jsonl:2" in message
    assert "'人名'" in message
    assert "labels in the config" in message


def test_label_of_a_corpus_that_the_config_does_not_know(
    data: tuple[str, str], tmp_path: Path
) -> None:
    """A tagged corpus is read with the six labels; the config may know fewer."""
    (tmp_path / "corpus" / "reports").mkdir(parents=True)
    (tmp_path / "corpus" / "splits.txt").write_text("train a1\n")
    (tmp_path / "corpus" / "reports" / "a1.txt").write_text(
        "---\nid: a1\n---\n⟦机构|县科技局⟧来了⟦数值|3⟧人。\n", "utf-8"
    )
    changes = {"labels": ["机构", "指标"], "augment": None}
    with pytest.raises(FormatError, match=r"report 'a1': label '数值' is none of 机构, 指标"):
        train(config((f"{tmp_path / 'corpus'}:train", data[1]), tmp_path / "m", **changes))


@pytest.mark.parametrize("side", [0, 1])
def test_empty_split(data: tuple[str, str], tmp_path: Path, side: int) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    sources = [*data]
    sources[side] = str(empty)
    with pytest.raises(FormatError, match=r"(train|validation) is empty: no report in .*empty"):
        train(config((sources[0], sources[1]), tmp_path / "m"))
    written(empty, Report("r1", "全县没有这项指标。"))
    with pytest.raises(FormatError, match="no labelled span in"):
        train(config((sources[0], sources[1]), tmp_path / "m"))


def test_one_report_in_two_splits(data: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"report 'r0' is in training and validation.*split by"):
        train(config((data[0], data[0]), tmp_path / "m"))


def test_spans_longer_than_the_window(data: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"first in report 'r0', do not fit.*raise the window"):
        train(config(data, tmp_path / "m", window=8, overlap=0))


def test_loss_that_is_not_a_number(data: tuple[str, str], tmp_path: Path) -> None:
    changes = {"learning_rate": 1e30, "head_learning_rate": 1e30, "log_every": 1}
    with pytest.raises(TrainingError) as caught:
        train(config(data, tmp_path / "m", **changes))
    message = str(caught.value)
    assert "not numbers" in message or "loss is nan" in message or "loss is inf" in message
    assert "lower learning_rate (1e+30)" in message
    assert "at step" in message
    assert not (tmp_path / "m" / "model.safetensors").exists()


def test_weights_that_are_not_numbers_are_not_saved(
    data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of an epoch may break the weights after a good loss."""
    original = ReportTrainer.training_step

    def poison(self: ReportTrainer, *a: Any, **k: Any) -> torch.Tensor:
        loss = original(self, *a, **k)
        for parameter in self._network.parameters():
            if parameter.grad is not None:
                parameter.grad.fill_(float("nan"))
        return loss

    monkeypatch.setattr(ReportTrainer, "training_step", poison)
    with pytest.raises(TrainingError, match="the weights are not numbers"):
        train(config(data, tmp_path / "m", batch_windows=500))
    assert not list((tmp_path / "m" / "checkpoints").glob("checkpoint-*"))


def test_out_of_gpu_memory(
    data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore.")

    monkeypatch.setattr(ReportTrainer, "training_step", full)
    with pytest.raises(TrainingError) as caught:
        train(config(data, tmp_path / "m", batch_windows=24))
    message = str(caught.value)
    assert "\n" not in message
    for advice in (
        "CUDA out of memory",
        "batch_windows (24)",
        "gradient_accumulation (1)",
        "gradient_checkpointing=true",
        "window (126)",
    ):
        assert advice in message


def test_only_memory_errors_are_explained(data: tuple[str, str], tmp_path: Path) -> None:
    settings = config(data, tmp_path / "m", gradient_checkpointing=True)
    with pytest.raises(TrainingError, match="main memory") as caught, explain_memory(settings):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
    assert "gradient_checkpointing" not in str(caught.value)
    with pytest.raises(RuntimeError, match="shapes"), explain_memory(settings):
        raise RuntimeError("shapes do not match")


def test_hub_out_of_reach(data: tuple[str, str], tmp_path: Path) -> None:
    """conftest sets HF_HUB_OFFLINE=1."""
    with pytest.raises(ModelError) as caught:
        train(config(data, tmp_path / "m", encoder="hfl/chinese-macbert-base"))
    message = str(caught.value)
    assert message.startswith("hfl/chinese-macbert-base: not to be had from the Hugging Face hub")
    assert "local folder" in message
    assert "zhibiao/models/compact" in message


@pytest.mark.parametrize("encoder", ["runs/none", "./none", "a/b/c", "/none", "../none"])
def test_encoder_folder_that_is_not_there(
    data: tuple[str, str], tmp_path: Path, encoder: str
) -> None:
    with pytest.raises(ModelError, match=f"{encoder}: no such encoder folder"):
        train(config(data, tmp_path / "m", encoder=encoder))


def test_encoder_folder_without_weights(
    data: tuple[str, str], tmp_path: Path, encoder: Path
) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((encoder / name).read_bytes())
    with pytest.raises(ModelError, match="half: cannot be read as a model"):
        train(config(data, tmp_path / "m", encoder=str(folder)))


def test_encoder_too_short_for_the_window(
    data: tuple[str, str], tmp_path: Path, encoder: Path
) -> None:
    folder = tmp_path / "short"
    folder.mkdir()
    for path in encoder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 64}))
    with pytest.raises(ModelError, match=r"window 126 does not fit.* 64 positions.*at most 62"):
        train(config(data, tmp_path / "m", encoder=str(folder)))


def test_devices(data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="torch sees no GPU"):
        train(config(data, tmp_path / "m", device="cuda"))
    with pytest.raises(TrainingError, match="fp16 needs a GPU"):
        train(config(data, tmp_path / "m", precision="fp16"))


def test_the_program_says_it_in_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.jsonl"
    for words in (
        [f'train=["{missing}"]', f"output={tmp_path / 'm'}"],
        ["epohcs=3"],
        ["encoder=./none", f"output={tmp_path / 'm'}"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(["--config", str(root / "configs" / "debug.yaml"), *words])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1


def test_ready_config_with_a_local_encoder(root: Path, encoder: Path, tmp_path: Path) -> None:
    """What the message about the hub advises works: window and all."""
    data = reports_in(tmp_path)
    overrides = [f"encoder={encoder}", f"output={tmp_path / 'm'}", "epochs=1", "device=cpu"]
    overrides += [f'train=["{data[0]}"]', f'validation=["{data[1]}"]', "batch_windows=2"]
    loaded = load_config(TrainConfig, root / "configs" / "roberta-wwm-ext-large.yaml", overrides)
    output, _ = train(loaded)
    settings = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    assert settings["training"]["precision"] == "bf16"
    assert settings["config"]["gradient_checkpointing"] is True

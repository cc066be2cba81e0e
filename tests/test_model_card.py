"""The model card: what it says of a tiny trained model, and that transformers opens the model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from tests.training_runs import config, report, reports_in
from training import evaluate_model, model_card
from training import train as train_module
from training.config import load_config
from training.model_card import About, write_card
from training.train import train
from training.trainer import last_checkpoint
from zhibiao import Extractor, FormatError, ModelError

ABOUT = """\
title: 试验模型
description: 找县级报告里的片段。
description_en: It finds spans in reports of counties.
license: apache-2.0
licences: 权重 Apache-2.0。
intended_use: 试验。
limits: 只见过一句话。
tags: [ner]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return reports_in(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output, scores = train(config(data, tmp_path_factory.mktemp("run") / "model"))
    assert scores.micro.f1 > 0.8
    return output


@pytest.fixture(scope="module")
def about(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("about") / "about.yaml"
    path.write_text(ABOUT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def evaluation(
    trained: Path, data: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Scores on both files, with a temperature fitted on the training reports."""
    path = tmp_path_factory.mktemp("scores") / "scores.json"
    words = ["--model", str(trained), "--backend", "torch", "--resamples", "50"]
    evaluate_model.main([*words, "--data", data[1], data[0], "--json", str(path)])
    return path


def written(model: Path, evaluations: Sequence[Path], about: Path, output: Path) -> str:
    write_card(model, evaluations, load_config(About, about), output)
    return output.read_text(encoding="utf-8")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def cells(card: str, heading: str, first: str) -> list[str]:
    """The row that begins with ``first`` in the first table after ``heading``."""
    for line in card[card.index(heading) :].splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and row[0] == first:
            return row
    raise AssertionError(f"no row {first!r} after {heading!r}")


def test_transformers_opens_it_and_its_pipeline_finds_the_spans(trained: Path) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    model = AutoModelForTokenClassification.from_pretrained(trained)
    assert model.config.id2label[1] == "B-机构"
    text = report(times=1).text
    found: Any = pipeline(
        "token-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(trained),
        aggregation_strategy="simple",
    )(text)
    spans = Extractor.from_pretrained(trained, backend="torch").extract(text)
    assert len(spans) >= 6
    assert [(s["start"], s["end"], s["entity_group"]) for s in found] == [s.key for s in spans]


def test_front_matter_is_what_the_hub_reads(
    trained: Path, data: tuple[str, str], evaluation: Path, about: Path, tmp_path: Path
) -> None:
    card = written(trained, [evaluation], about, tmp_path / "README.md")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "apache-2.0"
    assert head["language"] == "zh"
    assert head["pipeline_tag"] == "token-classification"
    assert head["library_name"] == "transformers"
    assert head["tags"] == ["ner"]
    assert "base_model" not in head  # nobody named one
    loaded = ModelCard.load(tmp_path / "README.md").data  # raises on a broken model index
    assert loaded.model_name == "试验模型"
    results = read(evaluation)
    wanted = {
        (source, metric): results[source]["micro"][metric]
        for source in (data[1], data[0])
        for metric in ("f1", "precision", "recall")
    }
    found = {(r.dataset_name, r.metric_type): r.metric_value for r in loaded.eval_results}
    assert found == wanted


def test_scores_intervals_and_their_command(
    trained: Path, data: tuple[str, str], evaluation: Path, about: Path, tmp_path: Path
) -> None:
    card = written(trained, [evaluation], about, tmp_path / "README.md")
    result = read(evaluation)[data[1]]
    shown = str(data[1]).replace("_", r"\_")

    def cell(value: float, interval: Sequence[float]) -> str:
        return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]\\*"  # one report alone

    micro, ranges = result["micro"], result["intervals"]
    assert cells(card, "## 分数", shown) == [
        *(shown, "1", "1", str(result["characters"]), str(micro["gold"])),
        *(cell(micro[key], ranges["micro"][key]) for key in ("precision", "recall", "f1")),
        cell(result["macro_f1"], ranges["macro_f1"]),
    ]
    labels = cells(card, "各标签的 F1", shown)[2:]
    assert labels[1] == cell(result["labels"]["指标"]["f1"], ranges["labels"]["指标"]["f1"])
    partial = [f"{result['partial'][name]['f1']:.3f}" for name in ("exact", "partial", "type")]
    assert cells(card, "放宽以后", shown)[2:] == [*partial, "0"]
    errors = [result["calibration"]["before"][key]["error"] for key in ("spans", "characters")]
    assert cells(card, "## 把握", shown)[2:4] == [f"{error:.4f}" for error in errors]
    command = f"python -m training.evaluate_model --model {trained} --data {data[1]} {data[0]}"
    assert f"1. `{command} --backend torch --resamples 50`\n" in card
    assert f"intervals (\\* not to be trusted, fewer than 10 reports): {shown} " in card


def test_data_labels_and_compute(
    trained: Path, data: tuple[str, str], evaluation: Path, about: Path, tmp_path: Path
) -> None:
    card = written(trained, [evaluation], about, tmp_path / "README.md")
    settings = read(trained / "zhibiao.json")
    # The text four times over in each of six training reports, and in the one to validate on.
    assert cells(card, "## 标签", "数值") == ["数值", "48", "8", "813、78.5"]
    assert cells(card, "## 标签", "机构") == ["机构", "24", "4", "县科技局"]
    split = cells(card, "## 数据", "训练")
    characters = 6 * 4 * len(report(times=1).text)
    assert split[2:5] == ["6", f"{characters:,}", "192"]
    assert split[5] == f"`{settings['data']['train']['hash']}`"
    assert "改动过" not in card
    seen = settings["compute"]["characters"]
    assert seen > characters  # of many epochs
    assert f"看过 {seen:,} 字，fp32，{settings['training']['steps']} 步" in card
    assert f"每个 {settings['compute']['threads']} 个线程" in card
    assert "接着训练" not in card
    assert f"torch {settings['packages']['torch']}".replace("_", r"\_") in card
    for line in ("找县级报告里的片段。", "只见过一句话。", "权重 Apache-2.0。"):
        assert line in card


def test_sources_that_changed_or_are_gone_are_said_to_be(
    trained: Path, evaluation: Path, about: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    settings = read(model / "zhibiao.json")
    settings["data"]["train"]["hash"] = "0000000000000000"
    settings["data"]["validation"]["sources"] = [str(tmp_path / "gone.jsonl")]
    (model / "zhibiao.json").write_text(json.dumps(settings), encoding="utf-8")
    scores = same_scores(evaluation, Extractor.from_pretrained(model, backend="torch"), tmp_path)
    card = written(model, [scores], about, tmp_path / "README.md")
    assert "不是训练时的" in card
    assert "gone.jsonl 在生成本说明时读不到" in card
    assert cells(card, "## 标签", "数值") == ["数值", "48", "813、78.5"]  # no column of validation


def same_scores(evaluation: Path, model: Extractor, folder: Path) -> Path:
    """The evaluation as if it were of ``model``."""
    results = read(evaluation)
    for result in results.values():
        result["model"] = model.info
    path = folder / "scores.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    return path


def test_markup_in_names_stays_text(
    trained: Path, data: tuple[str, str], evaluation: Path, about: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "about.yaml"
    odd.write_text(f'{ABOUT}names: {{"{data[1]}": "甲|*乙*<b>"}}\n', encoding="utf-8")
    card = written(trained, [evaluation], odd, tmp_path / "README.md")
    row = next(line for line in card.splitlines() if line.startswith("| 甲"))
    assert row.startswith(r"| 甲\|\*乙\*&lt;b&gt;（")
    loaded = ModelCard.load(tmp_path / "README.md").data
    assert loaded.eval_results[0].dataset_name == "甲|*乙*<b>"


def test_scores_of_another_model_are_refused(
    trained: Path,
    evaluation: Path,
    about: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    settings = read(model / "zhibiao.json")
    settings["temperature"] = 1.5  # as training.calibrate would
    (model / "zhibiao.json").write_text(json.dumps(settings), encoding="utf-8")
    arguments = [str(model), "--evaluation", str(evaluation), "--about", str(about)]
    with pytest.raises(SystemExit) as stopped:
        model_card.main(arguments)
    assert stopped.value.code == 2
    old, new = (
        Extractor.from_pretrained(path, backend="torch").info["hash"] for path in (trained, model)
    )
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"error: {evaluation}: scores of model {old}, but {model} is {new}; ")
    assert not (model / "README.md").exists()
    changed = Extractor.from_pretrained(model, backend="torch")
    arguments[2] = str(same_scores(evaluation, changed, tmp_path))
    model_card.main(arguments)
    assert "模型的温度 1.5" in (model / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["{}", '{"data:test": {}}', "[]", '{"a": 3}', "{", None])
def test_files_that_are_no_evaluation(
    trained: Path, about: Path, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "scores.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=r"scores\.json: "):
        written(trained, [path], about, tmp_path / "README.md")
    assert not (tmp_path / "README.md").exists()


def test_a_source_counts_once(trained: Path, evaluation: Path, about: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="in two evaluations"):
        written(trained, [evaluation, evaluation], about, tmp_path / "README.md")
    with pytest.raises(ModelError, match="no such model directory"):
        written(tmp_path / "none", [evaluation], about, tmp_path / "README.md")


def test_about_of_the_embedded_model(root: Path) -> None:
    about = load_config(About, root / "configs" / "cards" / "compact.yaml")
    assert about.base_model == "intfloat/multilingual-e5-small"
    with pytest.raises(FormatError, match="did you mean 'license'"):
        load_config(About, root / "configs" / "cards" / "compact.yaml", ["lisense=mit"])


def test_resumed_time_is_added_up(
    data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(data, tmp_path / "model", epochs=2)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            train(settings)
    checkpoint = last_checkpoint(tmp_path / "model" / "checkpoints")
    assert checkpoint is not None
    before = read(checkpoint / "progress.json")
    before["seconds"] = 5000.0  # more than the rest can take
    (checkpoint / "progress.json").write_text(json.dumps(before), encoding="utf-8")
    output, _ = train(settings.model_copy(update={"resume": True}))
    compute = read(output / "zhibiao.json")["compute"]
    assert compute["resumed"] is True
    assert compute["seconds"] >= 5000
    assert compute["characters"] == before["characters"] > 0
    assert compute["processes"] == 1
    assert compute["device"] == "cpu"
    assert compute["processor"]

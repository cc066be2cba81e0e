"""Configs, splits, windows, augmentation, encoder, training and export, on tiny models."""

from __future__ import annotations

import json
import lzma
import random
import shutil
from pathlib import Path

import pytest

from tests.training_runs import TAGGED, config, report, reports_in
from training.adapt import AdaptConfig, Task, adapt
from training.augment import AugmentConfig, Augmenter
from training.config import Config, load_config
from training.dataset import WindowDataset, lost_spans
from training.distil import DistilConfig
from training.encoder import build, cosine_to_package, packaged_source
from training.evaluate_model import evaluate
from training.export import Gate, export
from training.provenance import git_state
from training.settings import TrainConfig
from training.splits import assign_splits
from training.teacher import paragraphs
from training.train import train
from training.weights import load_encoder, tiny_encoder
from zhibiao import Extractor, FormatError, ModelError, Report, Span
from zhibiao.characters import CharacterEncoder
from zhibiao.corpus import read_reports, read_split
from zhibiao.tagging import TAGS


def test_ready_configs_load(root: Path) -> None:
    kinds: dict[str, type[Config]] = {
        "adapt": AdaptConfig,
        "adapt_cluener": AdaptConfig,
        "distil": DistilConfig,
        "distil_cluener": DistilConfig,
        "embedded": DistilConfig,
    }
    names = {path.stem for path in (root / "configs").glob("*.yaml")}
    for name in sorted(names):
        load_config(kinds.get(name, TrainConfig), root / "configs" / f"{name}.yaml")
    assert names >= {"compact", "continue", "debug", "macbert-base", "roberta-wwm-ext"}
    assert names >= {"roberta-wwm-ext-large", "ernie-3.0-base"}


BASE = "{name: x, encoder: null, output: o, train: [a.jsonl], validation: [b.jsonl]}"


@pytest.mark.parametrize(
    ("content", "overrides", "message"),
    [
        ("nmae: x", [], "unknown key 'nmae'; did you mean 'name'?"),
        ("name: 3", [], "name: Input should be a valid string, found 3"),
        ("augment: {swap_yaer: 0.1}", [], "did you mean 'swap_year'?"),
        ("- 1", [], "a config is a mapping"),
        ("a: [", [], "not YAML"),
        ("name: x", ["epochs"], "write key=value"),
        ("name: x", ["epochs=many"], "epochs: Input should be a valid integer"),
        ("name: x", [], "key 'output' is missing"),
        ("head: crf", ["haed=softmax"], "unknown key 'haed'; did you mean 'head'?"),
        ("head: crv", [], "head: Input should be 'softmax' or 'crf', found 'crv'"),
        (BASE, ["precision=half"], "precision: Input should be 'auto', 'bf16', 'fp16' or 'fp32'"),
        (BASE, ["train=[]"], "train: List should have at least 1 item"),
        (BASE, ["overlap=200"], "overlap 200 is more than half of window 254"),
        (BASE, ["labels=[甲, 甲]", "augment=null"], "labels: give each once"),
        (BASE, ["labels=[甲]"], "set augment: null"),
        (BASE, ["head=crf", "label_smoothing=0.1"], "are for head: softmax"),
        (BASE, ["class_weights={指标值: 2}"], "class_weights: '指标值' is none of 机构, 指标"),
        (BASE, ["class_weights={指标: 0}"], "class_weights: 指标 must be above 0"),
        (BASE, ["layer_decay=1.1"], "layer_decay: Input should be less than or equal to 1"),
        (BASE, ["ema_decay=1"], "ema_decay: Input should be less than 1"),
    ],
)
def test_config_errors(tmp_path: Path, content: str, overrides: list[str], message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        load_config(TrainConfig, path, overrides)
    assert message in str(caught.value)


def test_overrides_have_types(root: Path) -> None:
    config = load_config(
        TrainConfig,
        root / "configs" / "debug.yaml",
        ["learning_rate=2e-4", "augment.swap_year=0.5"],
    )
    assert config.learning_rate == 2e-4
    assert config.augment is not None
    assert config.augment.swap_year == 0.5


def test_splits_keep_what_is_fixed_and_balance_genres() -> None:
    genres = {f"r{i}": "甲" if i % 2 else "乙" for i in range(100)}
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    splits = assign_splits(genres, {"r1": "test"}, shares)
    assert splits["r1"] == "test"
    for genre in "甲乙":
        held = [splits[i] for i in genres if genres[i] == genre]
        assert held.count("validation") == pytest.approx(5, abs=1)
        assert held.count("test") == pytest.approx(5, abs=1)
    more = assign_splits(genres | {"new": "甲"}, splits, shares)
    assert {i: more[i] for i in genres} == splits


def test_broken_split_lists(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"splits\.txt: missing"):
        read_split(tmp_path, "train")
    (tmp_path / "splits.txt").write_text("train a\ntest a\n")
    with pytest.raises(FormatError, match=r"splits\.txt:2: .*each report once"):
        read_split(tmp_path, "train")
    (tmp_path / "splits.txt").write_text("train a\n")
    with pytest.raises(FormatError, match=r"no file reports/a\.txt"):
        read_split(tmp_path, "train")
    with pytest.raises(FormatError, match=r"FILE\.jsonl or CORPUS:SPLIT"):
        read_reports("train")


@pytest.mark.parametrize("seed", range(30))
def test_augmented_spans_still_fit(seed: int) -> None:
    config = AugmentConfig(mask_figures=0.5, page_noise=0.5, drop_unit=0.3, wide_digits=0.5)
    vary = Augmenter(config, [report()])
    text, spans = vary(report().text, report().spans, random.Random(seed))
    again = vary(report().text, report().spans, random.Random(seed))
    assert (text, spans) == again
    Report("augmented", text, tuple(spans))  # checks bounds, overlaps and edges
    names = [text[s.start : s.end] for s in spans if s.label == "指标"]
    assert names == ["专利申请量"] * 4


def test_mentions_of_any_label_are_swapped() -> None:
    labels = ("company", "game")
    first = Report("a", "鹰角做明日方舟", (Span(0, 2, "company"), Span(3, 7, "game")), {}, labels)
    second = Report("b", "网易做梦幻西游", (Span(0, 2, "company"), Span(3, 7, "game")), {}, labels)
    never = dict.fromkeys(AugmentConfig.model_fields, 0.0)
    vary = Augmenter(AugmentConfig(**(never | {"swap_mention": 1.0})), [first, second])
    found = {vary(first.text, first.spans, random.Random(seed))[0] for seed in range(40)}
    assert found == {x + "做" + y for x in ("鹰角", "网易") for y in ("明日方舟", "梦幻西游")}
    plain = Augmenter(AugmentConfig(**never), [first, second])
    assert plain(first.text, first.spans, random.Random(1))[0] == first.text


def test_without_augmentation_windows_hold_the_gold(tmp_path: Path) -> None:
    characters = CharacterEncoder.from_directory(tiny_encoder(tmp_path, [TAGGED]))
    dataset = WindowDataset([report()], characters, window=510, seed=1)
    item = dataset[0]
    tags = [TAGS[tag] for tag in item["labels"][1:-1]]
    assert tags.count("B-数值") == 8
    assert len(item["input_ids"]) == len(report().text) + 2


def test_windows_depend_on_epoch_only(tmp_path: Path) -> None:
    characters = CharacterEncoder.from_directory(tiny_encoder(tmp_path, [TAGGED]))
    vary = Augmenter(AugmentConfig(), [report()])
    dataset = WindowDataset([report(), report(1)], characters, 62, 1, vary)
    first = [dataset[i] for i in range(len(dataset))]
    assert [dataset[i] for i in range(len(dataset))] == first
    assert all(len(item["input_ids"]) <= 64 for item in first)
    assert all(len(item["input_ids"]) == len(item["labels"]) for item in first)
    dataset.epoch = 1
    assert [dataset[i] for i in range(len(dataset))] != first


def test_lost_spans_are_counted() -> None:
    long = Report("long", "指" * 60, (Span(0, 60, "指标"),))
    assert lost_spans([long], 30, 10) == 1
    assert lost_spans([long, report()], 100, 30) == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return reports_in(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output, scores = train(config(data, tmp_path_factory.mktemp("run") / "model"))
    assert scores.micro.f1 > 0.8
    return output


def test_model_directory_is_complete(trained: Path, data: tuple[str, str]) -> None:
    settings = json.loads((trained / "zhibiao.json").read_text(encoding="utf-8"))
    assert settings["config"]["epochs"] == 30
    assert settings["data"]["train"]["reports"] == 6
    assert settings["data"]["train"]["sources"] == [data[0]]
    assert set(settings["packages"]) >= {"torch", "transformers", "seqeval", "python"}
    assert settings["seed"] == 13
    assert settings["git"] == git_state()
    assert settings["compute"]["device"] == "cpu"
    assert settings["compute"]["seconds"] > 0
    effort = settings["training"]
    history = json.loads((trained / "history.json").read_text(encoding="utf-8"))
    assert effort["steps"] == history[-1]["step"]
    best = max(row["eval_f1"] for row in history if "eval_f1" in row)
    best_steps = [row["step"] for row in history if row.get("eval_f1") == best]
    assert effort["best_step"] == min(best_steps)
    assert not (trained / "checkpoints").exists()
    extractor = Extractor.from_pretrained(trained, backend="torch")
    result = evaluate(extractor, read_reports(data[1]))
    assert result["micro"] == settings["metrics"]["validation"]["micro"]
    assert result["lost_gold_spans"] == 0


def test_opens_with_transformers(trained: Path) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    model = AutoModelForTokenClassification.from_pretrained(trained)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    assert model.config.id2label[1] == "B-机构"
    assert len(tokenizer("县科技局 813件")["input_ids"]) == len("县科技局 813件") + 2


def test_export_passes_the_gate_and_is_used(trained: Path, data: tuple[str, str]) -> None:
    gate = export(trained, read_reports(data[1]))
    assert gate.passed
    assert json.loads((trained / "zhibiao.json").read_text())["export"]["int8_f1"] == round(
        gate.int8_f1, 4
    )
    assert Extractor.from_pretrained(trained).extract(report().text)


def test_export_refuses_what_differs(
    trained: Path, data: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(trained, directory, ignore=shutil.ignore_patterns("model.onnx"))
    monkeypatch.setattr("training.export.compare", lambda *_: Gate(0.98, 0.9, 0.9))
    with pytest.raises(ModelError, match=r"int8 is refused: agreement 0\.98"):
        export(directory, read_reports(data[1]))
    assert not (directory / "model.onnx").exists()


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        (Gate(0.99, 0.9, 0.895), True),
        (Gate(0.989, 0.9, 0.9), False),
        (Gate(0.995, 0.9, 0.8949), False),
    ],
)
def test_gate(gate: Gate, passed: bool) -> None:
    assert gate.passed is passed


def test_encoder_from_the_package(tmp_path: Path) -> None:
    size = build(packaged_source(), 2, tmp_path)
    encoder = load_encoder(tmp_path)
    assert encoder.config.num_hidden_layers == 2
    assert encoder.embeddings.word_embeddings.weight.shape == (size, 384)
    characters = CharacterEncoder.from_directory(tmp_path)
    assert characters.unknown not in characters.encode("啊齄％㎎①２Ⅱ中国GDP“”")
    assert characters.encode(" \n\u3000").tolist() == [characters.blank] * 3


def test_dequantised_weights_agree_with_the_package() -> None:
    cosines = cosine_to_package(["全县专利申请量达到八百件。", "公司营业收入12.5亿元，增长三成。"])
    assert min(cosines) > 0.999


def test_adaptation_learns_every_task(tmp_path: Path) -> None:
    texts = ["全县专利申请量达件", "科技局公司年度报告"] * 40
    encoder = tiny_encoder(tmp_path / "tiny", texts)
    (tmp_path / "text.txt").write_text("\n".join(texts), encoding="utf-8")
    with (tmp_path / "words.jsonl").open("w", encoding="utf-8") as stream:
        for text in texts:
            words = [[2, "n"], [len(text) - 2, "v"]]
            stream.write(json.dumps({"text": text, "words": words}) + "\n")
    (tmp_path / "ner.bio").write_text("县 B-LOC\n达 O\n\n局 B-ORG\n", encoding="utf-8")
    cluener = {"text": "科技局", "label": {"government": {"科技局": [[0, 2]]}}}
    (tmp_path / "cluener.json").write_text(json.dumps(cluener) + "\n", encoding="utf-8")
    output = adapt(
        AdaptConfig(
            encoder=str(encoder),
            output=str(tmp_path / "adapted"),
            tasks=[
                Task(name="masked", kind="mlm", path=str(tmp_path / "text.txt"), share=1),
                Task(name="words", kind="words", path=str(tmp_path / "words.jsonl"), share=2),
                Task(name="ner", kind="columns", path=str(tmp_path / "ner.bio"), share=1),
                Task(name="cluener", kind="cluener", path=str(tmp_path / "cluener.json"), share=1),
            ],
            characters=60_000,
            window=64,
            batch_characters=512,
            learning_rate=3e-3,
            bf16=False,
            log_every=10_000,
        )
    )
    history = json.loads((output / "adapt.json").read_text(encoding="utf-8"))[-1]["history"]
    assert history[-1]["words"] < 0.2 < history[0]["words"]
    assert history[-1]["cluener"] < 0.2
    assert (output / "mlm_head.safetensors").is_file()
    assert load_encoder(output).config.num_hidden_layers == 2


def test_paragraphs_of_text_and_of_reports(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("第一段\n \n第二段\n", encoding="utf-8")
    with lzma.open(tmp_path / "b.txt.xz", "wt", encoding="utf-8") as stream:
        stream.write("第三段")
    assert paragraphs(tmp_path / "a.txt") == ["第一段", "第二段"]
    assert paragraphs(tmp_path) == ["第一段", "第二段", "第三段"]
    lines = '{"id": "1", "text": "甲\\n\\n乙", "spans": []}\n\n{"id": "2", "text": "丙"}\n'
    (tmp_path / "c.jsonl").write_text(lines, encoding="utf-8")
    assert paragraphs(tmp_path / "c.jsonl") == ["甲", "乙", "丙"]
    (tmp_path / "c.jsonl").write_text(lines + "{}\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"c\.jsonl:4: no report"):
        paragraphs(tmp_path / "c.jsonl")

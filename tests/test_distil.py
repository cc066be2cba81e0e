"""Distillation: loss, layers, cached targets, and a tiny student from a tiny teacher."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from transformers import AutoModelForTokenClassification

from training.config import load_config
from training.distil import DistilConfig, distil, main
from training.distillation.comparison import compare_models
from training.distillation.student import narrowed, with_layers
from training.distillation.targets import TargetWindows, distillation_loss, pack, soft_targets
from zhibiao import Extractor, FormatError, ModelError, Report, parse_tagged, write_jsonl
from zhibiao.characters import CharacterEncoder
from zhibiao.corpus import read_reports
from zhibiao.tagging import spans_to_tags

TAGGED = (
    "⟦年份|2016年⟧，⟦机构|县科技局⟧统计，⟦指标|专利申请量⟧达⟦数值|813⟧⟦单位|件⟧，"
    "⟦企业名|全县公司⟧参加。\n"
)
QUIET = Console(quiet=True)


def report(name: str, times: int = 4) -> Report:
    text, spans = parse_tagged(TAGGED * times)
    return Report(name, text, spans)


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> DistilConfig:
    write_jsonl(tmp_path / "train.jsonl", [report(f"t{i}", 2) for i in range(4)])
    write_jsonl(tmp_path / "validation.jsonl", [report("v")])
    lines = ["全县科技公司申请专利3件。", "二〇一六年申请量达89，局公司件。"] * 20
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    return DistilConfig(
        name="student",
        teacher=str(tiny_model),
        layers=1,
        output=str(tmp_path / "student"),
        train=[str(tmp_path / "train.jsonl")],
        validation=[str(tmp_path / "validation.jsonl")],
        unlabelled=str(tmp_path / "text.txt"),
        cache=str(tmp_path / "cache"),
        window=62,
        overlap=16,
        threads=1,
        epochs=8,
        log_every=8,
        batch_windows=3,
        learning_rate=1e-3,
        head_learning_rate=3e-3,
        dropout=0.0,
        bf16=False,
        device="cpu",
    )


def test_loss_by_hand() -> None:
    """Two tags; the teacher says 3/4 and 1/4, the student 1/2 and 1/2."""
    logits = torch.zeros(1, 2, 2)
    gold = torch.tensor([[0, -100]])
    teacher = torch.tensor([[[0.75, 0.25], [math.nan, math.nan]]]).log()
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)

    def loss(soft: float, hard: float, heat: float = 1.0) -> float:
        return float(
            distillation_loss(
                logits, gold, teacher, temperature=heat, soft_weight=soft, gold_weight=hard
            )
        )

    assert loss(1, 0) == pytest.approx(kl)
    assert loss(0, 1) == pytest.approx(math.log(2))
    assert loss(0.7, 0.3) == pytest.approx(0.7 * kl + 0.3 * math.log(2))
    # At T = 2 the odds 3 : 1 become sqrt(3) : 1, and the loss is times 4.
    p = math.sqrt(3) / (1 + math.sqrt(3))
    cool = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    assert loss(1, 0, heat=2) == pytest.approx(4 * cool)
    # A student that agrees has nothing to learn, and a batch without gold has a loss.
    assert distillation_loss(
        teacher, gold, teacher, temperature=2, soft_weight=1, gold_weight=0
    ) == pytest.approx(0, abs=1e-6)
    gold[:] = -100
    assert loss(1, 1) == pytest.approx(kl)


def test_student_starts_with_the_teachers_layers(tiny_model: Path) -> None:
    teacher = AutoModelForTokenClassification.from_pretrained(tiny_model)
    for wanted, taken in ((1, [1]), (2, [0, 1]), ([0], [0])):
        student = with_layers(teacher, wanted)
        assert student.config.num_hidden_layers == len(student.bert.encoder.layer) == len(taken)
        for layer, source in zip(student.bert.encoder.layer, taken, strict=True):
            expected = teacher.bert.encoder.layer[source].state_dict()
            for name, value in layer.state_dict().items():
                assert torch.equal(value, expected[name])
        assert torch.equal(student.classifier.weight, teacher.classifier.weight)
        words = student.bert.embeddings.word_embeddings.weight
        assert torch.equal(words, teacher.bert.embeddings.word_embeddings.weight)
    for bad in (0, 3, [], [1, 0], [0, 0], [2], [-1]):
        with pytest.raises(ModelError, match=r"layers: .* teacher of 2"):
            with_layers(teacher, bad)


def test_a_narrow_student_keeps_its_strongest_neurons(tiny_model: Path) -> None:
    model = AutoModelForTokenClassification.from_pretrained(tiny_model, dtype=torch.float32)
    size = model.config.intermediate_size
    for layer in model.bert.encoder.layer:  # every second neuron does nothing
        with torch.no_grad():
            layer.output.dense.weight[:, ::2] = 0
    student = narrowed(model, size // 2).eval()
    assert student.config.intermediate_size == size // 2
    assert student.bert.encoder.layer[0].intermediate.dense.weight.shape[0] == size // 2
    ids = torch.arange(6, 20)[None]
    with torch.no_grad():
        assert torch.allclose(student(ids).logits, model.eval()(ids).logits, atol=1e-5)
    for bad in (0, size + 1):
        with pytest.raises(ModelError, match=r"intermediate: .* cannot be taken"):
            narrowed(model, bad)


def test_pack() -> None:
    assert pack(["甲乙", "丙丁", "戊己"], 5, 99) == ["甲乙\n丙丁", "戊己"]
    assert pack(["甲乙丙丁戊己庚", "辛"], 5, 99) == ["甲乙丙丁戊己庚", "辛"]
    assert pack(["甲乙", "丙丁", "戊己"], 5, 4) == ["甲乙\n丙丁"]
    assert pack(["甲乙"], 5, 0) == pack([], 5, 9) == []


def test_targets_are_computed_once(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Extractor.from_pretrained(tiny_model, backend="torch")
    texts = ["全县专利申请量达813件。" * 9, "", "科技局公司"]
    soft = soft_targets([teacher], texts, tmp_path, QUIET)
    assert soft.dtype == np.float16
    expected = np.concatenate(teacher.log_probabilities(texts))
    assert soft.shape == expected.shape
    np.testing.assert_allclose(soft, expected, rtol=2e-3, atol=2e-3)
    asked: list[list[str]] = []
    original = teacher.log_probabilities

    def count(texts: list[str]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        asked.append(texts)
        return original(texts)

    monkeypatch.setattr(teacher, "log_probabilities", count)
    assert np.array_equal(soft_targets([teacher], texts, tmp_path, QUIET), soft)
    assert not asked
    # The same characters in other texts have other contexts.
    soft_targets([teacher], ["全县专利申请量达813件。" * 9, "科技局", "公司"], tmp_path, QUIET)
    assert len(asked) == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npy", ".npy"]


def test_several_teachers_mean_their_mean(
    tiny_model: Path, tmp_path: Path, config: DistilConfig
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    network = AutoModelForTokenClassification.from_pretrained(other)
    with torch.no_grad():
        network.classifier.bias += torch.randn(13, generator=torch.Generator().manual_seed(3))
    network.save_pretrained(other)
    paths = [tiny_model, other]
    teachers = [Extractor.from_pretrained(path, backend="torch") for path in paths]
    texts = ["全县专利申请量达813件。" * 9, "科技局公司"]
    soft = soft_targets(teachers, texts, tmp_path / "cache", QUIET)
    first, second = (np.exp(np.concatenate(t.log_probabilities(texts))) for t in teachers)
    assert np.abs(first - second).max() > 0.05
    np.testing.assert_allclose(np.exp(soft), (first + second) / 2, atol=2e-3)

    both = config.model_copy(update={"teacher": [str(path) for path in paths]})
    output, _ = distil(both, QUIET)
    settings = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    assert [teacher["name"] for teacher in settings["teachers"]] == ["tiny", "tiny"]
    rows = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    assert [row["model"] for row in rows] == [str(tiny_model), str(other), str(output)]

    record = other / "zhibiao.json"
    settings = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps(settings | {"transitions": np.zeros((13, 13)).tolist()}))
    with pytest.raises(ModelError, match="other: several teachers have a mean only with head=soft"):
        distil(both, QUIET)

    shape = json.loads((other / "config.json").read_text(encoding="utf-8"))
    names = {tag: name.replace("企业名", "公司") for tag, name in shape["id2label"].items()}
    shape |= {"id2label": names, "label2id": {name: int(tag) for tag, name in names.items()}}
    (other / "config.json").write_text(json.dumps(shape), encoding="utf-8")
    with pytest.raises(ModelError, match="other: labels differ from those of"):
        distil(both, QUIET)


def test_windows_stand_beside_their_targets(tiny_model: Path) -> None:
    characters = CharacterEncoder.from_directory(tiny_model)
    gold = report("a", 3)
    texts = ["申请专利3件", gold.text]
    tags = [None, spans_to_tags(len(gold.text), gold.spans)]
    total = sum(map(len, texts))
    # The "probabilities" of a character are its place, so misplaced ones are seen.
    soft = np.repeat(np.arange(total, dtype=np.float16)[:, None], 13, axis=1)
    windows = TargetWindows(texts, tags, soft, characters, window=40)
    items = [windows[i] for i in range(len(windows))]
    assert np.concatenate([item["ids"] for item in items]).tolist() == [
        *characters.encode(texts[0]),
        *characters.encode(texts[1]),
    ]
    assert np.concatenate([item["teacher"][:, 0] for item in items]).tolist() == list(range(total))
    assert (items[0]["gold"] == -100).all()
    known = np.concatenate([item["gold"] for item in items[1:]])
    assert ((known == tags[1]) | (known == -100)).all()
    batch = windows.collate(items[:2])
    size = len(texts[0])
    assert batch["input_ids"].shape == batch["gold"].shape == batch["attention_mask"].shape
    assert batch["attention_mask"][0].sum() == size + 2
    assert batch["teacher"][0, 1 : size + 1, 0].tolist() == list(range(size))
    assert batch["teacher"][0, 0].isnan().all()
    assert batch["teacher"][0, size + 1 :].isnan().all()


def test_a_cut_span_is_no_gold(tiny_model: Path) -> None:
    text = "专利申请量达三件"
    tags = np.array([3, 4, 4, 4, 4, 0, 5, 7])
    characters = CharacterEncoder.from_directory(tiny_model)
    soft = np.zeros((8, 13), dtype=np.float16)
    windows = TargetWindows([text], [tags], soft, characters, window=3)
    assert windows[0]["gold"].tolist() == [3, 4, 4]
    assert windows[1]["gold"].tolist() == [-100, -100, 0]
    assert tags[3] == 4


def test_a_tiny_student(config: DistilConfig, tiny_model: Path) -> None:
    output, scores = distil(config, QUIET)
    history = json.loads((output / "history.json").read_text(encoding="utf-8"))
    losses = [row["loss"] for row in history if "loss" in row]
    assert losses[-1] < 0.7 * losses[0]
    settings = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    assert [teacher["name"] for teacher in settings["teachers"]] == ["tiny"]
    assert settings["config"]["temperature"] == 2.0
    assert settings["data"]["train"]["reports"] == 4
    assert settings["distillation"]["unlabelled"]["characters"] > 300
    student = AutoModelForTokenClassification.from_pretrained(output)
    assert student.config.num_hidden_layers == 1
    assert student.config.id2label[1] == "B-机构"
    assert not (output / "checkpoints").exists()
    extractor = Extractor.from_pretrained(output, backend="torch")
    reports = read_reports(config.validation[0])
    rows = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    assert [row["model"] for row in rows] == [str(tiny_model), str(output)]
    teacher, small = rows
    assert small["parameters"] == sum(p.numel() for p in student.parameters())
    assert small["parameters"] < teacher["parameters"]
    assert small["megabytes"] < teacher["megabytes"]
    assert small["speed"] > 0
    assert small["f1"] == pytest.approx(scores.micro.f1, abs=0.05)  # half-precision weights
    assert extractor.info["name"] == "student"
    (again,) = compare_models([output], reports)
    assert (again["f1"], again["times_faster"]) == (small["f1"], 1.0)


def test_varied_copies_are_learned_too(config: DistilConfig) -> None:
    output, _ = distil(config.model_copy(update={"copies": 2, "epochs": 1}), QUIET)
    settings = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    more = settings["distillation"]
    assert more["copies"]["reports"] == 2 * settings["data"]["train"]["reports"] == 8
    (kept,) = Path(config.cache).glob("*.npy")
    texts = [report.text for report in read_reports(config.train[0])]
    gold, copied = sum(map(len, texts)), more["copies"]["characters"]
    # The teacher was asked about the copies as well, and they are no copies letter by letter.
    assert len(np.load(kept)) == gold + copied + more["unlabelled"]["characters"]
    assert copied != 2 * gold


def test_another_encoder_as_student(config: DistilConfig, tmp_path: Path) -> None:
    from training.weights import tiny_encoder

    encoder = tiny_encoder(tmp_path / "other", [report("x").text])
    changes = {"layers": None, "student": str(encoder), "epochs": 1, "unlabelled": None}
    output, _ = distil(config.model_copy(update=changes), QUIET)
    expected = CharacterEncoder.from_directory(encoder).size
    assert CharacterEncoder.from_directory(output).size == expected
    student = AutoModelForTokenClassification.from_pretrained(output)
    assert student.config.vocab_size == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("layers: 3\nstudent: x", "give layers (of the teacher) or student"),
        ("", "give layers (of the teacher) or student"),
        ("layers: 1\nsoft_weight: 0.0\ngold_weight: 0.0", "nothing to learn"),
        ("layers: 1\ntemperature: 0.0", "temperature: "),
        ("layers: 1\noverlap: 200", "more than half of window"),
        ("layers: 1\nteacher: []", "teacher: give at least one model directory"),
        ("layer: 1", "unknown key 'layer'; did you mean 'layers'?"),
    ],
)
def test_config_errors(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"teacher: t\nname: a\noutput: o\ntrain: [a:b]\nvalidation: [a:c]\n{line}\n")
    with pytest.raises(FormatError) as caught:
        load_config(DistilConfig, path)
    assert message in str(caught.value)


def test_ready_config(root: Path) -> None:
    config = load_config(DistilConfig, root / "configs" / "distil.yaml")
    assert config.soft_weight + config.gold_weight == pytest.approx(1)


def test_wrong_use(
    config: DistilConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FormatError, match="in training and validation"):
        distil(config.model_copy(update={"validation": config.train}), QUIET)
    with pytest.raises(ModelError, match="no such model directory"):
        distil(config.model_copy(update={"teacher": str(tmp_path / "none")}), QUIET)
    with pytest.raises(FormatError, match=r"window 511 does not fit .* 512 positions"):
        distil(config.model_copy(update={"window": 511}), QUIET)
    with pytest.raises(
        ModelError, match=r"nobody/nothing: not to be had from .* to a local folder"
    ):
        distil(config.model_copy(update={"layers": None, "student": "nobody/nothing"}), QUIET)
    with pytest.raises(SystemExit) as caught:
        main(["--compare", "x"])
    assert caught.value.code == 2
    assert "--compare needs --data" in capsys.readouterr().err

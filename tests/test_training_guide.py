"""The commands of docs/training.md, as they are printed there, on a small clone."""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from training.config import load_config
from training.model_card import About
from zhibiao import Extractor, parse_tagged

REPORTS = 24
_KEPT = {"train": 4, "validation": 6, "test": 8}  # reports of each split of the clone's corpus

_BODIES = (
    *("⟦机构|青石县科技局⟧", "⟦机构|云岭市统计局⟧", "⟦机构|南河区政府⟧", "⟦企业名|恒川机电公司⟧"),
    *("⟦机构|白塔县农业局⟧", "⟦企业名|远帆新材料公司⟧", "⟦机构|东湾市工信局⟧", "全区"),
)
_INDICATORS = (
    *("专利申请量", "技术合同成交额", "高新技术企业", "粮食产量", "就业人数", "研发投入"),
    *("工业增加值", "进出口总额", "绿化面积", "用电量", "游客数量", "财政收入", "在校学生"),
)
_UNITS = ("件", "亿元", "家", "万吨", "人", "万元", "公顷", "个")
_ENDS = (
    "，同比增长⟦数值|{a}.{b}⟧⟦单位|%⟧。",
    "，比上年多⟦数值|{b}⟧⟦单位|{u}⟧。",
    "，完成计划。",
    "；",
)
_LINKS = ("实现", "达到", "为", "合计", "报告的", "公布")


def invented(seed: int) -> str:
    """Tagged text of a small report that hardly resembles another seed's."""
    draw = random.Random(seed)
    parts = []
    for _ in range(12):
        year = f"⟦年份|{draw.randrange(2001, 2024)}年⟧，"
        indicator, unit = draw.choice(_INDICATORS), draw.choice(_UNITS)
        middle = f"⟦指标|{indicator}⟧{draw.choice(_LINKS)}⟦数值|{draw.randrange(10, 9999)}⟧"
        end = draw.choice(_ENDS).format(a=draw.randrange(1, 90), b=draw.randrange(1, 9), u=unit)
        parts.append(f"{year}{draw.choice(_BODIES)}{middle}⟦单位|{unit}⟧{end}")
    return "\n".join(parts)


def export() -> list[dict[str, object]]:
    """What Label Studio's export button gives: fields that are read and some that are not."""
    tasks: list[dict[str, object]] = []
    for number in range(REPORTS):
        text, spans = parse_tagged(invented(number))
        regions = [
            {
                "id": f"r{place}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "origin": "manual",
                "value": {
                    "start": span.start,
                    "end": span.end,
                    "text": text[span.start : span.end],
                    "labels": [span.label],
                },
            }
            for place, span in enumerate(spans)
        ]
        done = {"id": 900 + number, "was_cancelled": False, "completed_by": 1, "result": regions}
        done["updated_at"] = "2026-11-20T08:00:00.000000Z"
        tasks.append({"id": 100 + number, "data": {"text": text}, "annotations": [done]})
    return tasks


def guide(root: Path) -> str:
    return (root / "docs" / "training.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """The checkout with a corpus of a few reports, and nothing that a run has made."""
    folder = tmp_path / "clone"
    (folder / "data").mkdir(parents=True)
    for path in root.iterdir():
        if not path.name.startswith(".") and path.name not in ("data", "corpus", "runs", "out"):
            (folder / path.name).symlink_to(path)
    for name in ("reports", "samples"):
        (folder / "data" / name).symlink_to(root / "data" / name)
    listed = (root / "data" / "splits.txt").read_text(encoding="utf-8").splitlines()
    chosen = [
        line
        for split, count in _KEPT.items()
        for line in [line for line in listed if line.startswith(f"{split} ")][:count]
    ]
    (folder / "data" / "splits.txt").write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return folder


def test_an_export_becomes_a_published_model(
    root: Path,
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(clone)
    Path("my-export.json").write_text(json.dumps(export(), ensure_ascii=False), encoding="utf-8")
    text = guide(root)
    (about,) = blocks(text, "yaml")
    Path("about.yaml").write_text(about, encoding="utf-8")
    start, end = text.index("## 用自己的标注训练"), text.index("## 显卡和更大的模型")
    lines = [line for block in blocks(text[start:end], "bash") for line in block.splitlines()]
    commands = [shlex.split(line) for line in lines]
    assert commands.pop(0)[:4] == ["python", "-m", "pip", "install"]
    programs = [words[2].partition(".")[2] for words in commands]
    said = {}
    for program, (_, _, module, *words) in zip(programs, commands, strict=True):
        if program == "train":
            words.append("epochs=1")
        if program in ("predict", "study"):  # they change how this process takes signals
            done = subprocess.run(
                [sys.executable, "-m", module, *words],
                env=os.environ | {"PYTHONPATH": str(clone), "COLUMNS": "200"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (program, done.stderr)
            said[program] = done.stdout
            continue
        try:
            importlib.import_module(module).main(words)
        except SystemExit as stopped:
            assert not stopped.code, (program, capsys.readouterr())
        said[program] = capsys.readouterr().out
    assert programs == [
        *("convert", "splits", "check_data", "train", "export", "calibrate", "evaluate_model"),
        *("compare_models", "predict", "study", "model_card"),
    ]
    assert len(list(Path("corpus/reports").glob("*.txt"))) == REPORTS
    assert "fit to train on" in said["check_data"]
    settings = json.loads(Path("runs/continued/zhibiao.json").read_text(encoding="utf-8"))
    assert settings["temperature"] != 1.0
    assert settings["export"]["agreement"] >= 0.99
    scores = json.loads(Path("runs/scores.json").read_text(encoding="utf-8"))
    assert list(scores) == ["corpus:test", "data:test"]
    assert scores["data:test"]["micro"]["f1"] > 0.8  # it goes on from the embedded model
    assert "逐处错误" in Path("runs/errors.html").read_text(encoding="utf-8")
    assert "B - A" in said["compare_models"]
    assert "15 runs" in said["study"]
    card = ModelCard.load("runs/continued/README.md")
    assert card.data.model_name == load_config(About, "about.yaml").title
    assert "我们的测试报告（corpus:test）" in card.content
    assert Path("out/samples/predictions.jsonl").is_file()
    assert Extractor.from_pretrained("runs/continued").extract("2016年，全县专利申请量达813件。")


def test_what_is_uploaded_with_is_installed(root: Path) -> None:
    words = [
        shlex.split(line)
        for block in blocks(guide(root), "shell")
        for line in block.splitlines()
        if line.startswith("hf ")
    ]
    assert sorted(command[1] for command in words) == ["download", "upload"]
    for command in words:
        done = subprocess.run(
            [Path(sys.executable).parent / "hf", command[1], "--help"],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        for option in (word for word in command if word.startswith("--")):
            assert option in done.stdout


def test_studies_can_be_tried_in_a_fresh_clone(root: Path, clone: Path) -> None:
    splits = (root / "data" / "splits.txt").read_text(encoding="utf-8")
    (clone / "data" / "splits.txt").write_text(splits, encoding="utf-8")
    text = guide(root)
    start, end = text.index("## 研究"), text.index("## 其他选项")
    studies = blocks(text[start:end], "bash")[0].splitlines()
    assert len(studies) == 5
    for line in studies:
        done = subprocess.run(
            [sys.executable, *shlex.split(line)[1:]],
            cwd=clone,
            env=os.environ | {"PYTHONPATH": str(clone), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
        assert " runs, " in done.stdout

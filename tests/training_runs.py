"""Tiny training runs for the tests: two reports' worth of text, a config, and its data files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.settings import TrainConfig
from zhibiao import Report, parse_tagged, write_jsonl

__all__ = ["TAGGED", "config", "report", "reports_in"]

TAGGED = (
    "⟦年份|2016年⟧，⟦机构|县科技局⟧与⟦企业名|恒川机电⟧合作，⟦指标|专利申请量⟧达⟦数值|813⟧⟦单位|件⟧，"
    "同比增长⟦数值|78.5⟧⟦单位|%⟧。\n共有企业参加，反响良好。"
)


def report(number: int = 0, times: int = 4) -> Report:
    """The tagged text, ``times`` over."""
    text, spans = parse_tagged(TAGGED * times)
    return Report(f"r{number}", text, spans)


def reports_in(folder: Path, train: int = 6, times: int = 4) -> tuple[str, str]:
    """Files of training and validation reports."""
    write_jsonl(folder / "train.jsonl", [report(i, times) for i in range(train)])
    write_jsonl(folder / "validation.jsonl", [report(100)])
    return str(folder / "train.jsonl"), str(folder / "validation.jsonl")


def config(data: tuple[str, str], output: Path, **changes: Any) -> TrainConfig:
    """A run that learns the text in seconds."""
    settings = {
        "name": "test",
        "encoder": None,
        "output": str(output),
        "train": [data[0]],
        "validation": [data[1]],
        "window": 126,
        "epochs": 30,
        "batch_windows": 2,
        "learning_rate": 5e-3,
        "head_learning_rate": 5e-3,
        "bf16": False,
        "device": "cpu",
        "augment": {"mask_figures": 0.0, "narrow_punctuation": 0.0, "page_noise": 0.0},
        "patience": 30,
    }
    return TrainConfig.model_validate(settings | changes)

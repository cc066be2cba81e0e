"""Fixtures shared by all tests: the embedded model, and a tiny random one made on the spot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"

from tests.label_studio_fixture import label_studio, own_label_studio
from zhibiao import Extractor
from zhibiao.tagging import TAGS

__all__ = ["label_studio", "own_label_studio"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def embedded() -> Extractor:
    return Extractor.from_pretrained()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model directory with random weights, window 62, and an ONNX graph."""
    import torch
    from transformers import AutoModelForTokenClassification

    from training.export import export_fp32
    from training.weights import save_weights, tiny_encoder

    torch.manual_seed(5)
    directory = tmp_path_factory.mktemp("tiny")
    tiny_encoder(directory, ["二〇一六年，全县专利申请量达件。科技局公司0123456789，,.。"])
    model = AutoModelForTokenClassification.from_pretrained(
        directory,
        id2label=dict(enumerate(TAGS)),
        label2id={tag: number for number, tag in enumerate(TAGS)},
    )
    # Random heads are almost flat; sharper ones give spans of every label to test with.
    model.classifier.weight.data.normal_(std=1.5)
    save_weights(model, directory)
    (directory / "zhibiao.json").write_text(
        json.dumps({"name": "tiny", "window": 62, "overlap": 16})
    )
    export_fp32(directory, directory / "model.onnx")
    return directory

"""The extractor with a tiny random model: windows, batches, threads, broken directories."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhibiao import Extractor, ModelError, Span

TEXT = "2016年，全县专利申请量达813件，科技局\n增长。" * 30


def keys(spans: list[Span]) -> list[tuple[int, int, str]]:
    return [span.key for span in spans]


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Extractor:
    return Extractor.from_pretrained(tiny_model)


def test_spans_are_sorted_and_inside(tiny: Extractor) -> None:
    spans = tiny.extract(TEXT)
    assert spans
    assert all(0 <= a.start < a.end <= b.start for a, b in pairwise(spans))
    assert spans[-1].end <= len(TEXT)
    assert all(0.0 <= span.score <= 1.0 for span in spans)


def test_many_is_the_same_as_one_by_one(tiny: Extractor) -> None:
    texts = [TEXT, "", "专利", TEXT[:100], " \n", TEXT[7:333], "😀𠮷"]
    assert [keys(s) for s in tiny.extract_many(texts)] == [keys(tiny.extract(t)) for t in texts]


def test_many_is_lazy(tiny: Extractor) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield TEXT

    results = tiny.extract_many(endless())
    next(results)
    assert taken * len(TEXT) < 100_000


def test_onnx_and_torch_agree(tiny: Extractor, tiny_model: Path) -> None:
    torch = Extractor.from_pretrained(tiny_model, backend="torch")
    ours, theirs = tiny.log_probabilities([TEXT])[0], torch.log_probabilities([TEXT])[0]
    assert np.abs(ours - theirs).max() < 1e-3


def test_threads_give_the_same(tiny: Extractor, tiny_model: Path) -> None:
    texts = [TEXT[i : i + 200] for i in range(40)]
    wanted = [keys(tiny.extract(text)) for text in texts]
    fresh = Extractor.from_pretrained(tiny_model)  # its character table is filled in the threads
    with ThreadPoolExecutor(8) as pool:
        assert [keys(s) for s in pool.map(fresh.extract, texts)] == wanted


def test_every_character_has_probabilities(tiny: Extractor) -> None:
    scores = tiny.log_probabilities([TEXT])[0]
    assert scores.shape == (len(TEXT), 13)
    assert np.allclose(np.exp(scores).sum(axis=1), 1.0, atol=1e-4)


_MEMORY = """
import re, sys
from pathlib import Path
from zhibiao import Extractor
extractor = Extractor.from_pretrained(sys.argv[1])
text = "2016年专利813件。" * 90_910
spans = extractor.extract(text)
# Not ru_maxrss: a child starts with its parent's peak.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(len(text), spans[-1].end > 980_000, int(peak) // 1024)
"""


def test_a_million_characters_in_bounded_memory(tiny_model: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(tiny_model)], capture_output=True, text=True, check=True
    )
    length, reached, megabytes = result.stdout.split()
    assert int(length) >= 1_000_000
    assert reached == "True"
    assert int(megabytes) < 500


def test_long_texts_are_joined_at_the_right_offsets(tiny: Extractor) -> None:
    eight = int(tiny._characters.encode("8")[0])

    def eights(
        input_ids: np.ndarray[Any, Any], attention_mask: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        """A network that calls every 8 a value and nothing else."""
        logits = np.zeros((*input_ids.shape, 13), dtype=np.float32)
        logits[..., 0] = 9.0
        logits[..., 5] = np.where(input_ids == eight, 99.0, 0.0)
        return logits

    text = "2016年专利申请量达813件。\n" * 17_000  # longer than one section
    extractor = Extractor(eights, tiny._characters, tiny.settings)
    found = [span.key for span in next(extractor.extract_many([text]))]
    assert found == [(at, at + 1, "数值") for at, sign in enumerate(text) if sign == "8"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: shutil.rmtree(d), "no such model directory"),
        (lambda d: (d / "config.json").unlink(), "config.json: missing"),
        (lambda d: (d / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json: missing"),
        (lambda d: (d / "tokenizer.json").write_text("{}"), "not a tokenizer"),
        (lambda d: (d / "model.onnx").unlink(), "model.onnx: missing"),
        (lambda d: (d / "model.onnx").write_bytes(b"x"), "cannot load it"),
        (
            lambda d: (d / "config.json").write_text(
                json.dumps({"id2label": {"0": "O", "1": "B-LOC"}})
            ),
            "O, B-LOC",
        ),
        (
            lambda d: (d / "config.json").write_text(
                json.dumps({"id2label": {"0": "O", "1": "B-LOC", "2": "I-LOC"}})
            ),
            "labels are LOC, not 机构",
        ),
        (lambda d: (d / "zhibiao.json").write_text('{"window": 9999}'), "window 9999"),
        (lambda d: (d / "zhibiao.json").write_text('{"transitions": [1]}'), "transitions must be"),
        (lambda d: (d / "zhibiao.json").write_text('{"lone": {"x": 1}}'), "lone may name only"),
        (lambda d: (d / "zhibiao.json").write_text('{"window": null}'), "zhibiao.json"),
        (lambda d: (d / "zhibiao.json").write_text('{"temperature": 0}'), "temperature must be"),
        (lambda d: (d / "zhibiao.json").write_text('{"thresholds": []}'), "zhibiao.json"),
    ],
)
def test_broken_model_directories(
    tiny_model: Path, tmp_path: Path, change: object, message: str
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_model, directory)
    change(directory)  # type: ignore[operator]
    with pytest.raises(ModelError) as caught:
        Extractor.from_pretrained(directory)
    assert message in str(caught.value)
    assert str(directory) in str(caught.value)


def test_thresholds_drop_unsure_spans(tiny_model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_model, directory)
    plain = Extractor.from_pretrained(directory).extract(TEXT)
    label = plain[0].label
    least = max(s.score for s in plain if s.label == label) + 1e-6
    settings = json.loads((directory / "zhibiao.json").read_text())
    settings["thresholds"] = {label: least}
    (directory / "zhibiao.json").write_text(json.dumps(settings))
    kept = Extractor.from_pretrained(directory).extract(TEXT)
    assert keys(kept) == [s.key for s in plain if s.label != label]

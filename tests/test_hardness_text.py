"""Texts that nobody would write: extraction in threads, linking in bounded work, odd settings."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes import RegexExtractor
from tests.fuzz_checks import check_mentions, check_prediction_spans
from tests.fuzz_inputs import Choices, report_text
from zhibiao import Extractor, ModelError, Span
from zhibiao.decoder import Decoder
from zhibiao.linking import link_records
from zhibiao.model_directory import ModelDirectory
from zhibiao.records import Record
from zhibiao.spans import LABELS


def linked(text: str) -> list[Record]:
    records = link_records(text, RegexExtractor().extract(text))
    check_mentions(text, records)
    return records


def hostile_texts(count: int) -> list[str]:
    return [report_text(Choices(random.Random(n).randbytes(200))) for n in range(count)]


# the extractor


def test_impossible_tags_leave_scores_that_are_numbers() -> None:
    scores = np.full((4, 13), -np.inf, dtype=np.float32)
    scores[range(4), [1, 2, 0, 3]] = 0.0  # one sequence, all others impossible
    first, second = Decoder().decode(scores)
    assert (first.start, first.end, first.score) == (0, 2, 1.0)
    assert (second.start, second.end, second.score) == (3, 4, 1.0)
    absent = [Span(0, 2, LABELS[5]), Span(3, 4, LABELS[1])]  # after what is impossible
    assert Decoder().scores(scores, absent).tolist() == [0.0, 1.0]


def test_threads_give_what_one_gives_alone_also_after_errors(tiny_model: Path) -> None:
    texts = [*hostile_texts(60), "\ud800专利813件\udfff", "\0" * 300, "", "专利813件" * 400]
    alone = Extractor.from_pretrained(tiny_model, threads=1)
    expected = [[span.key for span in alone.extract(text)] for text in texts]
    shared = Extractor.from_pretrained(tiny_model, threads=2)

    def run(seed: int) -> bool:
        order = list(range(len(texts)))
        random.Random(seed).shuffle(order)
        for number in order:
            if number % 5 == seed % 5:
                broken: Any = ["专利", None, 7]
                with pytest.raises(TypeError):
                    list(shared.extract_many(broken))
            if [span.key for span in shared.extract(texts[number])] != expected[number]:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(8)))


def test_half_surrogates_and_controls_are_characters_like_others(tiny_model: Path) -> None:
    extractor = Extractor.from_pretrained(tiny_model, threads=1)
    for text in ("\ud800", "\0", "\u202e813件\u2066", "\U0010ffff" * 600, "\n" * 3000, " "):
        check_prediction_spans(text, extractor.extract(text))


# linking, where work that grew with the square of the text took minutes


def test_a_line_of_bars_alone_links_like_any_other() -> None:
    for text in (
        "|" * 300_000 + "专利申请量813件",
        "x" + "|" * 300_000 + "\n专利申请量813件",
        "| " * 200_000 + "\n甲 | 813",
    ):
        assert [record.value.text for record in linked(text)] == ["813"]


def test_rows_wider_than_a_table_are_running_text() -> None:
    def table(columns: int) -> list[Record]:
        head, row = "指标" + " | 2016年" * columns, "专利申请量" + " | 813" * columns
        return linked(f"{head}\n{row}\n")

    narrow = table(100)
    assert {record.year_value for record in narrow} == {"2016"}
    assert {record.indicator and record.indicator.text for record in narrow} == {"专利申请量"}
    assert len(table(3000)) == 3000


def test_a_table_of_many_heads_takes_the_nearest() -> None:
    heads = "项目 | 2011年\n" * 3000 + "项目 | 2016年\n"
    records = linked(heads + "专利申请量 | 813件\n" * 3000)
    assert len(records) == 3000
    assert {record.year_value for record in records} == {"2016"}


@pytest.mark.parametrize("seed", range(8))
def test_rows_slice_the_text_whatever_the_spans(seed: int) -> None:
    for text in hostile_texts(30)[seed::8]:
        spans = [Span(at, at + 1, "数值") for at in range(0, len(text), 1 + seed)]
        check_mentions(text, link_records(text, spans))


# model directories


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("zhibiao.json", "temperature", "NaN"),
        ("zhibiao.json", "temperature", "1e999"),
        ("zhibiao.json", "temperature", "1" + "0" * 400),
        ("zhibiao.json", "thresholds", '{"机构": NaN}'),
        ("zhibiao.json", "lone", '{"机构": Infinity}'),
        ("zhibiao.json", "window", "1e999"),
        ("config.json", "max_position_embeddings", "Infinity"),
        ("config.json", "x", "[" * 100_000),
    ],
)
def test_settings_that_are_no_numbers(tmp_path: Path, name: str, key: str, value: str) -> None:
    tags = ["O", *(f"{p}-{label}" for label in LABELS for p in "BI")]
    config = {"id2label": dict(enumerate(tags)), "max_position_embeddings": 512}
    files = {"config.json": json.dumps(config), "zhibiao.json": json.dumps({"window": 254})}
    files[name] = f'{files[name][:-1]}, "{key}": {value}}}'
    for file, content in files.items():
        (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"\.json: "):
        ModelDirectory.open(tmp_path)


# the process that parses


def test_the_system_ends_a_parser_that_takes_too_long() -> None:
    code = (
        "from zhibiao.readers.child import _allow\n"
        "_allow(0.2)\n"
        "sum(range(10 ** 12))\n"  # one call of C, which no handler in Python interrupts
    )
    status = subprocess.run([sys.executable, "-c", code]).returncode
    assert status == -signal.SIGPROF

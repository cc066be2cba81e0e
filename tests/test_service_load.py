"""The load test tells good from bad."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

# Under its own name, as a script has it: mypy knows the folder of scripts by no other.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from load_test import Case, Plan, Tally, bad_cases, main, verdicts

GOOD = Case("文本", "/v1/extract", 200, expected={"id": "a"}, characters=10)
REFUSED = Case("太长", "/v1/extract", 413)


def _tally(case: Case, answer: httpx.Response, *megabytes: float) -> Tally:
    tally = Tally(megabytes=list(megabytes) or [100, 200, 210, 220])
    tally.add(GOOD, httpx.Response(200, json={"id": "a"}), 0.1)
    tally.add(case, answer, 0.1)
    return tally


def test_all_as_it_should_be() -> None:
    tally = _tally(REFUSED, httpx.Response(413, json={"error": {}}))
    assert not verdicts(tally, Plan())
    assert (tally.good, tally.characters) == (1, 10)


@pytest.mark.parametrize(
    ("case", "answer", "said"),
    [
        (GOOD, httpx.Response(200, json={"id": "b"}), "结果与单独抽取不同"),
        (GOOD, httpx.Response(503, json={"error": {}}), "503，应为 200"),
        (REFUSED, httpx.Response(200, json={"id": "a"}), "200，应为 413"),
        (REFUSED, httpx.Response(500, json={"error": {}}), "500，应为 413"),
        (REFUSED, httpx.Response(413, json={"detail": ""}), "格式不对"),
    ],
)
def test_a_wrong_answer_is_told(case: Case, answer: httpx.Response, said: str) -> None:
    (line,) = verdicts(_tally(case, answer), Plan())
    assert said in line


def test_memory_that_grows_or_is_too_much_is_told() -> None:
    fine = httpx.Response(413, json={"error": {}})
    (line,) = verdicts(_tally(REFUSED, fine, 100, 200, 400, 600), Plan())
    assert "内存一直在涨" in line
    (line,) = verdicts(_tally(REFUSED, fine, 100, 2_000, 2_000, 2_000), Plan())
    assert "内存超过 1500 MB" in line
    assert verdicts(Tally(megabytes=[1, 1, 1, 1]), Plan()) == ["没有一个正常的回答"]


def test_every_refusal_is_an_error_of_the_client() -> None:
    cases = bad_cases()
    assert len({case.name for case in cases}) == len(cases)
    assert {case.status // 100 for case in cases} == {4}


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--clients", "many"])
    assert left.value.code == 2

"""A few hundred hostile inputs of every kind, the same each time; scripts/fuzz.py has the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Under its own name, as a script has it: mypy knows the folder of scripts by no other.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from fuzz import fuzz, hangs_raise, random_inputs, replay

from tests import fuzz_checks
from tests.fuzz_checks import TARGETS
from tests.fuzz_inputs import Choices, document, report_text

PROGRAM = Path(__file__).resolve().parent.parent / "scripts" / "fuzz.py"


def checked(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run with so many inputs, no example database, and no clock."""
    chosen = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: chosen(given(st.binary(max_size=300))(test))


@checked(300)
def test_readers(data: bytes) -> None:
    TARGETS["readers"](Choices(data))


@checked(150)
def test_text(data: bytes) -> None:
    TARGETS["text"](Choices(data))


@checked(40)
def test_writers(data: bytes) -> None:
    TARGETS["writers"](Choices(data))


def test_random_inputs_reach_every_format_and_their_errors(tmp_path: Path) -> None:
    inputs = list(random_inputs("readers", 7, 400))
    assert inputs == list(random_inputs("readers", 7, 400))
    suffixes = {document(Choices(data))[1].rpartition(".")[2] for data in inputs}
    assert suffixes >= {"txt", "md", "html", "docx", "pdf", "jsonl"}
    assert len({report_text(Choices(data)) for data in inputs}) > 200
    (tally,) = fuzz(["readers"], 400, 7, tmp_path)
    assert (tally.inputs, tally.failures) == (400, [])
    assert not list(tmp_path.iterdir())


def test_a_failing_input_is_saved_counted_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(choices: Choices) -> None:
        assert choices.below(4), "the first byte is divisible by four"

    monkeypatch.setattr(fuzz_checks, "TARGETS", {"text": check})
    (tally,) = fuzz(["text"], 40, 1, tmp_path)
    saved = sorted(path.name for path in tmp_path.iterdir())
    assert 0 < len(saved) < 40
    assert sorted(tally.failures) == saved
    assert f"{len(saved)} failures" in str(tally)
    assert "divisible by four" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="divisible by four"):
        replay(tmp_path / saved[0])


def test_the_program(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), "--failures", str(tmp_path)]
    result = subprocess.run(
        [*command, "--inputs", "10"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert [line.partition(",")[0] for line in result.stdout.splitlines()] == [
        "readers: 4 inputs",
        "text: 4 inputs",
        "writers: 2 inputs",
    ]
    wrong = subprocess.run([*command, "--guided"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "--guided takes one --target" in wrong.stderr


def test_a_hang_becomes_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(_choices: Choices) -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz_checks, "TARGETS", {"text": check})
    monkeypatch.setattr("fuzz.SECONDS", 0.05)
    with hangs_raise():
        (tally,) = fuzz(["text"], 1, 1, tmp_path)
    assert len(tally.failures) == 1

"""Fuzz the readers, the extraction and the writers with hostile inputs.

    python scripts/fuzz.py --inputs 100000 --seed 1 --target all
    python scripts/fuzz.py --inputs 20000 --target readers --guided
    python scripts/fuzz.py --replay fuzz-failures/text-0f3a9c12.bin

An input is a string of bytes that stands for all choices of tests/fuzz_inputs.py; what must hold
is in tests/fuzz_checks.py. With ``--guided`` atheris looks for bytes that reach
new lines of the code; without it the bytes are random. Exit status: 0 nothing found, 1 failures.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import random
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

__all__ = ["Tally", "fuzz", "hangs_raise", "main", "parse_arguments", "random_inputs", "replay"]

_TARGETS = {"readers": 4, "text": 4, "writers": 2}
"""Each target's share of the inputs of all; writing files is the slowest."""
SECONDS = 10.0  # of processor time; on a busy machine the clock says nothing
_CLOCK_SECONDS = 120.0  # for what waits instead of working
_MEMORY = 6 << 30  # bytes of address space; a process that has loaded the model uses a third
_LONGEST = 400  # bytes of an input
_INSTRUMENTED = ("zhibiao", "inference")
_EVERY = 1000  # inputs between two lines of progress


class _HangError(Exception):
    """An input takes too long."""


@dataclass
class Tally:
    """What a run has done to one target; ``slowest`` is (seconds of processor time, input)."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: tuple[float, bytes] = (0.0, b"")
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        seconds, data = self.slowest
        return (
            f"{self.target}: {self.inputs:,} inputs, {len(self.failures)} failures, "
            f"{self.seconds:.0f} s; slowest {seconds:.2f} s ({_named(self.target, data)})"
        )


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=1, help="which random inputs")
    parser.add_argument("--target", choices=(*_TARGETS, "all"), default="all")
    parser.add_argument(
        "--guided", action="store_true", help="let atheris look for new code; one target only"
    )
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), metavar="DIR")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="check one saved input again")
    found = parser.parse_args(argv)
    if found.guided and found.target == "all":
        parser.error("--guided takes one --target")
    if found.inputs < 1:
        parser.error("--inputs must be positive")
    return found


def _checks() -> Mapping[str, Callable[[Any], None]]:
    # Imported late: atheris instruments modules while they are imported.
    from tests import fuzz_checks

    return fuzz_checks.TARGETS


def random_inputs(target: str, seed: int, count: int) -> Iterator[bytes]:
    """Inputs for a target, the same for the same seed."""
    for number in range(count):
        source = random.Random(f"{target}/{seed}/{number}")
        yield source.randbytes(source.randrange(4, _LONGEST))


def fuzz(targets: Sequence[str], inputs: int, seed: int, failures: Path) -> list[Tally]:
    """Check random inputs, the same for the same seed; failing ones are saved in a folder."""
    tallies = []
    total = sum(_TARGETS[target] for target in targets)
    for target in targets:
        tally = Tally(target)
        share = -(-inputs * _TARGETS[target] // total)
        for data in random_inputs(target, seed, share):
            _check(tally, data, failures)
        tallies.append(tally)
        print(tally, flush=True)
    return tallies


def _check(tally: Tally, data: bytes, failures: Path) -> None:
    """Check one input; what it raises is printed, and the input saved."""
    from tests.fuzz_inputs import Choices

    start, clock = time.process_time(), time.monotonic()
    try:
        with _bounded():
            _checks()[tally.target](Choices(data))
    except Exception:
        failures.mkdir(parents=True, exist_ok=True)
        path = failures / _named(tally.target, data)
        path.write_bytes(data)
        tally.failures.append(path.name)
        print(f"{path}:\n{traceback.format_exc()}", flush=True)
    seconds = time.process_time() - start
    tally.inputs += 1
    tally.seconds += time.monotonic() - clock
    tally.slowest = max(tally.slowest, (seconds, data))
    if tally.inputs % _EVERY == 0:
        print(tally, file=sys.stderr, flush=True)


def _named(target: str, data: bytes) -> str:
    return f"{target}-{hashlib.sha256(data).hexdigest()[:8]}.bin"


@contextmanager
def _bounded() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, _CLOCK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise _HangError(f"{signal.Signals(number).name}: over {SECONDS:g} s of work")


@contextmanager
def hangs_raise() -> Iterator[None]:
    """Let an input that takes too long fail like any other; in the main thread only."""
    before = {name: signal.signal(name, _stop) for name in (signal.SIGPROF, signal.SIGALRM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _limit() -> None:
    """Memory has an end, and warnings count as failures."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, hard))
    warnings.simplefilter("error")


def fuzz_guided(target: str, inputs: int, seed: int, failures: Path) -> int:
    """Let atheris choose the inputs; its engine ends the process, unless it is not installed."""
    try:
        atheris: Any = importlib.import_module("atheris")  # has no types, and wheels for Linux only
    except ImportError:
        print("error: --guided needs atheris: pip install atheris", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=list(_INSTRUMENTED)):
        _checks()
    tally = Tally(target)

    def check(data: bytes) -> None:
        _check(tally, data, failures)
        if tally.inputs >= inputs:
            print(tally, flush=True)
            os._exit(bool(tally.failures))  # the engine takes an exception for a finding

    options = [
        sys.argv[0],
        f"-seed={seed}",
        f"-max_len={_LONGEST}",
        "-len_control=0",
        "-verbosity=0",
    ]
    atheris.Setup(options, check)
    atheris.Fuzz()
    return 0


def replay(path: Path) -> int:
    """Check a saved input again, letting through what it raises."""
    from tests.fuzz_inputs import Choices

    target = path.name.partition("-")[0]
    with _bounded():
        _checks()[target](Choices(path.read_bytes()))
    print(f"{path}: nothing found")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse_arguments(argv)
    _limit()
    with hangs_raise():
        if options.replay:
            return replay(options.replay)
        if options.guided:
            return fuzz_guided(options.target, options.inputs, options.seed, options.failures)
        targets = tuple(_TARGETS) if options.target == "all" else (options.target,)
        tallies = fuzz(targets, options.inputs, options.seed, options.failures)
    return int(any(tally.failures for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())

"""The process that :mod:`zhibiao.readers.apart` starts: files in, texts with places out.

Standard input brings questions, each a line of JSON and then ``size`` bytes of a file; standard
output takes one line of JSON for each. The process ends with its input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, BinaryIO

from zhibiao.errors import LimitError, ReadError
from zhibiao.readers.limits import Limits
from zhibiao.readers.parsing import parse

__all__ = ["main"]

_MEMORY = 2 << 30  # bytes of address space
# Seconds of processor time, not of the clock: a busy machine must not refuse what an idle one
# reads.
_SECONDS = 10.0
_SECONDS_A_MEGABYTE = 1.0
_SECONDS_A_PAGE = 0.2


def main() -> None:
    """Answer until standard input ends."""
    _limit_memory()
    # Ctrl-C and the like mean the parent, which may want to finish what it has begun.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get among the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while line := source.readline():
        target.write(json.dumps(_answer(json.loads(line), source)).encode() + b"\n")
        target.flush()


def _answer(question: dict[str, Any], source: BinaryIO) -> dict[str, Any]:
    name = question["name"]
    try:
        data = source.read(question["size"])
        _allow(_SECONDS + _SECONDS_A_MEGABYTE * len(data) / 1_000_000)
        document = parse(
            data,
            name,
            question["format"],
            question["keep_boilerplate"],
            Limits(**question["limits"]),
            on_page=_allow_page,
        )
    except (LimitError, ReadError, ImportError) as error:
        return {"error": type(error).__name__, "message": str(error)}
    finally:
        _allow(0)
    return {
        "text": document.text,
        "places": [(p.start, p.end, p.page, p.paragraph, p.kind) for p in document.places],
        "encoding": document.encoding,
        "warnings": document.warnings,
    }


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allow(seconds: float) -> None:
    """Let the system end this process after so much processor time; 0 takes that back.

    The signal has no handler, which could not run while a parser in C does.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _allow_page() -> None:
    if hasattr(signal, "getitimer"):
        _allow(signal.getitimer(signal.ITIMER_PROF)[0] + _SECONDS_A_PAGE)

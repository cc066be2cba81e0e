"""Stand-ins for reading a file, which do the worst. They run in a reading process: few imports."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inference.service.reading import FileTexts, read_file
from zhibiao.readers import Limits


def hang(data: bytes, *rest: Any) -> FileTexts:
    """In place of read_file: tell the process in the file that ``data`` names, then hang."""
    Path(data.decode()).write_text(str(os.getpid()))
    time.sleep(600)
    raise AssertionError("never killed")


def crash(*rest: Any) -> FileTexts:
    """In place of read_file: what a bug in a parser written in C does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not killed")


def devour(
    data: bytes, label: str, keep_boilerplate: bool, limits: Limits, reports: int
) -> FileTexts:
    """In place of read_file: read, and then want more memory than a file may."""
    found = read_file(data, label, keep_boilerplate, limits, reports)
    hoard: Sequence[bytes] = [bytes(2**28) for _ in range(16)]
    assert hoard
    return found

"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from zhibiao.errors import OutputError

__all__ = ["replacing"]

# Reading the mask sets it for a moment, for all threads: so once, at import.
_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def replacing(
    path: str | Path, *, encoding: str = "utf-8", newline: str = "\n"
) -> Iterator[IO[str]]:
    """Open a temporary text file beside ``path`` that takes its name on success.

    When the block raises, the temporary file is removed and ``path`` is left as it was.

    Raises:
        OutputError: the folder does not exist or is not writable.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise OutputError(
            f"{target}: cannot write here ({error.strerror}); choose a writable folder"
        ) from error
    try:
        with open(handle, "w", encoding=encoding, newline=newline) as stream:
            yield stream
        # mkstemp makes private files; give the result the rights any new file would have.
        os.chmod(name, 0o666 & ~_UMASK)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

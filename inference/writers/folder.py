"""Writing a folder so that a reader never sees half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zhibiao.errors import OutputError

__all__ = ["replacing_folder"]


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that takes its name, and its place, on success.

    When the block raises, the temporary folder is removed and ``path`` is left as it was. The
    caller must make sure that a folder already there may be thrown away.

    Raises:
        OutputError: the parent folder does not exist or is not writable.
    """
    try:
        working = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}：无法写入（{error.strerror}）；请换一个可写的文件夹") from error
    try:
        yield working
        # mkdtemp makes private folders; give the result the rights any new folder would have.
        umask = os.umask(0)
        os.umask(umask)
        working.chmod(0o777 & ~umask)
        _swap(working, path)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise


def _swap(new: Path, path: Path) -> None:
    # A folder that is not empty cannot be renamed over: move the old one aside first.
    old = new.with_name(f"{new.name}.old")
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)

"""One run at a time: two imports or exports side by side would do the same work twice."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from zhibiao.errors import ServerError

__all__ = ["only_one"]


@contextmanager
def only_one(what: str, *key: object) -> Iterator[None]:
    """Hold the lock for ``key`` on this machine, or refuse at once.

    The operating system frees the lock when the process ends, however it ends.

    Raises:
        ServerError: another process holds it.
    """
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"zhibiao-{digest}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ServerError(f"{what}正在另一个窗口里进行；请等它结束再执行") from error
    try:
        yield
    finally:
        lock.release()

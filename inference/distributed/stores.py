"""A folder of results, or files to read, on a disk or in an object store."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from zhibiao.errors import OutputError, ReadError

__all__ = ["Store", "is_uri", "open_location"]

_CHUNK = 1 << 20


def is_uri(location: str) -> bool:
    """Whether the location names a file system, as in ``s3://bucket/reports``."""
    return "://" in location


def open_location(location: str) -> tuple[Any, str]:
    """The pyarrow file system of a path or URI, and the path inside it.

    What pyarrow does not know itself (``oss://``, ``memory://``, ...) is asked of fsspec.

    Raises:
        ReadError: nobody knows the scheme, or its package or its credentials are missing.
    """
    import pyarrow.fs

    if not is_uri(location):
        return pyarrow.fs.LocalFileSystem(), os.path.abspath(location)
    try:
        filesystem, path = pyarrow.fs.FileSystem.from_uri(location)
        return filesystem, path
    except (OSError, ValueError) as known:
        import fsspec  # type: ignore[import-untyped]

        try:
            other, path = fsspec.core.url_to_fs(location)
        except (ImportError, OSError, ValueError) as error:
            raise ReadError(f"{location}：打不开（{known}；{error}）；请检查地址和权限") from error
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(other)), path


@dataclass(frozen=True, slots=True)
class Store:
    """A folder, by path or URI. A file in it is there whole or not at all; names have ``/``.

    On a disk that is a rename; an object store shows an object when its upload is complete.
    Every method raises OutputError with the name of the file when the file system refuses.
    """

    location: str

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None when there is no such file."""
        with self._named(name) as (filesystem, path):
            try:
                with filesystem.open_input_stream(path) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """``length`` bytes of a file from ``start`` on."""
        with self._named(name) as (filesystem, path), filesystem.open_input_file(path) as stream:
            return bytes(stream.read_at(length, start))

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a small file."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "file")
            source.write_bytes(data)
            self.publish(source, name)

    def publish(self, source: Path, name: str) -> dict[str, Any]:
        """Copy a local file into the folder; gives its ``bytes`` and ``sha256``."""
        with self._named(name) as (filesystem, path), source.open("rb") as stream:
            if is_uri(self.location):
                with filesystem.open_output_stream(path) as target:
                    return _copy(stream, target)
            parent = Path(path).parent
            parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                prefix=f".{Path(path).name}.", dir=parent, delete=False
            ) as target:
                found = _copy(stream, target)
            shutil.copymode(source, target.name)
            os.replace(target.name, path)
            return found

    def remove(self, name: str) -> None:
        """Take a file away; it may be gone already."""
        with self._named(name) as (filesystem, path):
            try:
                filesystem.delete_file(path)
            except FileNotFoundError:
                return

    def names(self, folder: str) -> set[str]:
        """The names of the files right in a folder below; none when there is no such folder."""
        import pyarrow.fs

        with self._named(folder) as (filesystem, path):
            found = filesystem.get_file_info(pyarrow.fs.FileSelector(path, allow_not_found=True))
            return {one.base_name for one in found if one.is_file}

    def sweep(self, folder: str) -> None:
        """Take away what killed processes left half-written in a folder."""
        for name in self.names(folder):
            if name.startswith("."):
                self.remove(f"{folder}/{name}")

    @contextmanager
    def _named(self, name: str) -> Iterator[tuple[Any, str]]:
        filesystem, base = open_location(self.location)
        try:
            yield filesystem, f"{base.rstrip('/')}/{name}"
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"{self.location}/{name}：读写失败（{reason}）；请检查空间和权限"
            ) from error


def _copy(source: BinaryIO, target: Any) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}

"""What one service is asked to be: its model, its token and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zhibiao.readers import Limits

__all__ = ["Settings"]

# A character takes at most six bytes of JSON ("\u5e74"), one outside the BMP twelve.
_JSON_BYTES_PER_CHARACTER = 8
_JSON_BYTES_BESIDE = 65_536
# An export holds the results of many files.
_EXPORT_SHARE = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """How a worker of the service works and what it refuses.

    ``threads`` is for each worker, by default its cores. ``bytes`` counts the body of a request,
    ``characters`` all texts of one request, ``reports`` the texts of a batch or JSONL file,
    ``pages`` those of a pdf, ``expanded`` the bytes that a docx unpacks to. A request may take
    ``seconds`` once it is there, and ``upload_seconds`` to arrive. A worker takes ``requests`` at
    once and at most ``queue`` characters of text, and reads ``readers`` files side by side.
    ``drain`` is how many seconds it goes on taking requests after it was told to stop.
    """

    model: Path | None = None
    threads: int | None = None
    token: str | None = field(default=None, repr=False)
    bytes: int = 20_000_000
    characters: int = 300_000
    reports: int = 100
    pages: int = 1_000
    expanded: int = 200_000_000
    seconds: float = 120.0
    upload_seconds: float = 60.0
    requests: int = 200
    queue: int = 500_000
    readers: int = 2
    drain: float = 1.0

    @property
    def json_bytes(self) -> int:
        """The most bytes of a JSON body with texts: what the allowed characters can take.

        Far below ``bytes``, because a decoded body of many small values needs twenty times its
        size in memory.
        """
        return self.characters * _JSON_BYTES_PER_CHARACTER + _JSON_BYTES_BESIDE

    @property
    def export_bytes(self) -> int:
        """The most bytes of results that come back to be written as a file."""
        return self.bytes * _EXPORT_SHARE

    @property
    def public_limits(self) -> dict[str, float]:
        """What a client has to know to keep within the limits."""
        names = ("bytes", "characters", "reports", "pages", "seconds")
        return {name: getattr(self, name) for name in names}

    @property
    def file_limits(self) -> Limits:
        """What the readers are told to refuse."""
        return Limits(
            bytes=self.bytes,
            characters=self.characters,
            pages=self.pages,
            expanded=self.expanded,
        )

"""How much one source document may ask of the machine that reads it."""

from __future__ import annotations

from dataclasses import dataclass

from zhibiao.errors import LimitError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a file may hold, or turn into, before it is refused.

    The defaults let through whatever is a report and a thousand times as much; a service that
    strangers can reach sets its own. ``bytes`` counts the file as it is, ``expanded`` the bytes
    that the parts of a docx unpack to, ``pages`` those of a pdf, and ``characters`` the code
    points of the text (of an html file: of its source too).
    """

    bytes: int = 200_000_000
    characters: int = 50_000_000
    pages: int = 5_000
    expanded: int = 200_000_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be positive")

    def check_bytes(self, count: int, name: str) -> None:
        """Refuse a file of this size; ``name`` is what the error calls it.

        Raises:
            LimitError: it is over :attr:`bytes`.
        """
        if count > self.bytes:
            raise LimitError(f"{name}：超过 {_megabytes(self.bytes)}；请拆成几份")

    def check_characters(self, count: int, name: str) -> None:
        """Refuse a text of this length, like :meth:`check_bytes`.

        Raises:
            LimitError: it is over :attr:`characters`.
        """
        if count > self.characters:
            raise LimitError(f"{name}：超过 {self.characters:,} 字；请拆成几份")

    def check_paragraphs(self, count: int, name: str) -> None:
        """Refuse a text of so many paragraphs: each costs as much memory as 200 characters.

        Raises:
            LimitError: it is over a fiftieth of :attr:`characters`, and over 10,000.
        """
        most = max(10_000, self.characters // 50)
        if count > most:
            raise LimitError(f"{name}：超过 {most:,} 行（段）；请拆成几份")

    def check_pages(self, count: int, name: str) -> None:
        """Refuse a document of so many pages, like :meth:`check_bytes`.

        Raises:
            LimitError: it is over :attr:`pages`.
        """
        if count > self.pages:
            raise LimitError(
                f"{name}：有 {count:,} 页，超过 {self.pages:,} 页；请拆成几份，或只留有用的页"
            )

    def check_expanded(self, count: int, name: str) -> None:
        """Refuse an archive that unpacks to so many bytes, like :meth:`check_bytes`.

        Raises:
            LimitError: it is over :attr:`expanded`.
        """
        if count > self.expanded:
            raise LimitError(
                f"{name}：解压后超过 {_megabytes(self.expanded)}，不像一份报告；"
                "请删去图片，或另存为纯文本"
            )


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:g} MB"

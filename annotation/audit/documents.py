"""What an audit reads: reports, with the place where each is edited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zhibiao.corpus import LISTING, read_split, read_splits
from zhibiao.errors import FormatError, ReadError
from zhibiao.reports import Report, read_jsonl
from zhibiao.tagged import read_tagged

__all__ = ["Document", "read_documents"]


@dataclass(frozen=True, slots=True)
class Document:
    """A report and where it comes from.

    ``line`` is the line of ``path`` (from 1) on which the report's text begins. In tagged text
    (``tagged``) the lines of the text follow; in JSONL the whole report is that one line.
    A ``reference`` counts as evidence but is not audited itself.
    """

    report: Report
    path: Path | None = None
    line: int = 1
    tagged: bool = False
    split: str | None = None
    reference: bool = False

    @property
    def link(self) -> str | None:
        """The address of the task in Label Studio, where the report has one."""
        link = self.report.meta.get("link")
        # Only web addresses: meta is data, and a page must not run a javascript: address.
        if isinstance(link, str) and link.startswith(("http://", "https://")):
            return link
        return None

    def where(self, offset: int) -> str:
        """``file:line`` of an offset of the text, or the report's id where there is no file."""
        if self.path is None:
            return self.report.id
        below = self.report.text.count("\n", 0, offset) if self.tagged else 0
        return f"{self.path}:{self.line + below}"


def read_documents(sources: Iterable[str], references: Iterable[str] = ()) -> list[Document]:
    """The documents of all sources, then those of the references, in a fixed order.

    A source is a report JSONL file, an export folder (``reports.jsonl``), a corpus folder (all
    its splits), one split of it (``CORPUS:SPLIT``), or a folder of tagged texts.

    Raises:
        ReadError: a source does not exist or holds no reports.
        FormatError: a file breaks its format, or two sources hold reports of one id.
    """
    found: dict[str, Document] = {}
    for names, reference in ((sources, False), (references, True)):
        for name in names:
            empty = True
            for document in _read(name, reference):
                empty = False
                earlier = found.setdefault(document.report.id, document)
                if earlier is not document:
                    raise FormatError(
                        f"{document.where(0)}：编号 {document.report.id!r} 与 {earlier.where(0)} "
                        "重复；请只给其中一处，或改编号"
                    )
            if empty:
                raise ReadError(f"{name}：没有报告；请检查路径")
    return list(found.values())


def _read(source: str, reference: bool) -> Iterator[Document]:
    path = Path(source)
    if path.is_file():
        yield from _jsonl(path, reference)
    elif (path / LISTING).is_file():
        for split in dict.fromkeys(read_splits(path).values()):
            yield from _split(path, split, reference)
    elif (path / "reports.jsonl").is_file():
        yield from _jsonl(path / "reports.jsonl", reference)
    elif path.is_dir():
        for file in sorted(path.glob("*.txt")):
            yield _tagged(file, read_tagged(file), None, reference)
    elif ":" in source and (Path(source.rpartition(":")[0]) / LISTING).is_file():
        corpus, _, split = source.rpartition(":")
        yield from _split(Path(corpus), split, reference)
    else:
        raise ReadError(
            f"{source}：没有这样的文件或文件夹；可用报告 JSONL、导出文件夹、语料文件夹"
            "（或“语料:划分”）、标记文本文件夹"
        )


def _jsonl(path: Path, reference: bool) -> Iterator[Document]:
    if path.suffix.lower() != ".jsonl":
        raise ReadError(f"{path}：不是报告 JSONL（后缀应为 .jsonl）；标记文本请给所在的文件夹")
    reports = list(read_jsonl(path))
    # The reader passes over empty lines, which count for an editor.
    with open(path, encoding="utf-8-sig", newline="\n") as stream:
        numbers = [number for number, line in enumerate(stream, start=1) if line.strip()]
    for report, number in zip(reports, numbers, strict=True):
        yield Document(report, path, number, reference=reference)


def _split(corpus: Path, split: str, reference: bool) -> Iterator[Document]:
    for report in read_split(corpus, split):
        yield _tagged(corpus / "reports" / f"{report.id}.txt", report, split, reference)


def _tagged(path: Path, report: Report, split: str | None, reference: bool) -> Document:
    head, closing, _ = path.read_text(encoding="utf-8").partition("\n---\n")
    line = (head + closing).count("\n") + 1
    return Document(report, path, line, tagged=True, split=split, reference=reference)

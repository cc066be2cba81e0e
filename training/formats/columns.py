r"""Column files (CoNLL): one token a line, its tag in the last column.

Blank lines end sentences. Reports begin at ``# id = NAME`` or ``-DOCSTART-``; in files that have
neither, every sentence is a report. All token lines have the same number of columns; tabs or
spaces divide them.

White space. A file written here begins with the line ``# escapes = \s \t \n \r \uXXXX``: every line
is then one character, white space is written as those escapes, the lines spell the text exactly,
and blank lines (one after every ``\n`` outside spans) stand for nothing. In other files tokens are
taken as they stand, sentences of a report are joined by a newline, tokens by nothing (or by
``--joiner``), and a line whose token is white space itself, so that only its tag is to be seen, is
one space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.formats.draft import Draft, Problem
from training.formats.lines import read_lines
from training.formats.schemes import SCHEMES, decode_tags, encode_tags, guess_scheme
from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["read", "write"]

_Token = tuple[int, str, str]  # line number, token, tag

_COMMENT = re.compile(r"# ?(\S+) = (.*)")
_ESCAPES = {" ": r"\s", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_HEAD = r"# escapes = \s \t \n \r \uXXXX"
_UNESCAPED = {escape: character for character, escape in _ESCAPES.items()}
_CODE = re.compile(r"\\u([0-9A-F]{4})")


@dataclass(slots=True)
class _Document:
    name: str  # empty until an id comment gives one
    line: int
    meta: dict[str, Any] = field(default_factory=dict)
    sentences: list[list[_Token]] = field(default_factory=lambda: [[]])
    broken: bool = False


class _Parser:
    """Lines into documents; what is wrong with a line goes to ``problems``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.escaped = False
        self.marked = False
        self.problems: list[Problem] = []
        self.documents: list[_Document] = []
        self._columns = 0
        for number, line in read_lines(path):
            content = line.strip(" \t")
            if comment := _COMMENT.fullmatch(line):
                self._comment(number, *comment.groups())
            elif re.split(r"[ \t]", content)[0] == "-DOCSTART-":
                self.marked = True
                self.documents.append(_Document("", number))
            elif content:
                self._token(number, line)
            elif self.documents and self.documents[-1].sentences[-1]:
                self.documents[-1].sentences.append([])

    def _comment(self, number: int, key: str, value: str) -> None:
        if key == "escapes" and not self.documents:
            self.escaped = True
        elif key == "id":
            last = self.documents[-1] if self.documents else None
            if self.marked and last and not last.name and last.sentences == [[]]:
                last.name = value  # -DOCSTART- and its id are one report
            else:
                self.documents.append(_Document(value, number))
            self.marked = True
        elif key == "meta" and self.documents:
            try:
                meta = json.loads(value)
            except json.JSONDecodeError:
                meta = None
            if isinstance(meta, dict):
                self.documents[-1].meta = meta
            else:
                self._fail(number, "the meta comment is not a JSON object")

    def _token(self, number: int, line: str) -> None:
        line = line.rstrip(" \t")
        parts = line.split("\t") if "\t" in line else re.split(" +", line)
        # "  O" or "\tO": the token is white space, which the split took for a divider.
        if line[0] in " \t":
            parts = [" ", *(part for part in parts if part.strip(" "))]
        if line[0] == "#" and len(parts) != (self._columns or 2):
            return  # a comment
        if not self.documents:
            self.documents.append(_Document("", number))
        if len(parts) != (self._columns or max(len(parts), 2)):
            wanted = f"{self._columns} columns" if self._columns else "a token and its tag"
            self._fail(number, f"expected {wanted}, found {line!r}")
            return
        self._columns = len(parts)
        token = parts[0]
        if self.escaped and len(token) > 1:
            code = _CODE.fullmatch(token)
            token = chr(int(code.group(1), 16)) if code else _UNESCAPED.get(token, "")
            if not token:
                self._fail(number, f"{parts[0]!r} is neither one character nor an escape")
                return
        self.documents[-1].sentences[-1].append((number, token, parts[-1]))

    def _fail(self, number: int, reason: str) -> None:
        self.problems.append(Problem(f"{self.path}:{number}", "syntax", reason))
        if self.documents:
            self.documents[-1].broken = True


def read(path: Path, scheme: str | None = None, joiner: str = "") -> Iterator[Draft | Problem]:
    """Drafts and problems of a column file.

    ``scheme`` is one of SCHEMES; without one, the prefixes in the file decide (never IOB1, which
    cannot be told from broken IOB2). ``joiner`` goes between tokens. A report with a broken line
    or tag is left out.

    Raises:
        FormatError: the file cannot be opened, or mixes tag schemes; names file and line.
    """
    parser = _Parser(path)
    yield from parser.problems
    scheme = scheme or _guess(parser)
    documents = parser.documents
    if not parser.marked:
        documents = [
            _Document("", sentence[0][0], sentences=[sentence], broken=document.broken)
            for document in documents
            for sentence in document.sentences
            if sentence
        ]
        bad = {int(problem.where.rpartition(":")[2]) for problem in parser.problems}
        _spread(documents, bad)
    seams = ("", "") if parser.escaped else (joiner, "\n")
    for number, document in enumerate(documents, start=1):
        where = f"{path}:{document.line}"
        text, spans, wrong = _assemble(document, scheme, seams)
        yield from (Problem(f"{path}:{line}", "tags", reason) for line, reason in wrong)
        if not wrong and not document.broken:
            name = document.name or f"{path.stem}-{number}"
            yield Draft(name, text, tuple(spans), where, document.meta)


def _spread(sentences: list[_Document], bad: set[int]) -> None:
    """In a file without marks, a broken line breaks its own sentence only."""
    for sentence in sentences:
        lines = [line for line, _, _ in sentence.sentences[0]]
        # A bad line is no token: it is missing between, before or after those of its sentence.
        near = range(lines[0] - 1, lines[-1] + 2)
        sentence.broken = any(line in near for line in bad)


def _guess(parser: _Parser) -> str:
    used: set[str] = set()
    for document in parser.documents:
        for sentence in document.sentences:
            for line, _, tag in sentence:
                prefix, hyphen, _ = tag.partition("-")
                if not hyphen or prefix in used or guess_scheme([prefix]) is None:
                    continue
                used.add(prefix)
                if guess_scheme(used) is None:
                    kinds = ", ".join(sorted(used))
                    raise FormatError(
                        f"{parser.path}:{line}: {tag} mixes tag schemes (prefixes {kinds}); "
                        f"each of {', '.join(SCHEMES)} has its own"
                    )
    return guess_scheme(used) or SCHEMES[0]


def _assemble(
    document: _Document, scheme: str, seams: tuple[str, str]
) -> tuple[str, list[Span], list[tuple[int, str]]]:
    """Text, spans and (line, problem) of a document; ``seams``: between tokens, sentences."""
    pieces: list[str] = []
    spans: list[Span] = []
    wrong: list[tuple[int, str]] = []
    length = 0
    for number, sentence in enumerate(s for s in document.sentences if s):
        starts: list[int] = []
        for position, (_, token, _) in enumerate(sentence):
            seam = seams[0] if position else seams[1] if number else ""
            pieces += (seam, token)
            starts.append(length + len(seam))
            length = starts[-1] + len(token)
        found, problems = decode_tags([tag for _, _, tag in sentence], scheme)
        wrong += [(sentence[position][0], reason) for position, reason in problems]
        for first, end, label in found:
            spans.append(Span(starts[first], starts[end - 1] + len(sentence[end - 1][1]), label))
    return "".join(pieces), spans, wrong


def write(path: Path, reports: Sequence[Report], scheme: str = "iob2") -> list[Problem]:
    """Write one character a line in ``scheme``, with the escapes that keep the text exact.

    Ids that are not one line, or have white space at an edge, do not fit.

    Raises:
        FormatError: ``scheme`` is iob1, which is only read.
    """
    if scheme == "iob1":
        raise FormatError("iob1 is only read; write iob2, bioes, bmes or bilou")
    problems: list[Problem] = []
    with replacing(path) as stream:
        stream.write(_HEAD + "\n")
        for report in reports:
            if report.id != " ".join(report.id.splitlines()).strip():
                reason = "the id must be one line without white space at its edges"
                problems.append(Problem(f"report {report.id}", "fit", reason))
                continue
            stream.write(f"\n# id = {report.id}\n")
            if report.meta:
                stream.write(f"# meta = {json.dumps(dict(report.meta))}\n")
            tags = encode_tags(len(report.text), [s.key for s in report.spans], scheme)
            for position, (character, tag) in enumerate(zip(report.text, tags, strict=True)):
                stream.write(f"{_escape(character)} {tag}\n")
                if character == "\n" and not any(
                    s.start <= position < s.end - 1 for s in report.spans
                ):
                    stream.write("\n")
    return problems


def _escape(character: str) -> str:
    if not character.isspace() and character != "\ufeff":
        return character
    # All white space of Unicode lies in the first plane, so four digits are enough.
    return _ESCAPES.get(character, f"\\u{ord(character):04X}")

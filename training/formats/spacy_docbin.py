"""spaCy DocBin files (``.spacy``), through spaCy itself; spaCy is optional and imported late.

Documents are tokenised as spaCy's own Chinese tokenizer does by default, one character a token, so
``spacy train`` with ``lang = "zh"`` sees the same tokens. Id and meta go into the document's user
data. Only ``doc.ents`` is read; span groups are named and not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.formats.draft import Draft, Problem
from zhibiao.errors import FormatError, OutputError, ZhibiaoError
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["read", "write"]

_KEY = "zhibiao"


def _spacy() -> Any:
    try:
        import spacy
        import spacy.tokens
    except ImportError as error:
        raise ZhibiaoError(
            f"spaCy is missing ({error}): pip install -c constraints.txt 'spacy>=3.8'"
        ) from error
    return spacy


def read(path: Path) -> Iterator[Draft | Problem]:
    """Drafts and problems of a DocBin; documents without our user data are named STEM-NUMBER.

    Raises:
        ZhibiaoError: spaCy is not installed.
        FormatError: the file cannot be opened or is no DocBin.
    """
    spacy = _spacy()
    vocab = spacy.blank("zh").vocab
    try:
        docs = list(spacy.tokens.DocBin().from_bytes(path.read_bytes()).get_docs(vocab))
    except OSError as error:
        raise FormatError(f"{path}: cannot be opened ({error.strerror})") from error
    except Exception as error:  # zlib, msgpack and spaCy each raise their own
        raise FormatError(f"{path}: not a spaCy DocBin ({error})") from error
    for number, doc in enumerate(docs, start=1):
        where = f"{path}: document {number}"
        known = _known(doc.user_data.get(_KEY))
        groups = {name: len(group) for name, group in doc.spans.items() if len(group)}
        for name, count in groups.items():
            reason = f"{count} spans of group {name!r} are not read, only doc.ents"
            yield Problem(where, "left-out", reason, note=bool(doc.ents))
        if groups and not doc.ents:
            continue
        spans = tuple(Span(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
        report_id = known.get("id") or f"{path.stem}-{number}"
        meta = known.get("meta")
        yield Draft(str(report_id), doc.text, spans, where, meta if isinstance(meta, dict) else {})


def _known(stored: Any) -> dict[str, Any]:
    try:
        known = json.loads(stored) if isinstance(stored, str) else None
    except json.JSONDecodeError:
        known = None
    return known if isinstance(known, dict) else {}


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write a DocBin with user data.

    Raises:
        ZhibiaoError: spaCy is not installed.
        OutputError: the file cannot be written.
    """
    spacy = _spacy()
    vocab = spacy.blank("zh").vocab
    docbin = spacy.tokens.DocBin(store_user_data=True)
    problems: list[Problem] = []
    for report in reports:
        words, spaces = spacy.util.get_words_and_spaces(list(report.text), report.text)
        doc = spacy.tokens.Doc(vocab, words=words, spaces=spaces)
        ents = [doc.char_span(s.start, s.end, label=s.label) for s in report.spans]
        if doc.text != report.text or any(ent is None for ent in ents):
            reason = "spaCy's tokens cannot spell this text or its spans"
            problems.append(Problem(f"report {report.id}", "fit", reason))
            continue
        doc.set_ents(ents)  # the rest is O: said, not unknown
        stored = {"id": report.id, "meta": dict(report.meta)}
        doc.user_data[_KEY] = json.dumps(stored, ensure_ascii=False)
        docbin.add(doc)
    # replacing() opens text files; here the name is taken over by hand.
    hidden = path.with_name(f".{path.name}.part")
    try:
        hidden.write_bytes(docbin.to_bytes())
        hidden.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write here ({error.strerror}); choose a writable folder"
        ) from error
    finally:
        hidden.unlink(missing_ok=True)
    return problems

"""Inputs for fuzzing, each made from a string of bytes that stands for all choices on the way.

Whoever gives the bytes drives the choices: a seeded random generator, hypothesis, or the
coverage-guided engine of atheris. The same bytes make the same input again.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from docx.document import Document as Docx

from tests.documents import docx_bytes, text_pdf
from tests.hostile import pdf_page, pdf_stream
from zhibiao.decoding import log_softmax
from zhibiao.spans import LABELS, Span

__all__ = [
    "Choices",
    "document",
    "log_probabilities",
    "model_settings",
    "report_text",
    "some_spans",
]

Item = TypeVar("Item")

_SENTENCES = (
    "2016年，全县专利申请量达813件，比上年增长5.2%。",
    "澜溪县科技局共安排项目资金1.8亿元，其中青禾有限公司占三十几万元。",
    "一、目标：到2020年，高新技术企业分别不少于12家、15家；",
    "指标 | 2016年 | 2017年\n专利申请量 | 813 | 9.1%\n",
    "单位：万元\n甲\t3-5\t约7600多\n",
    "（一）去年产值1.5万亿元，同比下降3个百分点，2016—2020年累计xx件。\n",
)
_HOSTILE = (
    *"\0\x01\x07\x0b\x0c\x1b\x1c\x7f\x85\u2028\u2029\u200b\u200d\ufeff\ufffe\uffff\u00ad\u0301",
    *"\u202e\u2066\u2069\ue000\U0001f468\U0010ffff\u3000\u00a0\t\r\n|\\⟦⟧\"'<>&;,=+-@＝٣½①⼀",
    "\r\n",
    "=cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "＝HYPERLINK(1)",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea></style></script><!--",
    "]]>-->",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "../../../etc/passwd",
    "&#x202e;&lt;&#0;&amp;",
    "9" * 60,
    "-1e999",
    "1,2,3,,4",
    "8" * 5000,
    " " * 300,
    "|" * 200,
    "（" * 200,
    "。" * 200,
    "分别为",
    "三十几万",
    "不超过",
)
_CODECS = ("utf-8", "utf-8-sig", "utf-16", "gb18030", "utf-16-be", "big5", "latin-1", "utf-32")
_NAMES = ("a", "2016/总结", "../../x", "a\nb\x1b[2J", "=1+1", "<script>", "报告\u202e", "x" * 300)


class Choices:
    """Choices read from bytes; when these are used up, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        """A number from 0 to ``count - 1``."""
        size = 1 if count <= 256 else 4
        drawn = int.from_bytes(self._data[self._at : self._at + size], "big")
        self._at += size
        return drawn % count

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def once_in(self, count: int) -> bool:
        """True once in so many times, never when the bytes are used up."""
        return self.below(count) == count - 1

    @property
    def rest(self) -> int:
        """A number that depends on all bytes, for what needs more choices than they hold."""
        return int.from_bytes(self._data, "big")


def report_text(choices: Choices) -> str:
    """A report of sentences with hostile characters and words among them; no lone surrogates."""
    pieces = []
    for _ in range(choices.below(12)):
        piece = choices.pick(_HOSTILE if choices.once_in(3) else _SENTENCES)
        if choices.once_in(4):
            at = choices.below(len(piece) + 1)
            piece = piece[:at] + choices.pick(_HOSTILE) + piece[at:]
        pieces.append(piece)
        if choices.once_in(16):
            pieces.append(chr(choices.below(0xD800)) * (1 + choices.below(3)))
    return "".join(pieces)


def log_probabilities(choices: Choices, length: int) -> npt.NDArray[np.float32]:
    """Any tag scores, shape (length, 13): flat, sharp, equal, or without any valid sequence."""
    generator = np.random.default_rng(choices.rest)
    logits = generator.normal(size=(length, 2 * len(LABELS) + 1)) * choices.pick((1, 4, 1e4, 0))
    scores = log_softmax(logits.astype(np.float32))
    if choices.once_in(4):
        scores[generator.random(scores.shape) < 0.3] = -1e4
    return scores


def some_spans(choices: Choices, text: str) -> list[Span]:
    """Spans of a text as a model might give them: sorted, inside, apart; blank edges happen."""
    generator = np.random.default_rng(choices.rest + 1)
    spans: list[Span] = []
    at = 0
    while at < len(text):
        end = min(len(text), at + 1 + int(generator.integers(6)))
        if generator.random() < 0.5:
            label = "数值" if text[at].isdigit() else LABELS[generator.integers(len(LABELS))]
            spans.append(Span(at, end, label, float(generator.random())))
        at = end + int(generator.integers(4))
    return spans


def document(choices: Choices) -> tuple[bytes, str]:
    """The bytes of a file, valid or broken, and a name with a suffix that is its own or not."""
    kind, make = choices.pick(tuple(_MAKERS.items()))
    data = make(choices)
    if choices.once_in(2):
        data = _broken(choices, data)
    suffix = choices.pick((*_MAKERS, "DOCX", "htm")) if choices.once_in(16) else kind
    return data, f"{choices.pick(_NAMES)}.{suffix}"


def model_settings(choices: Choices) -> dict[str, str]:
    """``config.json`` and ``zhibiao.json`` of a model directory, with a value or two exchanged."""
    tags = ["O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI")]
    config: dict[str, Any] = {
        "id2label": {str(number): tag for number, tag in enumerate(tags)},
        "max_position_embeddings": 512,
    }
    settings: dict[str, Any] = {
        "window": 254,
        "overlap": 32,
        "temperature": 1.0,
        "thresholds": {"机构": 0.5},
        "lone": {"指标": 0.5},
        "touching": True,
    }
    odd: tuple[Any, ...] = (
        None,
        -1,
        0,
        1e400,
        float("nan"),
        "x",
        [],
        {},
        [[1]],
        "9" * 5000,
        True,
        10**400,
    )
    for where in (config, settings, config["id2label"], settings["thresholds"]):
        if choices.once_in(2):
            where[choices.pick((*where, "sonst"))] = choices.pick(odd)
    files = {"config.json": json.dumps(config), "zhibiao.json": json.dumps(settings)}
    if choices.once_in(4):
        name = choices.pick(tuple(files))
        files[name] = _broken(choices, files[name].encode()).decode("utf-8", "replace")
    return files


def _plain(choices: Choices) -> bytes:
    return report_text(choices).encode(choices.pick(_CODECS), "replace")


def _jsonl(choices: Choices) -> bytes:
    lines = []
    for number in range(1 + choices.below(4)):
        text = report_text(choices)
        spans = [
            {"start": s.start - choices.below(2), "end": s.end, "label": s.label}
            for s in some_spans(choices, text)[:3]
        ]
        lines.append(json.dumps({"id": str(number // 2), "text": text, "spans": spans}))
    return "\n".join(lines).encode()


def _html(choices: Choices) -> bytes:
    tags = ("p", "div", "table", "tr", "td", "th", "h1", "br", "ul", "li", "span", "nav", "title")
    odd = ("script", "svg", "template", "textarea", "body", "frameset", "x:y", "math", "form")
    pieces = [choices.pick(("<!DOCTYPE html>", "", "<html><body>", '<?xml version="1.0"?>'))]
    if choices.once_in(3):
        codec = choices.pick((*_CODECS, "gb2312", "punycode", "zlib", "x", "utf-7", "undefined"))
        pieces.append(f'<meta charset="{codec}">')
    opened: list[str] = []
    for _ in range(choices.below(24)):
        tag = choices.pick(odd if choices.once_in(8) else tags)
        if opened and choices.once_in(3):
            pieces.append(f"</{opened.pop()}>")
        elif choices.once_in(40):
            pieces.append(f"<{tag}>" * choices.below(4000))
        else:
            attribute = choices.pick(("", "", ' hidden=""', ' style="display : none"', ' a="<'))
            pieces.append(f"<{tag}{attribute}>")
            opened.append(tag)
        text = report_text(choices) if choices.once_in(2) else choices.pick(_SENTENCES)
        pieces.append(text if choices.once_in(4) else escape(text))
    return "".join(pieces).encode(choices.pick(_CODECS), "replace")


@cache
def _docx_parts() -> dict[str, bytes]:
    def fill(document: Docx) -> None:
        document.add_heading("澜溪县工作总结", 1)
        table = document.add_table(rows=2, cols=3)
        for cell, text in zip(
            table._cells, ["指标", "2016年", "%", "产值", "813", "5"], strict=True
        ):
            cell.text = text
        document.sections[0].header.paragraphs[0].text = "页眉"

    with zipfile.ZipFile(io.BytesIO(docx_bytes(fill))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS = (
    *("<w:p>", "<w:r>", "<w:t>", "<w:tbl>", "<w:tr>", "<w:tc>", "<w:sdt>", "<w:sdtContent>"),
    *("<w:ins>", "<w:del>", "<w:moveFrom>", "<w:txbxContent>", "<w:br>", "<w:tab>", "<w:pPr>"),
    *("<w:rPr>", "<w:pStyle>", "<w:outlineLvl>", "<w:hyperlink>", "<w:sectPr>", "<w:customXml>"),
)


def _docx(choices: Choices) -> bytes:
    parts = dict(_docx_parts())
    body = []
    for _ in range(choices.below(16)):
        text = escape(report_text(choices))
        legal = _NOT_XML.sub("", text).replace("\r", "&#13;")
        inner = f"<w:r><w:t>{legal}</w:t></w:r>"
        for _ in range(choices.below(3)):
            mark = choices.pick(_WORDS)
            inner = f"{mark}{inner}{mark.replace('<', '</')}"
        body.append(inner if choices.once_in(4) else f"<w:p>{inner}</w:p>")
    xml = parts["word/document.xml"]
    parts["word/document.xml"] = xml.replace(b"<w:p>", "".join(body).encode() + b"<w:p>", 1)
    if choices.once_in(3):
        name = choices.pick(tuple(parts))
        parts[name] = _broken(choices, parts[name])
    if choices.once_in(6):
        entity = choices.pick(("'x'", "SYSTEM 'file:///etc/passwd'", "'&e;&e;'"))
        declared = f"<!DOCTYPE d [<!ENTITY e {entity}>]><w:document".encode()
        for old, new in ((b"<w:document", declared), (b"</w:t>", b"&e;</w:t>")):
            parts["word/document.xml"] = parts["word/document.xml"].replace(old, new, 1)
    stream = io.BytesIO()
    method = choices.pick((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in parts.items():
            if not choices.once_in(40):
                archive.writestr(name, content)
    return stream.getvalue()


@cache
def _pdfs() -> tuple[bytes, ...]:
    lines = [_SENTENCES[0], "　　" + _SENTENCES[1], "甲 乙", "GDP 813"]
    return (
        text_pdf([lines]),
        text_pdf([lines * 5] * 3, header="澜溪县年报", footer="- {} -"),
    )


def _pdf(choices: Choices) -> bytes:
    if choices.once_in(3):
        return choices.pick(_pdfs())
    drawn = ["BT /F1 12 Tf 14 TL 50 700 Td"]
    numbers = ("1", "0", "-7", "595", "1e9", "99999999999", "0.001", "700", "12", "nan")
    for _ in range(choices.below(30)):
        a, b, c = (choices.pick(numbers) for _ in range(3))
        text = "".join(c for c in report_text(choices)[:80] if c not in "()\\")
        shown = text.encode("utf-16-be").hex()
        drawn.append(
            choices.pick(
                (
                    f"({text.encode('latin-1', 'replace').decode('latin-1')}) Tj T*",
                    f"<{shown}> Tj",
                    f"/F1 {a} Tf",
                    f"{a} {b} Td",
                    f"{a} {b} -{b} {a} {c} {a} Tm",
                    f"{a} Tc {b} Tz {c} Ts",
                    "/X Do",
                    "q",
                    "Q",
                )
            )
        )
    content = "\n".join([*drawn, "ET"]).encode("latin-1", "replace")
    box = " ".join(choices.pick(("0", "595", "842", "-1e30", "1e30")) for _ in range(4))
    box = box if choices.once_in(6) else "0 0 595 842"
    form = pdf_stream(b"(x) Tj /X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]")
    return pdf_page(content, box=box, pages=1 + choices.below(4), form=form)


def _broken(choices: Choices, data: bytes) -> bytes:
    """The bytes with some changed, cut out, repeated or put in."""
    changed = bytearray(data)
    for _ in range(1 + choices.below(8)):
        at = choices.below(len(changed) + 1)
        size = 1 + choices.below(choices.pick((4, 64, 4096)))
        match choices.below(5):
            case 0:
                changed[at : at + 1] = bytes((choices.below(256),))
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = changed[at : at + size] * (1 + choices.below(3))
            case 3:
                changed[at:at] = choices.pick(_HOSTILE).encode("utf-8")[:64]
            case _:
                changed[at : at + 4] = choices.pick((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"))
    return bytes(changed)


_MAKERS: dict[str, Callable[[Choices], bytes]] = {
    "txt": _plain,
    "md": _plain,
    "html": _html,
    "docx": _docx,
    "pdf": _pdf,
    "jsonl": _jsonl,
}

"""The annotation guidelines as the page that a project shows to its annotators."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

from annotation.interface import COLOURS
from zhibiao.spans import LABELS

__all__ = ["guidelines_page"]

SOURCE = Path(__file__).resolve().parent.parent / "docs" / "annotation.md"

_SPAN = re.compile(r"⟦(机构|指标|数值|单位|年份|企业名)\|([^⟦⟧]*)⟧")
# How labels are written in text files is of no use in the browser.
_WRITING = re.compile(r"^标签直接写在正文里.*?(?=^## )", re.MULTILINE | re.DOTALL)
_LAST = re.compile(r"^\*\*最后\*\*.*\Z", re.MULTILINE | re.DOTALL)
_CONTENTS = re.compile(r"^目录：.*\n", re.MULTILINE)

_BASE = (
    "table { border-collapse: collapse } td, th { border: 1px solid #ccc; padding: 4px 8px }"
    " mark { color: inherit; padding: 0 1px } sub { margin: 0 2px; font-size: 70% }"
)

_HOW = """\
**怎么操作**：先按数字键选标签（机构 1、指标 2、数值 3、单位 4、年份 5、企业名 6），
再用鼠标划出文字；点一下已有的片段可以选中它，按退格键删除，按另一个数字键改标签。
全部看完按 Ctrl+Enter 提交。
模型的建议只是建议：漏的要补，错的要改。拿不准的地方记下原句和两种标法，交给复核的人。

"""


def guidelines_page() -> str:
    """The guidelines of docs/annotation.md as HTML for a project's instructions.

    Examples show their spans in the label's colour with its name behind, instead of in brackets.
    """
    source = SOURCE.read_text(encoding="utf-8")
    source = _CONTENTS.sub("", source)
    source = _WRITING.sub(lambda _: _HOW, source)
    source = _LAST.sub("", source)
    # Brackets stand in code and in HTML tables; the renderer passes both through unchanged.
    page = MarkdownIt("commonmark", {"html": True}).render(source)
    # What the server's sanitiser would make of it, so that what it stores compares equal.
    page = page.replace("<table>\n", "<table>\n<tbody>").replace("</table>", "</tbody></table>")
    return (_style() + _SPAN.sub(_coloured, page)).strip()


def _coloured(match: re.Match[str]) -> str:
    label, text = match.groups()
    return f'<mark class="l{LABELS.index(label)}">{text}<sub>{label}</sub></mark>'


def _style() -> str:
    # The server strips style attributes, but keeps style elements and classes.
    rules = [
        f".l{number} {{ background: {colour}22; border-bottom: 3px solid {colour} }}"
        for number, colour in enumerate(COLOURS.values())
    ]
    return f"<style>{_BASE} {' '.join(rules)}</style>"

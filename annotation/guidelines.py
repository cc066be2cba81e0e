"""The annotation guidelines as the page that a project shows to its annotators."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

from annotation.interface import label_style
from zhibiao.spans import LABELS

__all__ = ["guidelines_page"]

SOURCE = Path(__file__).resolve().parent.parent / "docs" / "annotation.md"

_SPAN = re.compile(r"⟦(机构|指标|数值|单位|年份|企业名)\|([^⟦⟧]*)⟧")
# How labels are written in text files is of no use in the browser.
_WRITING = re.compile(r"^标签直接写在正文里.*?(?=^## )", re.MULTILINE | re.DOTALL)
_LAST = re.compile(r"^\*\*最后\*\*.*\Z", re.MULTILINE | re.DOTALL)
_CONTENTS = re.compile(r"^目录：.*\n", re.MULTILINE)

# Links lead to places in the document, which the window that shows the page does not scroll to.
_LINK = re.compile(r"<a [^>]*>(.*?)</a>")
# A line end inside a paragraph would show as a space between two Chinese characters.
_SOFT_BREAK = re.compile(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])")
_TODO = re.compile(r"<li>\[ \] ")

# The window resets what browsers do for lists and headings, and sets a font on every element. All
# rules stay inside the page's own element: they would reach the rest of the program.
_BASE = """
.zhibiao-guidelines, .zhibiao-guidelines * { font-family: "Noto Sans CJK SC", "Source Han Sans SC",
 "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei", sans-serif !important }
.zhibiao-guidelines { font-size: 15px; line-height: 1.75; white-space: normal }
.zhibiao-guidelines h1 { display: none }
.zhibiao-guidelines h2 { font-size: 20px; font-weight: 700; margin: 24px 0 8px }
.zhibiao-guidelines h3 { font-size: 16px; font-weight: 700; margin: 18px 0 6px }
.zhibiao-guidelines p { margin: 8px 0 }
.zhibiao-guidelines ol { list-style: decimal; margin: 8px 0; padding-left: 24px }
.zhibiao-guidelines ul { list-style: disc; margin: 8px 0; padding-left: 24px }
.zhibiao-guidelines ul.todo { list-style: none; padding-left: 0 }
.zhibiao-guidelines table { border-collapse: collapse; margin: 8px 0 16px; width: 100% }
.zhibiao-guidelines td, .zhibiao-guidelines th { border: 1px solid #bbb; padding: 4px 8px }
.zhibiao-guidelines td { text-align: left; vertical-align: top }
.zhibiao-guidelines mark { padding: 0 1px }
.zhibiao-guidelines sub { margin: 0 2px; font-size: 70% }
"""

_HOW = """\
**怎么操作**

- 补一个：按数字键选标签（机构 1、指标 2、数值 3、单位 4、年份 5、企业名 6），再用鼠标划出文字。
- 改一个：点一下片段选中它；按另一个数字键改标签，按 Backspace（退格键）删除。
- 连关系：选中指标，按 Alt+R，再点它的数值。
- 全部看完按 Ctrl+Enter，或点右下角的 Submit（提交）；没法标的点 Skip（跳过）。

模型的建议只是建议：漏的要补，错的要改。
按 Esc 关闭这个窗口，点网页上方的 Instructions 再打开。

"""


def guidelines_page() -> str:
    """The guidelines of docs/annotation.md as HTML for a project's instructions.

    Examples show their spans in the label's colour with its name behind, instead of in brackets.
    """
    source = SOURCE.read_text(encoding="utf-8")
    source = _CONTENTS.sub("", source)
    source = _WRITING.sub(lambda _: _HOW, source)
    source = _LAST.sub("", source).replace("怎么写", "怎么标")
    # Brackets stand in code and in HTML tables; the renderer passes both through unchanged.
    page = MarkdownIt("commonmark", {"html": True}).render(source)
    page = _SOFT_BREAK.sub("", _LINK.sub(r"\1", page))
    page = _TODO.sub("<li>☐ ", page).replace("<ul>\n<li>☐", '<ul class="todo">\n<li>☐')
    # What the server's sanitiser would make of it, so that what it stores compares equal.
    page = page.replace("<table>\n", "<table>\n<tbody>").replace("</table>", "</tbody></table>")
    page = _SPAN.sub(_coloured, page).strip()
    return f'{_style()}<div class="zhibiao-guidelines">\n{page}\n</div>'


def _coloured(match: re.Match[str]) -> str:
    label, text = match.groups()
    return f'<mark class="l{LABELS.index(label)}">{text}<sub>{label}</sub></mark>'


def _style() -> str:
    # The server strips style attributes, but keeps style elements and classes.
    rules = [
        f".zhibiao-guidelines .l{number} {{ {label_style(label)} }}\n"
        for number, label in enumerate(LABELS)
    ]
    return f"<style>{_BASE}{''.join(rules)}</style>"

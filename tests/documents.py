"""Builders of real source documents for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

from docx import Document as new_docx
from docx.document import Document as Docx
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

# A font that PDF viewers bring along: these files need none of the system and embed none.
pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
FONT = "STSong-Light"
PAGE = (595.0, 842.0)


def docx_bytes(fill: Callable[[Docx], object]) -> bytes:
    """A docx that ``fill`` has written into."""
    document = new_docx()
    fill(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def repacked(docx: bytes, changes: dict[str, Callable[[str], str]]) -> bytes:
    """A docx whose parts of these names are rewritten as text (given "" where there is none)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(docx)) as source, zipfile.ZipFile(stream, "w") as target:
        parts = {name: source.read(name) for name in source.namelist()}
        for name, change in changes.items():
            parts[name] = change(parts.get(name, b"").decode()).encode()
        for name, content in parts.items():
            target.writestr(name, content)
    return stream.getvalue()


def pdf_bytes(draw: Callable[[Canvas], None], **options: object) -> bytes:
    """A pdf that ``draw`` has drawn; it ends its pages itself."""
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=PAGE, **options)
    draw(canvas)
    canvas.save()
    return stream.getvalue()


def text_pdf(
    pages: Sequence[Sequence[str]],
    *,
    header: str = "",
    footer: str = "",
    size: float = 12,
    pitch: float = 22,
) -> bytes:
    """A pdf with these lines on its pages.

    Leading full-width spaces indent a line and are not drawn; ``{}`` in header and footer becomes
    the page number.
    """

    def draw(canvas: Canvas) -> None:
        for number, lines in enumerate(pages, start=1):
            canvas.setFont(FONT, 9)
            canvas.drawCentredString(PAGE[0] / 2, 800, header.format(number))
            canvas.drawCentredString(PAGE[0] / 2, 40, footer.format(number))
            canvas.setFont(FONT, size)
            for row, line in enumerate(lines):
                bare = line.lstrip("\u3000")
                indent = (len(line) - len(bare)) * size
                canvas.drawString(90 + indent, 750 - row * pitch, bare)
            canvas.showPage()

    return pdf_bytes(draw)


def wrapped(text: str, width: float = 415, size: float = 12) -> list[str]:
    """A paragraph as lines of ``width`` points, the first indented by two characters."""
    lines = ["\u3000\u3000"]
    for char in text:
        if pdfmetrics.stringWidth(lines[-1] + char, FONT, size) > width:
            lines.append("")
        lines[-1] += char
    return lines

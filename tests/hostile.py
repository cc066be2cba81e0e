"""Builders of hostile documents for tests, each made in code from a few lines."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

__all__ = ["NAMESPACE", "docx_of", "paragraph", "pdf_of", "pdf_page", "pdf_stream", "relations"]

NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_TYPES = (
    f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_MAIN}"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def relations(*targets: str, kind: str = "x") -> str:
    """A part that relates to others."""
    inside = "".join(
        f'<Relationship Id="r{number}" Type="{kind}" Target="{target}"/>'
        for number, target in enumerate(targets)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inside}</Relationships>'


def paragraph(text: str) -> str:
    """A paragraph of a docx; the text is XML."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx_of(
    body: str,
    *,
    head: str = "",
    parts: Mapping[str, str | bytes] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """The smallest docx with this XML as its body, and ``head`` before the root element."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", relations("word/document.xml", kind=_OFFICE))
        document = f"{head}<w:document {NAMESPACE}><w:body>{body}</w:body></w:document>"
        archive.writestr("word/document.xml", document)
        for name, content in (parts or {}).items():
            archive.writestr(name, content)
    return stream.getvalue()


def pdf_of(objects: Sequence[bytes]) -> bytes:
    """A pdf of these objects, numbered from 1; the first is its catalogue."""
    data = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    data += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n" % (len(objects) + 1, start)
    return bytes(data) + b"%%EOF\n"


def pdf_stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<</Length %d%b>>\nstream\n%b\nendstream" % (len(content), entries, content)


def pdf_page(
    content: bytes, *, box: str = "0 0 595 842", pages: int = 1, form: bytes = b"null"
) -> bytes:
    """A pdf that shows the same page some times, with the font F1 and the form X."""
    resources = b"<</Font<</F1 4 0 R>>/XObject<</X 6 0 R>>>>"
    return pdf_of(
        (
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[%b]/Count %d>>" % (b" 3 0 R" * pages, pages),
            b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents 5 0 R/Resources %b>>"
            % (box.encode(), resources),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            pdf_stream(content),
            form,
        )
    )

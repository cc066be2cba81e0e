"""Readers against hostile files: bounded work, one line of reason, the next file is read."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import psutil
import pytest

from tests.documents import text_pdf
from tests.fuzz_checks import check_document
from tests.hostile import docx_of, paragraph, pdf_of, pdf_page, pdf_stream, relations
from zhibiao.errors import LimitError, ReadError
from zhibiao.readers import Limits, read_bytes, read_document

NOISE = bytes(range(256)) * 4000  # a picture, so that the ratio of a docx is that of a real one


def refused(data: bytes, name: str, limits: Limits | None = None) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(ReadError) as caught:
        read_bytes(data, name, limits=limits or Limits())
    message = str(caught.value)
    assert message.isprintable()
    assert "；" in message  # a reason and a remedy
    return message


# limits


def test_each_limit_is_refused_with_a_remedy_and_one_less_is_read() -> None:
    text = "全县专利申请量813件。\n" * 3
    docx, pdf = docx_of(paragraph(text)), pdf_page(b"BT /F1 9 Tf (GDP 813) Tj ET", pages=3)
    with zipfile.ZipFile(io.BytesIO(docx)) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    for data, name, bound in (
        (text.encode(), "a.txt", {"bytes": len(text.encode())}),
        (text.encode(), "a.md", {"characters": len(text)}),
        (f"<p>{text}".encode(), "a.html", {"characters": len(text) + 3}),
        (docx, "a.docx", {"expanded": unpacked}),
        (docx, "a.docx", {"characters": len(text) - 1}),
        (pdf, "a.pdf", {"pages": 3}),
        (pdf, "a.pdf", {"characters": 3 * 6}),
    ):
        assert "813" in read_bytes(data, name, limits=Limits(**bound)).text
        tighter = Limits(**{key: count - 1 for key, count in bound.items()})
        with pytest.raises(LimitError, match=f"{name}：.*；"):
            read_bytes(data, name, limits=tighter)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as stream:
        stream.truncate(10**12)  # a hole: nothing is on the disk
    with pytest.raises(LimitError, match="超过 200 MB；请拆成几份"):
        read_document(path)


def test_lines_without_number_are_refused() -> None:
    assert "行（段）" in refused(b"a\n" * 20_000, "a.txt", Limits(characters=100_000))
    body = "".join(f"<p>{number}" for number in range(20_000))
    assert "行（段）" in refused(body.encode(), "a.html", Limits(characters=200_000))


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="pages 0: must be positive"):
        Limits(pages=0)


# names


@pytest.mark.parametrize("data", [b"", b"\0\1", b"%PDF-1.4\n%%EOF"])
def test_control_characters_of_names_do_not_reach_messages(data: bytes) -> None:
    for suffix in ("txt", "pdf", "docx", "html", "exe"):
        message = refused(data, f"../../a\n\x1b[2J\u202e\ud800.{suffix}")
        assert message.startswith(rf"../../a\n\x1b[2J\u202e\ud800.{suffix}：")


def test_names_of_files_that_are_not_there(tmp_path: Path) -> None:
    for name in ("a\nb.txt", "a\0b.txt", "x" * 5000 + ".txt"):
        with pytest.raises(ReadError) as caught:
            read_document(tmp_path / name)
        assert str(caught.value).isprintable()


# docx


def test_zip_bombs() -> None:
    # 30 MB of one letter in 30 kB; 300 MB in a file that is large enough for its ratio.
    assert "不像一份报告" in refused(docx_of(paragraph("a" * 30_000_000)), "a.docx")
    lying = bytearray(docx_of(paragraph("x" * 100_000)))
    size = lying.rindex(b"PK\x01\x02") + 24
    lying[size : size + 4] = struct.pack("<I", 0xFFFF_FFF0)
    assert "解压后超过 200 MB" in refused(bytes(lying), "a.docx")
    lying[size : size + 4] = struct.pack("<I", 10)  # it declares less than it has
    assert "docx" in refused(bytes(lying), "a.docx")
    many = {f"word/media/{number}.png": b"" for number in range(6000)}
    assert "6,003 个部件" in refused(docx_of(paragraph("x"), parts=many), "a.docx")
    # The reader of this method has no bound on what it unpacks at once.
    squeezed = docx_of(paragraph("x"), method=zipfile.ZIP_BZIP2)
    assert "压缩方式和 docx 不符" in refused(squeezed, "a.docx")


def test_parts_that_relate_in_circles_and_chains() -> None:
    circle = {"word/_rels/document.xml.rels": relations("document.xml")}
    assert read_bytes(docx_of(paragraph("专利813件"), parts=circle), "a.docx").text == "专利813件"
    chain: dict[str, str | bytes] = {"word/_rels/document.xml.rels": relations("p0.xml")}
    for number in range(1500):
        chain[f"word/p{number}.xml"] = "<x/>"
        chain[f"word/_rels/p{number}.xml.rels"] = relations(f"p{number + 1}.xml")
    assert "不是能读的 docx" in refused(docx_of(paragraph("x"), parts=chain), "a.docx")


def test_names_of_parts_are_only_labels(tmp_path: Path) -> None:
    parts: dict[str, str | bytes] = {"../../../evil.txt": "x", "/etc/evil": "x", "a\nb": "x"}
    assert read_bytes(docx_of(paragraph("专利813件"), parts=parts), "a.docx").text == "专利813件"
    assert not list(tmp_path.iterdir())


LAUGHS = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    ("declared", "used"),
    [
        (f'<!ENTITY e0 "lol">{LAUGHS}', "&e9;"),
        (f'<!ENTITY e0 "{"A" * 50_000}">', "&e0;" * 50_000),
        ('<!ENTITY e0 "&e0;">', "&e0;"),
        ('<!ENTITY e0 SYSTEM "file://{secret}">', "&e0;"),
        ('<!ENTITY % p SYSTEM "file://{secret}"> %p;', "x"),
        ('<!ENTITY e0 SYSTEM "http://127.0.0.1:9/x">', "&e0;"),
    ],
)
def test_entities_are_refused_not_resolved(declared: str, used: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim", encoding="utf-8")
    head = f"<!DOCTYPE d [{declared.replace('{secret}', str(secret))}]>"
    for body in (paragraph(f"甲{used}乙"), f'<w:p w:x="{used}"/>{paragraph("甲")}'):
        assert "geheim" not in refused(docx_of(body, head=head), "a.docx")


def test_docx_elements_inside_each_other() -> None:
    def nested(levels: int) -> bytes:
        return docx_of("<w:sdt>" * levels + paragraph("专利813件") + "</w:sdt>" * levels)

    assert read_bytes(nested(200), "a.docx").text == "专利813件"
    assert "不是能读的 docx" in refused(nested(100_000), "a.docx")


def test_docx_line_ends_written_as_references() -> None:
    document = read_bytes(docx_of(paragraph("甲&#13;&#10;乙&#13;丙")), "a.docx")
    assert document.text == "甲\n乙\n丙"
    check_document(document)


def test_docx_cells_and_rows_without_number() -> None:
    cells = "".join(f"<w:tc>{paragraph('1')}</w:tc>" for _ in range(3000))
    (row,) = read_bytes(docx_of(f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>"), "a.docx").places
    assert row.end == 3000 + 3 * 2999


# html


def test_html_elements_inside_each_other() -> None:
    # Python's calls end at 1,000 levels, trafilatura's parser at 256, libxml2 at 2,048.
    for levels in (240, 300, 1900):
        page = "<div>" * levels + "<p>专利813件</p>" + "</div>" * levels + "<p>尾声</p>"
        for keep in (False, True):
            found = read_bytes(page.encode(), "a.html", keep_boilerplate=keep)
            assert found.text == "专利813件\n尾声"
    for tag in ("div", "font", "table><tr><td", "ul><li", "a><b", "svg><g"):
        page = f"<{tag}>" * 100_000 + "专利813件"
        assert "嵌套超过 2,000 层" in refused(page.encode(), "a.html")
    # Each closes the one before it.
    assert read_bytes(b"<p>" * 100_000 + b"813", "a.html").text == "813"


def test_html_tables_inside_each_other() -> None:
    page = "<table><tr><td>甲</td><td>" * 500 + "专利813件" + "</td></tr></table>" * 500
    found = read_bytes(page.encode(), "a.html", keep_boilerplate=True)
    check_document(found)
    assert found.text.count("甲") == 500
    assert found.text.count("专利813件") == 1


def test_html_of_one_line_and_of_a_million_tags() -> None:
    line = "专利813件，" * 1_000_000
    assert read_bytes(f"<p>{line}".encode(), "a.html").text == line
    found = read_bytes(f"<p>{'813<b></b>' * 300_000}".encode(), "a.html")
    assert found.text == "813" * 300_000
    assert "读入了全部可见的文字" in found.warnings[0]


@pytest.mark.parametrize(
    "codec", ["zlib", "rot13", "idna", "punycode", "unicode_escape", "utf-7", "undefined", "mbcs"]
)
def test_html_declares_what_is_no_encoding_of_a_page(codec: str) -> None:
    head = f'<meta charset="{codec}">'.encode()
    assert "编码" in refused(head + b"<p>\\ud800 x-" + b"q" * 50_000 + b"\xff\xfe", "a.html")
    assert read_bytes(head + "<p>专利813件".encode(), "a.html").text == "专利813件"


def test_html_references_to_what_is_no_character() -> None:
    page = b"<p>813&#xD800;&#0;&#x110000;&#99999999999999999999;&#13;&#x202e;"
    found = read_bytes(page, "a.html")
    check_document(found)
    assert found.text.startswith("813\ufffd")


def test_html_resolves_no_entities_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim", encoding="utf-8")
    page = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e SYSTEM "file://{secret}">]><p>813&e;</p>'
    assert "geheim" not in read_bytes(page.encode(), "a.html").text


# text


def test_texts_of_lines_in_no_encoding() -> None:
    assert "编码不是 UTF-8" in refused("é\n".encode("latin-1") * 1_000_000, "a.txt")
    assert "编码不是 UTF-8" in refused(b"\x81\x30\x81\x30\n" * 500_000, "a.txt")
    mixed = "专利\n".encode("gb18030") * 300_000 + "专利\n".encode()
    assert f"第 {5 * 300_000} 字节起是 utf-8" in refused(mixed, "a.txt")


def test_half_surrogates_are_no_text() -> None:
    assert "不符" in refused(b"\xff\xfe" + b"\x00\xd8a\x00" * 20, "a.txt")
    assert "a.txt" in refused("专利".encode() * 20 + b"\xed\xa0\x80" + b"abc" * 9, "a.txt")


def test_controls_and_bidi_marks_stay_as_they_are() -> None:
    text = "专利申请量813件，" * 200 + "\u202e\u2066\u200b\x1b[2J\x07\x85\u2028末"
    found = read_bytes(text.encode(), "a.txt")
    assert found.text == text
    check_document(found)


# pdf

SHOWN = b"BT /F1 12 Tf 100 700 Td (GDP 813) Tj ET"


def test_pdf_that_draws_itself_is_refused_and_the_next_file_read() -> None:
    form = pdf_stream(
        b"/X Do /X Do",
        b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>",
    )
    assert "限额；请拆成几份" in refused(pdf_page(b"/X Do", form=form), "a.pdf")
    assert read_bytes(pdf_page(SHOWN), "a.pdf").text == "GDP 813"


def test_pdf_page_trees() -> None:
    catalogue, page = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Page/MediaBox[0 0 9 9]>>"
    loop = pdf_of((catalogue, b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 3>>", page))
    assert "a.pdf：" in refused(loop, "a.pdf")
    levels = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (n + 3) for n in range(50_000)]
    assert "a.pdf：" in refused(pdf_of((catalogue, *levels, page)), "a.pdf")
    assert "10,000 页，超过 5,000 页" in refused(pdf_page(SHOWN, pages=10_000), "a.pdf")
    liar = pdf_page(SHOWN).replace(b"/Count 1", b"/Count 999999999")
    assert read_bytes(liar, "a.pdf").text == "GDP 813"


@pytest.mark.parametrize("box", ["-1e30 -1e30 1e30 1e30", "0 0 0 0", "9 9 1 1", "0 0 1e-9 5"])
def test_pdf_page_sizes(box: str) -> None:
    assert read_bytes(pdf_page(SHOWN, box=box), "a.pdf").text == "GDP 813"


def test_pdf_characters_at_infinity() -> None:
    content = SHOWN + b" BT /F1 1e38 Tf 1e38 1e38 1e38 1e38 1e38 -1e38 Tm (x) Tj ET"
    assert read_bytes(pdf_page(content), "a.pdf").text == "GDP 813"


def test_pdf_digits_that_python_counts_no_further() -> None:
    digits = b"7" * 6000
    content = b"BT /F1 0.05 Tf 10 10 Td (%b) Tj 0 820 Td (%b) Tj ET" % (digits, digits)
    found = read_bytes(pdf_page(content, pages=9), "a.pdf")
    assert found.text.count("7" * 6000) == 18


def test_pdf_where_no_edge_is_shared() -> None:
    lines = b" ".join(b"1 0 0 1 %d %d Tm (ab) Tj" % (9 * n, 800 - 30 * n) for n in range(26))
    found = read_bytes(pdf_page(b"BT /F1 8 Tf " + lines + b" ET"), "a.pdf")
    assert found.text.count("ab") == 26


def test_pdf_line_ends_among_the_characters() -> None:
    content = rb"BT /F1 12 Tf 100 700 Td (GDP\015\012\011813 of the whole county) Tj ET"
    found = read_bytes(pdf_page(content), "a.pdf")
    check_document(found)
    assert "\n" not in found.text
    assert "\t" not in found.text


def test_pdf_page_of_too_many_characters() -> None:
    content = b"BT /F1 1 Tf " + b"(%b) Tj " % (b"a" * 30_000) * 8 + b" ET"
    assert "第 1 页超过 200,000 字" in refused(pdf_page(content), "a.pdf")


def test_pdf_dots_of_a_table_of_contents() -> None:
    dots = text_pdf([["第一章" + "." * 30 + "7", "第二章" + "…" * 40 + "x"]])
    assert "第一章" in read_bytes(dots, "a.pdf").text


def test_a_parser_that_was_ended_from_outside_is_replaced() -> None:
    assert read_bytes(b"<p>813", "a.html").text == "813"
    children = psutil.Process().children()
    (parser,) = [child for child in children if "zhibiao.readers.child" in str(child.cmdline())]
    parser.terminate()  # as to a whole group; only its parent ends it
    assert read_bytes(b"<p>813", "a.html").text == "813"
    assert parser.is_running()
    parser.kill()
    psutil.wait_procs([parser])
    assert read_bytes(b"<p>813", "a.html").text == "813"


def test_a_forked_process_has_a_parser_of_its_own() -> None:
    assert read_bytes(pdf_page(SHOWN), "a.pdf").text == "GDP 813"
    child = os.fork()
    if not child:
        status = 1
        try:
            status = int(read_bytes(b"<p>fork", "a.html").text != "fork")
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert read_bytes(pdf_page(SHOWN), "a.pdf").text == "GDP 813"

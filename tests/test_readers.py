"""Reading txt and md, the encodings, and what no reader accepts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.documents import docx_bytes, pdf_bytes, text_pdf
from zhibiao.errors import ReadError
from zhibiao.readers import SUFFIXES, Document, read_bytes, read_document

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
TEXT = (SAMPLES / "keji-2018.txt").read_text(encoding="utf-8")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030")


def check_places(document: Document) -> None:
    """Places are sorted, hold visible text, and leave only white space between them."""
    end = paragraph = 0
    for place in document.places:
        assert not document.text[end : place.start].strip()
        assert document.text[place.start : place.end].strip()
        assert place.paragraph in (paragraph, paragraph + 1)
        assert document.place(place.start) == document.place(place.end - 1) == place
        end, paragraph = place.end, place.paragraph
    assert not document.text[end:].strip()


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
def test_every_sample_is_read_with_places(name: str) -> None:
    document = read_document(SAMPLES / name)
    assert len(document.text) > 100
    assert document.format == name.rpartition(".")[2]
    assert not document.warnings
    check_places(document)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("length", [10, 50, 500])
def test_short_texts_in_every_encoding_are_recognised(encoding: str, length: int) -> None:
    for start in range(0, len(TEXT) - length, max(length // 3, 7)):
        text = TEXT[start : start + length]
        if text.strip():
            assert read_bytes(text.encode(encoding), "a.txt").text == text


def test_encoding_is_reported() -> None:
    found = {name: read_bytes(TEXT.encode(name), "a.txt").encoding for name in ENCODINGS}
    assert found["utf-8-sig"] == "utf-8"
    assert found["gb18030"] == "gb18030"
    assert found["utf-16"] == f"utf-16-{'le' if sys.byteorder == 'little' else 'be'}"
    assert read_document(SAMPLES / "tongji-2020.txt").encoding == "gb18030"


def test_only_line_ends_change() -> None:
    text = "\n \t２０１６年，ＧＤＰ①㎡\u00a0\u3000完成\ufeff　\r\n\r\n第二行\r第三行\n\n"
    document = read_bytes(text.encode(), "a.txt")
    assert document.text == text.replace("\r\n", "\n").replace("\r", "\n")
    assert [place.paragraph for place in document.places] == [1, 2, 3]
    assert document.place(0).paragraph == 1
    assert document.place(document.text.index("第三行") + 4).paragraph == 3
    with pytest.raises(IndexError):
        document.place(len(document.text))
    with pytest.raises(IndexError):
        document.place(-1)


def test_a_few_control_characters_do_not_make_text_binary() -> None:
    text = TEXT + "\x0c第二页\x07"
    assert read_bytes(text.encode(), "a.txt").text == text


def test_markdown_keeps_its_marks() -> None:
    data = (SAMPLES / "xiangcun-2022.md").read_bytes()
    document = read_bytes(data, "a.md")
    assert document.text == data.decode()
    kinds = {document.text[p.start : p.end]: p.kind for p in document.places}
    assert kinds["## 一、主要成效"] == "heading"
    assert kinds["| 硬化村组道路 | 公里 | 12.8 | 19.5 |"] == "table"
    assert kinds["- 建成高标准农田3200亩，粮食总产量1.46万吨；"] == "line"


MIXED_UTF8 = "全县专利申请量813件。\n".encode() * 5
MIXED_GBK = "全县专利授权量521件。\n".encode("gb18030") * 5
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
PDF = text_pdf([["全县专利申请量813件。"]])
DOCX = docx_bytes(lambda document: document.add_paragraph("全县专利申请量813件。"))
EMPTY_DOCX = docx_bytes(lambda document: None)
ENCRYPTED_PDF = pdf_bytes(lambda canvas: canvas.drawString(9, 9, "x"), encrypt="geheim")
PICTURE_PDF = pdf_bytes(lambda canvas: canvas.rect(50, 50, 200, 200, fill=1))


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(name, content)
    return stream.getvalue()


BAD = [
    (b"", "a.txt", "空文件"),
    (b"\xef\xbb\xbf", "a.txt", "只有空白"),
    (" \r\n\t\u3000\n".encode(), "a.md", "只有空白"),
    (PICTURE, "a.txt", "请先做 OCR"),
    (bytes(range(256)) * 8, "a.txt", "二进制"),
    (DOCX, "a.txt", ".docx"),
    (PDF, "a.txt", ".pdf"),
    (OLE, "a.txt", "另存为 .docx"),
    (b"x", "a.xyz", r"\.txt、\.md、\.html、\.htm、\.docx、\.pdf"),
    (b"x", "README", "没有后缀的文件"),
    (b"x", "a.doc", r"另存为 \.docx"),
    (b"x", "a.WPS", r"另存为 \.docx"),
    (b"x", "a.xlsx", r"\.docx"),
    (b"x", "a.jpg", "OCR"),
    (MIXED_UTF8 + MIXED_GBK, "a.txt", f"第 {len(MIXED_UTF8)} 字节起是 gb18030；请统一"),
    (MIXED_GBK + MIXED_UTF8, "a.txt", f"第 {len(MIXED_GBK)} 字节起是 utf-8"),
    (MIXED_GBK * 40 + MIXED_UTF8, "a.txt", f"第 {len(MIXED_GBK) * 40} 字节起是 utf-8"),
    (("全县专利" * 50).encode()[:-1], "a.txt", "不完整"),
    (TEXT.encode("utf-16")[:-1], "a.txt", "已损坏"),
    (b"\xef\xbb\xbf" + MIXED_GBK, "a.txt", "第 5 字节不符"),
    ("本縣科技局全年專利申請量八百一十三件，發明專利三十六件".encode("big5"), "a.txt", "UTF-8"),
    ("Développement économique: la société a créé 35 emplois".encode("cp1252"), "a.txt", "UTF-8"),
    (
        b"<html><head><title>x</title></head><body><script>1</script></body></html>",
        "a.html",
        "没有可见的文字",
    ),
    (b"   ", "a.html", "没有可见的文字"),
    (b"\xff\xfe\x00", "a.htm", "已损坏"),
    (b"%PDF-1.7\n", "a.pdf", "缺少结尾"),
    (PDF[: len(PDF) // 2], "a.pdf", "缺少结尾"),
    (b"%PDF-1.7\nnonsense\n%%EOF\n", "a.pdf", "已损坏"),
    (b"plain text", "a.pdf", "不是 PDF"),
    (ENCRYPTED_PDF, "a.pdf", "有密码.*去掉密码"),
    (PICTURE_PDF, "a.pdf", "没有文字层.*OCR"),
    (DOCX[: len(DOCX) // 2], "a.docx", "不完整"),
    (DOCX[:-30], "a.docx", "不完整"),
    (b"plain text", "a.docx", "不是 docx"),
    (OLE, "a.docx", "有密码，或者是改了后缀的旧版 .doc"),
    (EMPTY_DOCX, "a.docx", "没有文字"),
    (zipped("word/document.xml", b"<x/>"), "a.docx", "不是能读的 docx"),
    (zipped("word/media/image1.png", bytes(30_000_000)), "a.docx", "解压后有 30 MB"),
]


@pytest.mark.parametrize(("data", "name", "expected"), BAD)
def test_bad_input_is_one_line_with_file_and_remedy(data: bytes, name: str, expected: str) -> None:
    with pytest.raises(ReadError, match=expected) as caught:
        read_bytes(data, name)
    message = str(caught.value)
    assert message.startswith(f"{name}：")
    assert "\n" not in message


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_raise_nothing_but_read_errors(suffix: str, seed: int) -> None:
    sample = next(path for path in SAMPLES.iterdir() if path.suffix[:4] == suffix[:4])
    data = bytearray(sample.read_bytes())
    for step in range(40):
        at = (seed * 7919 + step * 104_729) % len(data)
        data[at] = (data[at] + 1 + seed * step) % 256
    try:
        check_places(read_bytes(bytes(data), f"a{suffix}"))
    except ReadError as error:
        assert str(error).startswith(f"a{suffix}：")


def test_missing_file_folder_and_suffix(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="没有这个文件"):
        read_document(tmp_path / "missing.txt")
    with pytest.raises(ReadError, match="是文件夹"):
        read_document(tmp_path)
    with pytest.raises(ReadError, match=r"另存为 \.docx"):
        read_document(tmp_path / "missing.doc")
    with pytest.raises(ReadError, match="读不出来"):
        read_document(tmp_path / ("x" * 300 + ".txt"))


def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("全县", encoding="utf-8")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything
        assert read_document(path).text == "全县"
    else:
        with pytest.raises(ReadError, match="没有读取权限"):
            read_document(path)


def test_a_large_text_stays_in_reasonable_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    line = (
        "全县专利申请量813件，其中发明专利36件，同比增长23.4%，技术合同成交额1.8亿元。" * 4 + "\n"
    )
    path.write_bytes(line.encode("gb18030") * (50_000_000 // len(line.encode("gb18030"))))
    code = (
        "import re, sys\n"
        "from zhibiao.readers import read_document\n"
        "document = read_document(sys.argv[1])\n"
        # Not ru_maxrss: a child starts with its parent's peak.
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "print(len(document.places), int(peak) // 1024)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(output[0]) == 50_000_000 // len(line.encode("gb18030"))
    assert int(output[1]) < 500


def test_reading_text_imports_no_parser() -> None:
    code = (
        "import sys\n"
        "from zhibiao.readers import read_bytes\n"
        "read_bytes('全县'.encode('gb18030'), 'a.txt')\n"
        "print(sorted({'docx', 'lxml', 'pypdfium2', 'trafilatura'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"

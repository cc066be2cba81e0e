"""Finding the character encoding of Chinese text, or saying why there is none.

Chinese reports come in four encodings, and strict decoding settles most of it: text that is valid
UTF-8 is UTF-8. What is left is told apart by how much of the decoded text a Chinese reader would
expect: the 3,755 everyday characters of GB 2312's first level, and punctuation. On texts of ten
characters this is right where general detectors guess (charset-normalizer reads one in six
GB18030 texts of that length as UTF-16), and other encodings (Big5, Shift JIS, Windows-1252) are
refused instead of becoming nonsense.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

from zhibiao.errors import ReadError

__all__ = ["decode"]

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its first half
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_FILE_TYPES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip 压缩包，也许是 .docx；请改回它自己的后缀"),
    (b"%PDF-", " PDF；请把后缀改成 .pdf"),
    (
        b"\xd0\xcf\x11\xe0",
        "旧版 Office 文件；请用 Word 或 WPS 打开，另存为 .docx",
    ),
    (b"{\\rtf", " RTF 文档；请用 Word 或 WPS 打开，另存为 .docx"),
    (b"\x89PNG", "图片；请先做 OCR"),
    (b"\xff\xd8\xff", "图片；请先做 OCR"),
    (b"GIF8", "图片；请先做 OCR"),
    (b"\x1f\x8b", " gzip 压缩包；请先解压"),
    (b"Rar!", " rar 压缩包；请先解压"),
    (b"7z\xbc\xaf", " 7z 压缩包；请先解压"),
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_SHARE = 0.002  # stray form marks are common in pasted text, more means another format
_SAMPLE = 100_000  # characters looked at to judge a decoding
_LIKELY = 0.75
_FOREIGN_LINE = re.compile(rb"[^\r\n\x80-\xff]*+[\x80-\xff][^\r\n]*+")
_MAX_EXAMINED = 200_000  # lines that may be in either of two encodings; a second's work
_SAVE = "请用编辑器打开，另存为 UTF-8"


def decode(data: bytes, name: str, declared: str | None = None) -> tuple[str, str]:
    """Decode the bytes of a text file; the byte order mark is not part of the text.

    Args:
        data: the whole file.
        name: what errors call the file.
        declared: a codec that the document itself names, tried before guessing.

    Returns:
        The text with its line ends as they were, and the codec's name.

    Raises:
        ReadError: binary data, an encoding that is none of UTF-8, UTF-16 and GB18030, or a
            mixture; names the offset of the first byte that does not fit.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strict(data, encoding, name, skip=len(mark)), encoding
    for magic, remedy in _FILE_TYPES:
        if data.startswith(magic):
            raise ReadError(f"{name}：不是文本，内容是{remedy}")
    controls = sum(1 for _ in _CONTROLS.finditer(data, 0, _SAMPLE))
    text = _try(data, "utf-8")
    if text is not None and not controls:
        return text, "utf-8"
    if declared and text is None:
        named = _try(data, declared)
        if named is not None:
            return named, declared
    best = max(_candidates(data), default=(0.0, "", ""))
    if best[0] >= _LIKELY:
        _, encoding, found = best
        if encoding == "gb18030":
            _refuse_mixture(data, name)
        return found, encoding
    if controls > min(len(data), _SAMPLE) * _CONTROL_SHARE:
        at = _CONTROLS.search(data)
        where = at.start() if at else 0
        raise ReadError(f"{name}：第 {where} 字节起是二进制数据，不是文本；请给出文本文件")
    if text is not None:
        return text, "utf-8"
    _refuse_mixture(data, name)
    raise _misfit(data, name)


def _strict(data: bytes, encoding: str, name: str, skip: int = 0) -> str:
    try:
        return str(memoryview(data)[skip:], encoding)
    except UnicodeDecodeError as error:
        at = error.start + skip
        raise ReadError(
            f"{name}：标明是 {encoding}，但第 {at} 字节不符：文件已损坏，或混用了编码；{_SAVE}"
        ) from error


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _candidates(data: bytes) -> list[tuple[float, str, str]]:
    """(score, encoding, text) for each decoding without errors.

    A NUL byte cannot be part of GB18030 text, and half of a UTF-16 unit cannot be left over.
    """
    encodings = [] if b"\0" in data[:_SAMPLE] else ["gb18030"]
    if len(data) % 2 == 0:
        encodings += ["utf-16-le", "utf-16-be"]
    found = []
    for encoding in encodings:
        # A slice first: most wrong decodings fail or look wrong within it.
        head = _try(data[:_SAMPLE], encoding) if len(data) > _SAMPLE else None
        if head is not None and _score(head, encoding) < _LIKELY / 2:
            continue
        text = _try(data, encoding)
        if text is not None:
            found.append((_score(text, encoding), encoding, text))
    return found


def _score(text: str, encoding: str) -> float:
    """How Chinese a decoded text looks, 0 to 1.

    ASCII says nothing about GB18030, which shares it with every other encoding.
    """
    first, second = _everyday()
    sample = text[:_SAMPLE]
    if encoding != "utf-16-le" and encoding != "utf-16-be":
        sample = "".join(char for char in sample if char > "\x7f")
    if not sample:
        return 0.0
    points = sum(1.0 if char in first else 0.5 if char in second else 0.0 for char in sample)
    return points / len(sample)


@cache
def _everyday() -> tuple[frozenset[str], frozenset[str]]:
    """Punctuation, ASCII and GB 2312 level 1; then level 2, right in names but rare."""

    def rows(start: int, stop: int) -> str:
        return "".join(
            bytes((lead, trail)).decode("gb2312", "ignore")
            for lead in range(start, stop)
            for trail in range(0xA1, 0xFF)
        )

    ascii_text = "".join(map(chr, range(0x20, 0x7F))) + "\t\n\r"
    first = frozenset(ascii_text + rows(0xA1, 0xA4) + rows(0xB0, 0xD8) + "—·€￥")
    return first, frozenset(rows(0xD8, 0xF8))


def _refuse_mixture(data: bytes, name: str) -> None:
    """Find the first line in another encoding than the lines before it.

    UTF-8 text pasted into a GB18030 file may decode without error, into nonsense.
    """
    first = ""
    examined = 0
    for match in _FOREIGN_LINE.finditer(data):
        line = match.group()
        if first == "gb18030" and _try(line, "utf-8") is None:
            continue
        examined += 1
        if examined > _MAX_EXAMINED:
            return
        found = _line_encoding(line)
        if found and first and found != first:
            at = match.start() + next(index for index, byte in enumerate(line) if byte > 0x7F)
            raise ReadError(
                f"{name}：混用了编码：先是 {first}，第 {at} 字节起是 {found}；"
                "请统一存为一种编码，最好是 UTF-8"
            )
        first = first or found


def _line_encoding(line: bytes) -> str:
    """Which of the two encodings a line is in, or "" where that cannot be said."""
    best, encoding = max((_line_score(line, name), name) for name in ("gb18030", "utf-8"))
    return encoding if best >= _LIKELY else ""


def _line_score(line: bytes, encoding: str) -> float:
    text = _try(line, encoding)
    return 0.0 if text is None else _score(text, encoding)


def _misfit(data: bytes, name: str) -> ReadError:
    """Say which encoding the text would be in if it were not for the byte that breaks it."""
    guesses = [
        (_score(data[: 2 * _SAMPLE].decode(encoding, "ignore"), encoding), encoding)
        for encoding in ("gb18030", "utf-8")
    ]
    score, encoding = max(guesses)
    if score >= _LIKELY:
        try:
            data.decode(encoding)
        except UnicodeDecodeError as error:
            if error.start >= len(data) - 4:
                return ReadError(
                    f"{name}：在第 {error.start} 字节处断在一个 {encoding} 字符中间："
                    "文件不完整；请重新复制"
                )
            return ReadError(
                f"{name}：看来是 {encoding}，但第 {error.start} 字节不符："
                f"混用了编码，或已损坏；{_SAVE}"
            )
    return ReadError(f"{name}：编码不是 UTF-8、UTF-16 或 GB18030，或者不是文本文件；{_SAVE}")

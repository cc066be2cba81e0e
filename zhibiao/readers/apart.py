"""Parsing in a process of its own, so that a hostile file costs bounded time and memory.

A pdf of 600 bytes can keep PDFium busy for ever (a form that draws itself twice), a compressed
one of 500 kB can ask for gigabytes, and no thread or signal stops a parser written in C. So one
child process, started for the first file and kept, does the parsing under the limits that the
operating system has for processes; when it dies, the file is refused and the next one gets a new
child. It reads files and answers, and ends by itself when this process does.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from zhibiao.errors import LimitError, ReadError
from zhibiao.readers.document import Document, Place
from zhibiao.readers.limits import Limits

__all__ = ["parse_apart"]

# The same import path, like the standard library's multiprocessing; its own children could be
# neither limited nor started from a process that is a daemon.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from zhibiao.readers.child import main; main()"
_CHUNK = 1 << 20
_ENDS = 5.0  # seconds for an idle child to go, before it is killed
_ERRORS = {"LimitError": LimitError, "ReadError": ReadError, "ImportError": ImportError}


def parse_apart(
    data: bytes, name: str, format: str, keep_boilerplate: bool, limits: Limits
) -> Document:
    """Do what :func:`zhibiao.readers.parsing.parse` does, in the child; one file at a time.

    Raises:
        LimitError: also when the parser ran out of time or memory.
        ReadError: also when it crashed, or no process can be started.
    """
    question = {
        "size": len(data),
        "name": name,
        "format": format,
        "keep_boilerplate": keep_boilerplate,
        "limits": asdict(limits),
    }
    answer = _CHILD.ask(json.dumps(question).encode() + b"\n", data, name, format)
    if "error" in answer:
        raise _ERRORS[answer["error"]](answer["message"])
    places = tuple(Place(*place) for place in answer["places"])
    return Document(answer["text"], places, format, answer["encoding"], tuple(answer["warnings"]))


class _Child:
    """The process and its pipes; ``ask`` may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, head: bytes, data: bytes, name: str, format: str) -> dict[str, Any]:
        with self._lock:
            if self._process and self._process.poll() is not None:
                self._stop(kill=False)  # ended from outside, by no file's fault
            process = self._process or self._started(name)
            try:
                answer = _exchanged(process, head, data)
            except BaseException:
                self._stop(kill=True)  # half a question or answer may be under way
                raise
            if answer is None:
                self._stop(kill=True)
                raise _death(process.returncode, name, format)
        return answer

    def _started(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _PROGRAM.format(path=sys.path)]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise ReadError(
                f"{name}：启动不了解析它的进程（{error.strerror}）；请关掉别的程序再试"
            ) from error
        return self._process

    def _stop(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        _close(process)  # the child ends when its input does
        try:
            process.wait(_ENDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End the child."""
        self._stop(kill=False)

    def forget(self) -> None:
        """After a fork: the child is the parent's, and so is who holds the lock."""
        process, self._process = self._process, None
        self._lock = threading.Lock()
        if process is not None:
            _close(process)
            process.returncode = 0  # it is not ours to wait for


_CHILD = _Child()
atexit.register(_CHILD.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CHILD.forget)


def _exchanged(process: subprocess.Popen[bytes], head: bytes, data: bytes) -> dict[str, Any] | None:
    """The child's answer, None when it ends before it has given one."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for part in (head, data):
            rest = memoryview(part)
            while rest:
                rest = rest[process.stdin.write(rest[:_CHUNK]) :]
    except OSError:  # a broken pipe
        return None
    pieces: list[bytes] = []
    while not pieces or not pieces[-1].endswith(b"\n"):
        piece = process.stdout.read(_CHUNK)
        if not piece:
            return None
        pieces.append(piece)
    answer: dict[str, Any] = json.loads(b"".join(pieces))
    return answer


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _death(status: int | None, name: str, format: str) -> ReadError:
    if status is not None and -status == getattr(signal, "SIGPROF", None):
        return LimitError(f"{name}：解析时间太长；请拆成几份，或用别的程序重新保存")
    if status is not None and -status in (signal.SIGABRT, getattr(signal, "SIGKILL", None)):
        return LimitError(f"{name}：要用的内存超过一个文件的限额；请拆成几份，或用别的程序重新保存")
    return ReadError(f"{name}：{format} 文件已损坏，解析程序崩溃了；请打开它，重新保存")

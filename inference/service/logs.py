"""Logs as one JSON object a line, on standard output, without a word of any report."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

__all__ = ["LOG_CONFIG", "QuietFormatter"]


class QuietFormatter(JsonFormatter):
    """Writes of an exception its type and where it was raised, not its message.

    Messages quote what they complain about, and that may be a report or the name of a file.
    """

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s %(process)d",
            rename_fields={"levelname": "level", "name": "logger", "message": "event"},
            timestamp="time",
            json_ensure_ascii=False,
        )

    def formatException(  # noqa: N802
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """The type of the exception, the files and lines it passed."""
        kind, _, trace = ei
        places = "".join(traceback.format_tb(trace))
        return f"{'' if kind is None else kind.__name__}\n{places}".rstrip()


LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": QuietFormatter}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "stream": "ext://sys.stdout",
        }
    },
    "root": {"handlers": ["stdout"], "level": "WARNING"},
    "loggers": {
        "zhibiao": {"level": "INFO"},
        # uvicorn at INFO tells of every process; its warnings are about broken requests.
        "uvicorn": {"level": "WARNING"},
    },
}
"""For logging.config.dictConfig: all of a process, uvicorn included."""

"""How an audit writes text for people."""

from __future__ import annotations

__all__ = ["quoted", "shown"]

_LIMIT = 40


def quoted(text: str) -> str:
    """The text in quotation marks, on one line, cut when long."""
    return f"“{_line(text)}”"


def shown(label: str, text: str) -> str:
    """The text as a span of tagged text, on one line, cut when long."""
    return f"⟦{label}|{_line(text)}⟧"


def _line(text: str) -> str:
    line = text.replace("\n", "⏎")
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1] + "…"

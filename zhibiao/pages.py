"""What every web page that the project writes has in common: safe templates, a strict policy."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["content_policy", "page_environment"]


def page_environment(templates: Path) -> Environment:
    """Templates of a folder: every value is escaped, a misspelt name is an error.

    The filter ``visible`` puts a text on one line, with controls and invisible characters as signs;
    ``visible("\\n")`` keeps its line ends.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = _visible
    return environment


def _visible(text: str, line_end: str = "↵") -> str:
    return "".join(
        line_end if c == "\n" else c if _is_seen(c) else f"⟨U+{ord(c):04X}⟩" for c in text
    )


def _is_seen(character: str) -> bool:
    # isprintable() is false of all spaces but U+0020 (a full-width one is seen well enough) and of
    # the joiner inside emoji.
    return (
        character.isprintable()
        or character in "\t\u200d"
        or unicodedata.category(character) == "Zs"
    )


def content_policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """A Content-Security-Policy under which a page loads nothing and runs only the given code.

    The code is named by hash (W3C CSP Level 3), so it must stand in the page as it is here.
    """
    return (
        f"default-src 'none'; style-src {' '.join(map(_hash, styles))}; "
        f"script-src {' '.join(map(_hash, scripts))}; base-uri 'none'; form-action 'none'"
    )


def _hash(code: str) -> str:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"

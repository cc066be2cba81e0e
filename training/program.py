"""How the programs of this stage end when something is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from zhibiao.errors import ZhibiaoError

__all__ = ["one_line_errors"]


@contextmanager
def one_line_errors(parser: argparse.ArgumentParser, status: int = 2) -> Iterator[None]:
    """Within it an error that a user can mend ends the program with one line and ``status``."""
    try:
        yield
    except (ZhibiaoError, OSError) as error:
        parser.exit(status, f"error: {error}\n")

"""What every program does with its terminal before it begins."""

from __future__ import annotations

import io
import signal
import sys

__all__ = ["accept_lossy_terminal", "stop_like_ctrl_c"]


def accept_lossy_terminal() -> None:
    """Write what the terminal's encoding lacks as escapes.

    A terminal that lacks Chinese must not end a finished run with an encoding error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stop_like_ctrl_c() -> None:
    """Let being told to stop (SIGTERM) clean up like Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)

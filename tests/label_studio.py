"""Real Label Studio servers for tests: one environment, one migrated database, many copies."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path

from annotation.server import LabelStudioServer
from annotation.server_environment import ensure_installed, pins_hash

__all__ = ["environment", "free_port", "new_server"]

ROOT = Path(__file__).resolve().parent.parent

CACHE = ROOT / ".label-studio-cache"
"""Migrated databases, one for each set of pins; safe to delete, never committed."""


def environment() -> Path:
    """The server's virtual environment, made when missing: the clone's own, or the one named by
    ZHIBIAO_LABEL_STUDIO_VENV."""
    venv = Path(os.environ.get("ZHIBIAO_LABEL_STUDIO_VENV") or ROOT / ".venv-label-studio")
    ensure_installed(venv, lambda line: print(line, flush=True))
    return venv


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def new_server(data: Path) -> LabelStudioServer:
    """A server, not yet started, on a fresh data folder with a migrated database: its first start
    takes seconds and not a minute."""
    venv = environment()
    database = _migrated_database(venv)
    data.mkdir(parents=True)
    shutil.copyfile(database, data / database.name)
    return LabelStudioServer(data, venv, free_port())


def _migrated_database(venv: Path) -> Path:
    """The path of a database as the first start of a server leaves it, made when missing."""
    folder = CACHE / pins_hash()
    database = folder / "label_studio.sqlite3"
    if database.exists():
        return database
    CACHE.mkdir(exist_ok=True)
    # Two test runs of one clone: the second waits for the first's database.
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as made:
                data = Path(made) / "data"
                with LabelStudioServer(data, venv, free_port()):
                    pass
                ready = Path(made) / "ready"
                ready.mkdir()
                os.replace(data / database.name, ready / database.name)
                os.replace(ready, folder)
    return database

"""Fixtures with real Label Studio servers: one shared by a run, and others of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from annotation.server import LabelStudioServer
from tests.label_studio import new_server
from zhibiao.errors import ServerError

__all__ = ["label_studio", "own_label_studio"]


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    """A running server shared by all tests of a run; each makes a project of its own there."""
    server = _made(tmp_path_factory.mktemp("label-studio") / "data")
    try:
        _started(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_label_studio(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., LabelStudioServer]]:
    """Makes running servers that a test may stop, kill and start again on their data folders.

    ``own_label_studio(start=False)`` gives one that is not started yet.
    """
    servers: list[LabelStudioServer] = []

    def make(*, start: bool = True) -> LabelStudioServer:
        server = _made(tmp_path_factory.mktemp("own-label-studio") / "data")
        servers.append(server)
        if start:
            _started(server)
        return server

    try:
        yield make
    finally:
        for server in servers:
            server.stop()


def _made(data: Path) -> LabelStudioServer:
    try:
        return new_server(data)
    except ServerError as error:
        _fail(error)


def _started(server: LabelStudioServer) -> None:
    try:
        server.start()
        server.wait_healthy()
    except ServerError as error:
        _fail(error)


def _fail(error: ServerError) -> NoReturn:
    # Not a skip: what cannot be checked is not known to work.
    notes = getattr(error, "__notes__", ())
    pytest.fail("\n".join([f"没有 Label Studio 可测：{error}", *notes]), pytrace=False)

"""The Ray cluster that a job runs on: one that is there, or one of this machine alone."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zhibiao.errors import ReadError

__all__ = ["ray_cluster"]

_STORE_BYTES = 150 * 2**20
"""Memory of Ray's object store on a machine of our own: only numbers pass through it."""
_REACHABLE_SECONDS = 10.0


@contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """Join the cluster at ``address``, or at RAY_ADDRESS; without either start one of our own.

    Raises:
        ReadError: Ray is not installed, or there is no cluster at that address.
    """
    # Before Ray is imported: nothing is sent to anybody, and a small /dev/shm is no reason to
    # warn, for next to nothing passes through the object store.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE", "1")
    # Ray takes it for an error that an actor's arguments lie with the driver. They may.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        from ray.data import DataContext
    except ImportError as error:
        raise ReadError("多机运行需要 Ray；请运行 pip install 'zhibiao[scale]'") from error
    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    told_to_stop = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            _check_reachable(address)
            ray.init(address, **quiet)
        else:
            ray.init("local", object_store_memory=_STORE_BYTES, include_dashboard=False, **quiet)
    except (OSError, ValueError) as error:
        raise ReadError(f"{address}：连不上 Ray 集群（{error}）；请检查地址") from error
    if threading.current_thread() is threading.main_thread():
        # Ray's own handler ends the process on the spot.
        signal.signal(signal.SIGTERM, told_to_stop)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Fail within seconds where Ray would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=_REACHABLE_SECONDS).close()

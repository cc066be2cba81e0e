"""Running the service: a supervisor and its workers, one address, an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from inference.service.logs import LOG_CONFIG
from inference.service.metrics import FOLDER_VARIABLE
from inference.service.settings import Settings
from zhibiao.errors import ServerError

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["serve"]

_SILENT_SECONDS = 60  # a worker that does not even say it is alive for so long is replaced
_BEYOND_SECONDS = 5  # what an answer may take beyond the limits, when the service stops


class _Address(socket.socket):
    """A bound address that every worker opens anew for itself.

    Workers that share one listening socket race for connections, and one of them gets most.
    Between sockets with SO_REUSEPORT Linux deals them out.
    """

    def __reduce__(self) -> tuple[Callable[..., _Address], tuple[Any, ...]]:
        return _bind, (self.family, self.getsockname())


def serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int,
    started: Callable[[str], None],
) -> int:
    """Serve until told to stop and return the exit status, 1 when the workers cannot start.

    ``started`` is given the address once it is taken.

    Raises:
        ServerError: the port is taken or not allowed, or there is no such address.
    """
    address = _open(host, port)
    started(_url(address))
    config = uvicorn.Config(
        partial(_worker, settings),
        factory=True,
        workers=workers,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=LOG_CONFIG,
        access_log=False,
        server_header=False,
        timeout_worker_healthcheck=_SILENT_SECONDS,
        timeout_graceful_shutdown=int(settings.upload_seconds + settings.seconds) + _BEYOND_SECONDS,
    )
    with tempfile.TemporaryDirectory(prefix="zhibiao-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        supervisor = Multiprocess(config, sockets=[address])
        supervisor.run()
    return int(any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes))


def _worker(settings: Settings) -> FastAPI:
    """The application of one worker; runs in its process, in its event loop."""
    from inference.service.application import create_app

    app = create_app(settings)
    state = app.state.service.state
    loop = asyncio.get_running_loop()

    def stop(number: int, end: Callable[..., Any]) -> None:
        # Clients and balancers see that they should go elsewhere before the address closes.
        state.stopping = True
        loop.call_later(settings.drain, end, number, None)

    for number in (signal.SIGINT, signal.SIGTERM):
        end = signal.getsignal(number)
        assert callable(end)  # uvicorn's
        loop.add_signal_handler(number, stop, number, end)
    return app


def _open(host: str, port: int) -> _Address:
    if not 0 <= port <= 65535:
        raise ServerError(f"--port {port}：端口应在 1 到 65535 之间")
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )[0]
        # Without SO_REUSEPORT first: a second service must not share the address by accident.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen()
            place = probe.getsockname()
        return _bind(family, place)
    except socket.gaierror as error:
        raise ServerError(f"{host}：没有这个地址；请检查 --host") from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServerError(
            f"{host}:{port}：地址用不了，端口可能已被占用（{reason}）；请用 --port 换一个"
        ) from error


def _bind(family: int, place: Any) -> _Address:
    address = _Address(family, socket.SOCK_STREAM)
    address.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    address.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    address.bind(place)
    return address


def _url(address: socket.socket) -> str:
    """The address for somebody on this machine."""
    host, port = address.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

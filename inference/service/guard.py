"""What stands before every request: its id, the token, the limits, the log line."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
import time
import uuid
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.service.metrics import Metrics
from inference.service.problems import ProblemError
from inference.service.settings import Settings

__all__ = ["Guard", "State"]

_log = logging.getLogger("zhibiao.service")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TEXT_PATHS = frozenset(("/v1/extract", "/v1/batches"))
_PROBES = frozenset(("/health", "/ready", "/metrics"))  # asked for every few seconds
_EXPORT_PATH = "/v1/export"
_PIECE = 65_536  # bytes in which a body is handed on, so that no parser holds the loop for long
_BODIES = 16  # full bodies that a worker holds at once, all requests together
# What is still read of a refused body. A connection that is closed on data unread is reset, and
# the client would see that instead of the refusal.
_REFUSED_BYTES = 64_000_000
_REFUSED_SECONDS = 5.0
_GONE = 499  # nginx's number for a client that left before its answer; only in logs and metrics


@dataclass(slots=True)
class State:
    """What a worker is doing: its model is loaded, it was told to stop, what it has in hand."""

    loaded: bool = False
    stopping: bool = False
    requests: int = 0
    bytes: int = 0

    @property
    def ready(self) -> bool:
        """Whether new requests should come here; those that come while it stops are answered."""
        return self.loaded and not self.stopping


@dataclass(slots=True)
class _Exchange:
    """A request on its way and the answer to it."""

    scope: Scope
    receive: Receive
    id: str
    started: float = field(default_factory=time.perf_counter)
    body: deque[bytes] = field(default_factory=deque)
    received: int = 0
    complete: bool = False
    status: int = 0
    answered: bool = False


class _GoneError(Exception):
    """The client left."""


class Guard:
    """ASGI middleware around the whole application.

    A body is read here, counted as it comes, before the application sees any of it. An
    application that takes too long, or whose client has left, is cancelled.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        state: State,
        metrics: Metrics,
        paths: Collection[str],
    ) -> None:
        self._app = app
        self._settings = settings
        self._state = state
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, _request_id(scope))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = exchange.id
                headers["X-Content-Type-Options"] = "nosniff"
                if self._state.stopping:
                    headers["Connection"] = "close"
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                exchange.answered = True

        self._metrics.started()
        try:
            await self._handle(exchange, answer)
        except _GoneError:
            exchange.status = _GONE
        except Exception as error:
            _log.error("request failed", exc_info=error, extra={"request_id": exchange.id})
            problem = ProblemError(500, "internal", "服务内部出错；请把 X-Request-ID 告诉管理员")
            await _refuse(exchange, problem, answer)
        finally:
            self._state.bytes -= exchange.received
            self._write_down(exchange)

    async def _handle(self, exchange: _Exchange, answer: Send) -> None:
        working = _is_protected(exchange.scope) and exchange.scope["path"] != "/metrics"
        try:
            self._admit(exchange.scope, working)
            self._state.requests += working
            try:
                await self._read_body(exchange)
                await self._run(exchange, answer)
            finally:
                self._state.requests -= working
        except ProblemError as problem:
            await _refuse(exchange, problem, answer)

    def _admit(self, scope: Scope, working: bool) -> None:
        token = self._settings.token
        if token is not None and _is_protected(scope):
            given = Headers(scope=scope).get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                raise ProblemError(
                    401, "unauthorized", "需要口令；请加上 Authorization: Bearer 口令"
                )
        if working and not self._state.loaded:
            raise ProblemError(503, "not_ready", "服务正在启动；请稍后再试", retry_after=1)
        if working and self._state.requests >= self._settings.requests:
            raise ProblemError(503, "overloaded", "同时进行的请求太多；请稍后再试", retry_after=2)

    async def _read_body(self, exchange: _Exchange) -> None:
        most = self._most_bytes(exchange.scope["path"])
        too_large = ProblemError(413, "too_large", f"请求体超过 {most:,} 字节；请拆分后再发")
        length = Headers(scope=exchange.scope).get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large
        try:
            async with asyncio.timeout(self._settings.upload_seconds):
                while not exchange.complete:
                    piece = await self._receive(exchange)
                    for start in range(0, len(piece), _PIECE):
                        exchange.body.append(piece[start : start + _PIECE])
                    if exchange.received > most:
                        raise too_large
                    if self._state.bytes > self._settings.bytes * _BODIES:
                        raise ProblemError(
                            503, "overloaded", "同时上传的内容太多；请稍后再试", retry_after=5
                        )
        except TimeoutError:
            raise ProblemError(
                408, "slow_upload", "请求体到得太慢；请检查网络，或把文件拆小"
            ) from None

    def _most_bytes(self, path: str) -> int:
        if path in _TEXT_PATHS:
            return self._settings.json_bytes
        return self._settings.export_bytes if path == _EXPORT_PATH else self._settings.bytes

    async def _receive(self, exchange: _Exchange) -> bytes:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body: bytes = message.get("body", b"")
        exchange.received += len(body)
        self._state.bytes += len(body)
        exchange.complete = not message.get("more_body", False)
        return body

    async def _run(self, exchange: _Exchange, answer: Send) -> None:
        """Run the application until it ends, its time is up or its client has left."""
        left = asyncio.ensure_future(_until_gone(exchange.receive))
        work = asyncio.ensure_future(self._app(exchange.scope, _replay(exchange.body), answer))
        try:
            await asyncio.wait(
                {work, left},
                timeout=self._settings.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if left.done() and exchange.answered:
                # The server calls a finished exchange a disconnect, before the application is
                # through with closing its files.
                await work
            elif work.done():
                work.result()
            elif left.done():
                raise _GoneError
            else:
                raise ProblemError(504, "deadline", "没有在规定时间内算完；请把文本拆小后再发")
        finally:
            left.cancel()
            work.cancel()
            await asyncio.wait({work, left})
            if not work.cancelled():
                work.exception()  # raised above, or beside the point by now

    def _write_down(self, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        path = exchange.scope["path"] if exchange.scope["path"] in self._paths else "other"
        self._metrics.ended(path, exchange.status, seconds)
        client = exchange.scope.get("client")
        probe = path in _PROBES and exchange.status == HTTPStatus.OK
        _log.log(
            logging.DEBUG if probe else logging.INFO,
            "request",
            extra={
                "request_id": exchange.id,
                "client": client[0] if client else "",
                "method": exchange.scope["method"],
                "path": path,
                "status": exchange.status,
                "seconds": round(seconds, 4),
                "bytes": exchange.received,
            },
        )


def _is_protected(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/v1/") or path == "/metrics"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            given: bytes = value
            return given.decode()
    return uuid.uuid4().hex


def _replay(body: deque[bytes]) -> Receive:
    """The body once more; then nothing, for :class:`Guard` itself looks whether the client left."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given and not body:
            await asyncio.Event().wait()
        given = True
        piece = body.popleft() if body else b""
        return {"type": "http.request", "body": piece, "more_body": bool(body)}

    return receive


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(exchange: _Exchange, problem: ProblemError, answer: Send) -> None:
    if exchange.status:  # too late: half an answer is out, and the server will break it off
        raise problem
    waits = Headers(scope=exchange.scope).get("expect", "").lower() == "100-continue"
    if not waits and problem.status_code != HTTPStatus.REQUEST_TIMEOUT:
        with contextlib.suppress(TimeoutError, _GoneError):
            async with asyncio.timeout(_REFUSED_SECONDS):
                await _pour_away(exchange)
    await problem.response()(exchange.scope, exchange.receive, answer)


async def _pour_away(exchange: _Exchange) -> None:
    poured = 0
    while not exchange.complete and poured < _REFUSED_BYTES:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            return
        poured += len(message.get("body", b""))
        exchange.complete = not message.get("more_body", False)

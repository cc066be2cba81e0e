"""A Label Studio server of one's own: its virtual environment, its process, its user and token.

Only the standard library is imported here: this is what runs before anything is installed. The
server lives in a virtual environment apart from this project's (it pins numpy, openai, redis and
a hundred others) and is talked to over HTTP and in signals, never imported.

A data folder holds ``label_studio.sqlite3``, ``connection.json`` (address and secrets, readable by
its owner only), ``server.log`` and ``server.lock``. The lock is held by the server's process
itself, so that it says truly whether a server runs on the folder, whatever became of the program
that started it. Linux and macOS only (``fcntl``, process groups).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn

from annotation.server_connection import Connection
from zhibiao.errors import ServerError

__all__ = ["SETTINGS", "LabelStudioServer"]

SETTINGS: dict[str, str] = {
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    # Nothing leaves the machine; without the second a start waits 10 s for the network.
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    # Our ML backend and webhooks live on the loopback or in a private network.
    "ML_BLOCK_LOCAL_IP": "false",
    "SSRF_PROTECTION_ENABLED": "false",
    # Seconds. The defaults (1, 1 and 3) are short for a backend that shares two cores with a
    # training run; predicting has 100 s by default.
    "ML_CONNECTION_TIMEOUT": "3",
    "ML_TIMEOUT_HEALTH": "5",
    "ML_TIMEOUT_SETUP": "30",
    # Bytes of one request; the server's default, said aloud because bulk imports depend on it:
    # 200 tasks of 200,000 Chinese characters escaped as \uXXXX.
    "DATA_UPLOAD_MAX_MEMORY_SIZE": str(250 * 1024 * 1024),
}
"""Environment of every Label Studio server of this project, the one of docker-compose too."""

_HOST = "127.0.0.1"
_USERNAME = "admin@zhibiao.local"
_CHARACTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
# Of our own environment the server sees only these: a stray DEBUG, HOST or HTTP_PROXY changes it.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")

# What the server's interpreter runs. The server itself applies password, token and the setting of
# legacy tokens only when it makes the user and the organisation; whoever may start a server on
# this folder owns it, so they are applied at every start.
_LAUNCHER = """
import os, signal, sys, threading

# As Ctrl-C: Django ends its loop, and SQLite is left whole.
signal.signal(signal.SIGTERM, signal.default_int_handler)

def end_with_parent():
    os.read(0, 1)  # returns when the other end of the pipe is gone, however its owner died
    os.kill(os.getpid(), signal.SIGTERM)

if sys.argv.pop(1) == "tied":
    threading.Thread(target=end_with_parent, daemon=True).start()

from label_studio import server

setup, make = server._setup_env, server._create_user

def setup_env():
    setup()
    from django.db import connections
    # Seconds to wait for another writer; 5 are too few beside a bulk import.
    connections.settings["default"]["OPTIONS"]["timeout"] = 60

def create_user(arguments, config):
    user = make(arguments, config)
    password = os.environ["LABEL_STUDIO_PASSWORD"]
    if not user.check_password(password):
        user.set_password(password)
        user.save()
    from rest_framework.authtoken.models import Token
    key = os.environ["LABEL_STUDIO_USER_TOKEN"]
    if not Token.objects.filter(user=user, key=key).exists():
        Token.objects.filter(user=user).delete()
        Token.objects.create(user=user, key=key)
    settings = user.active_organization.jwt
    settings.legacy_api_tokens_enabled = True
    settings.save()
    return user

server._setup_env, server._create_user = setup_env, create_user
server.main()
"""


class LabelStudioServer:
    """A server on a data folder: start it, wait for it, stop or kill it.

    ``username``, ``password`` and ``token`` default to those of the folder's last start, else
    are generated. As a context manager it starts, waits, and stops.

    Raises:
        ServerError: (constructor) a user name, password, token or port the server cannot take.
    """

    def __init__(
        self,
        data: str | Path,
        venv: str | Path,
        port: int = 8080,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
    ) -> None:
        self.data, self.venv, self.port = Path(data).resolve(), Path(venv).resolve(), port
        self.url = f"http://{_HOST}:{port}"
        self.log = self.data / "server.log"
        last = Connection.read(self.data)
        # The server looks users up in lower case.
        self.username = (username or (last.username if last else _USERNAME)).strip().lower()
        # The secrets of the last start belong to its user, not to another one.
        known = last if last and last.username == self.username else None
        self.password = password or (known.password if known else _generated_password())
        self.token = token or (known.token if known else secrets.token_hex(20))
        self._process: subprocess.Popen[bytes] | None = None
        if not 1 <= port <= 65535:
            raise ServerError(f"端口 {port} 不在 1–65535 之间；用 --port 另选一个")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.username):
            raise ServerError(f"用户名 {self.username!r} 不是邮箱的样子；应如 {_USERNAME}")
        if not re.fullmatch(r"[\w-]{8,40}", self.token, re.ASCII):
            raise ServerError("token 应为 8–40 个英文字母、数字、下划线或连字符")

    def __enter__(self) -> LabelStudioServer:
        self.start()
        try:
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether any server runs on the data folder, started by this program or another."""
        try:
            with open(self.data / "server.lock") as lock:
                # Shared: two programs that look at once do not take each other for a server.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def check(self) -> None:
        """Refuse a folder in use and a busy port; touches nothing.

        Raises:
            ServerError: names the folder and how to stop its server, or the port and ``--port``.
        """
        if self.running:
            self._refuse_second()
        with socket.socket() as probe:
            # Like the server's own socket: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, self.port))
            except OSError as error:
                # Label Studio itself would silently take the next port.
                reasons = {errno.EADDRINUSE: "已被别的程序占用", errno.EACCES: "需要管理员权限"}
                reason = reasons.get(error.errno or 0, error.strerror)
                raise ServerError(
                    f"端口 {self.port} {reason}；用 --port 另选一个，"
                    f"如 --port {self.port % 60000 + 1}"
                ) from error

    def start(self, *, tied: bool = True) -> None:
        """Start the process and return at once; see `wait_healthy`.

        A ``tied`` server stops when this program dies, however it dies; another one stays.

        Raises:
            ServerError: as `check`, or the environment or the data folder cannot be used.
        """
        self.check()
        python = self.venv / "bin" / "python"
        if not python.exists():
            raise ServerError(f"{self.venv}：不是 Python 虚拟环境；用 --venv 指定，或删去后重装")
        with contextlib.ExitStack() as stack:
            try:
                self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = stack.enter_context(open(self.data / "server.lock", "w"))
                self._take(lock)
                self._note(None)
                if self.log.exists():
                    os.replace(self.log, self.log.with_suffix(".log.1"))
                log = stack.enter_context(open(self.log, "wb"))
                command = [str(python), "-I", "-X", "utf8", "-c", _LAUNCHER]
                command += ["tied" if tied else "free", "start", "--no-browser"]
                command += ["--internal-host", _HOST, "--port", str(self.port)]
                self._process = subprocess.Popen(
                    [*command, "--log-level", "WARNING"],
                    cwd=self.data,
                    env=self._environment(),
                    stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Its own session: Ctrl-C reaches us alone, and we stop the whole group.
                    start_new_session=True,
                    # The lock is held as long as the server lives, with or without us.
                    pass_fds=(lock.fileno(),),
                )
                try:
                    self._note(self._process.pid)
                except BaseException:
                    self.kill()
                    raise
            except OSError as error:
                raise ServerError(
                    f"{self.data}：无法在这里启动（{error.strerror}）；用 --data 换一个可写的文件夹"
                ) from error

    def wait_healthy(self, timeout: float = 300.0) -> None:
        """Return when /health answers and the token works; ``timeout`` in seconds.

        Raises:
            ServerError: it died, refuses the token, or is not healthy in time. The message names
                the log; the log's last lines are in the error's notes.
        """
        deadline = time.monotonic() + timeout
        while True:
            if self._process and self._process.poll() is not None:
                self._fail(f"Label Studio 没有启动（退出码 {self._process.returncode}）")
            try:
                if self._get("/health").get("status") == "UP":
                    if self._get("/api/current-user/whoami").get("email") != self.username:
                        self._fail(f"{self.url} 上的用户不是 {self.username}")
                    return
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in (401, 403):
                    self._fail(f"{self.url} 不认这个 token；那里可能是另一个 Label Studio")
            except (OSError, ValueError):
                pass  # not listening yet, or something else answers meanwhile
            if time.monotonic() > deadline:
                self._fail(f"Label Studio 在 {timeout:g} 秒内没有就绪")
            time.sleep(0.2)

    def wait(self) -> None:
        """Stay until the server that this object started ends.

        Raises:
            ServerError: it ended by itself and not because somebody stopped it.
        """
        if self._process and self._process.wait() != 0:
            self._fail(f"Label Studio 意外退出（退出码 {self._process.returncode}）")

    def stop(self, timeout: float = 20.0) -> bool:
        """Stop the server on the data folder, whoever started it; whether there was one.

        The server is asked first, and killed when it still lives after ``timeout`` seconds.

        Raises:
            ServerError: it is being started by another program just now, or is not ours to stop.
        """
        if found := self._alive():
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + timeout
            while self._alive() and time.monotonic() < deadline:
                time.sleep(0.05)
        self.kill()
        # Read again: the server may have been started by another program, on another port.
        if connection := Connection.read(self.data):
            replace(connection, pid=None).write(self.data)
        return found

    def kill(self) -> None:
        """Kill the server with SIGKILL, the whole process group, as a crash would."""
        if self._alive():
            self._signal(signal.SIGKILL)
        if self._process:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait()
            self._process = None
        # The kernel frees the lock a moment after the signal; not for ever, since by now another
        # program may have started a server here.
        deadline = time.monotonic() + 5
        while self.running and time.monotonic() < deadline:
            time.sleep(0.05)

    def _take(self, lock: IO[str]) -> None:
        for _ in range(10):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            # A program that only looks (`running`) holds it for a moment.
            time.sleep(0.05)
        else:
            self._refuse_second()

    def _alive(self) -> bool:
        return self.running and (self._process is None or self._process.poll() is None)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the group of the server that holds the lock."""
        # While the lock is held, the pid in the file is that of its holder: it is emptied before
        # the process starts and never outlives it by more than the lock does.
        connection = Connection.read(self.data)
        pid = connection.pid if connection else None
        if self._process:
            pid = self._process.pid
        if pid is None:
            raise ServerError(f"{self.data}：服务正在由另一个程序启动；稍后再试")
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            pass  # ended between the look and the signal
        except PermissionError as error:
            raise ServerError(
                f"{self.data}：进程 {pid} 属于另一个用户；请由启动它的用户停止"
            ) from error

    def _note(self, pid: int | None) -> None:
        connection = Connection(self.url, self.token, self.username, self.password, pid)
        connection.write(self.data)

    def _environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return (
            inherited
            | SETTINGS
            | {
                "LABEL_STUDIO_BASE_DATA_DIR": str(self.data),
                "LABEL_STUDIO_HOST": self.url,
                "LABEL_STUDIO_USERNAME": self.username,
                "LABEL_STUDIO_PASSWORD": self.password,
                "LABEL_STUDIO_USER_TOKEN": self.token,
            }
        )

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path)
        request.add_header("Authorization", f"Token {self.token}")
        # No proxy: the address is the loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            found = json.load(answer)
        return found if isinstance(found, dict) else {}

    def _refuse_second(self) -> NoReturn:
        connection = Connection.read(self.data)
        where = f"（{connection.url}，进程 {connection.pid}）" if connection else ""
        raise ServerError(
            f"{self.data}：已有一个 Label Studio 在用这个数据文件夹{where}；"
            f"要停止它：scripts/label_studio stop --data {self.data}"
        )

    def _fail(self, what: str) -> NoReturn:
        error = ServerError(f"{what}；日志在 {self.log}")
        with (
            contextlib.suppress(OSError),
            open(self.log, encoding="utf-8", errors="replace") as log,
        ):
            error.add_note("".join(deque(log, maxlen=15)).rstrip())
        raise error


def _generated_password() -> str:
    return "".join(secrets.choice(_CHARACTERS) for _ in range(14))

"""The connection to a Label Studio server, with errors that say what to do."""

from __future__ import annotations

import argparse
import json
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from zhibiao.errors import ServerError

__all__ = ["Connection", "add_connection_arguments", "connect", "connect_as_asked"]

TESTED = "1.23"
"""The release of Label Studio that the tests run against."""

LOCAL = Path(__file__).resolve().parent.parent / ".label-studio" / "connection.json"
"""Where scripts/label_studio leaves address and token of the local server."""

_SECONDS = 600.0  # a bulk import of thousands of tasks is one request


@dataclass(frozen=True)
class Connection:
    """A server that answered and accepted the token.

    ``api`` is the SDK's client. ``url`` has no slash at its end.
    """

    url: str
    token: str
    api: LabelStudio

    def link(self, project: int, task: int) -> str:
        """The address that opens a task in the browser."""
        return f"{self.url}/projects/{project}/data?task={task}"

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn what goes wrong with the server inside the block into a ServerError.

        Raises:
            ServerError: naming the address, what was being done, and what to do.
        """
        try:
            yield
        except ApiError as error:
            raise ServerError(f"{self.url}：{doing}失败：{_reason(error)}") from error
        except httpx.HTTPError as error:
            raise ServerError(
                f"{self.url}：{doing}时连接中断（{_short(str(error)) or type(error).__name__}）；"
                "请确认服务器在运行，再执行一次同样的命令：已完成的不会重复"
            ) from error


def connect(url: str, token: str, *, any_version: bool = False) -> Connection:
    """Reach a server and check the token and the release.

    ``token`` is a legacy token or a personal access token.

    Raises:
        ServerError: nothing answers there, it is no Label Studio, the token is refused, or the
            release is not the tested one (unless ``any_version``).
    """
    url = url.rstrip("/")
    if not re.match(r"https?://[^/]+", url):
        raise ServerError(f"{url or '（空）'}：不是网址；请写成 http://127.0.0.1:8080 的样子")
    try:
        token.encode("ascii")
    except UnicodeEncodeError as error:
        raise ServerError(f"{url}：令牌里有非英文字符；请从账户设置页重新复制") from error
    try:
        found = httpx.get(f"{url}/api/version", timeout=10).json()
        release = str(found["release"])
    except httpx.HTTPError as error:
        raise ServerError(
            f"{url}：连不上服务器（{_short(str(error)) or type(error).__name__}）；"
            "请先运行 scripts/label_studio，或检查 --url"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(f"{url}：那里运行的不是 Label Studio；请检查 --url") from error
    if not any_version and not release.startswith(f"{TESTED}."):
        raise ServerError(
            f"{url}：服务器是 Label Studio {release}，本工具只在 {TESTED} 上测试过；"
            "请换用该版本，或加 --any-version 自担风险"
        )
    client = httpx.Client(timeout=_SECONDS, follow_redirects=True)
    make: Any = LabelStudio  # its initialiser has no types
    try:
        connection = Connection(url, token, make(base_url=url, api_key=token, httpx_client=client))
        connection.api.users.whoami()
    except ApiError as error:
        client.close()
        if error.status_code in (401, 403):
            raise ServerError(
                f"{url}：令牌被拒绝；请在网页右上角 Account & Settings 复制令牌，"
                "用 --token 或环境变量 LABEL_STUDIO_API_KEY 给出"
            ) from error
        raise ServerError(f"{url}：{_reason(error)}") from error
    except httpx.HTTPError as error:
        client.close()
        raise ServerError(f"{url}：连接中断（{_short(str(error))}）；请再试一次") from error
    # The SDK never closes its client; commands end, but a service goes on.
    weakref.finalize(connection, client.close)
    return connection


def add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    """The options --url, --token and --any-version of every command that needs the server."""
    group = parser.add_argument_group("服务器")
    group.add_argument(
        "--url",
        help="Label Studio 的网址（默认取环境变量 LABEL_STUDIO_URL，"
        "再没有就用 scripts/label_studio 启动的本机服务器）",
    )
    group.add_argument(
        "--token", help="访问令牌（默认取环境变量 LABEL_STUDIO_API_KEY，再取本机服务器的）"
    )
    group.add_argument("--any-version", action="store_true", help=f"不要求服务器版本是 {TESTED}")


def connect_as_asked(options: argparse.Namespace) -> Connection:
    """Connect with the options, the environment, or the local server's own record.

    Raises:
        ServerError: no address or token anywhere, or as :func:`connect`.
    """
    url = options.url or os.environ.get("LABEL_STUDIO_URL")
    token = options.token or os.environ.get("LABEL_STUDIO_API_KEY")
    if not (url and token) and LOCAL.is_file():
        local: dict[str, Any] = json.loads(LOCAL.read_text(encoding="utf-8"))
        # A token belongs to one server: the local one is not sent elsewhere.
        if not url or url.rstrip("/") == local["url"]:
            url, token = local["url"], token or local["token"]
    if not url:
        raise ServerError("没有给出服务器；请先运行 scripts/label_studio，或用 --url 和 --token")
    if not token:
        raise ServerError(f"{url}：没有令牌；请用 --token 或环境变量 LABEL_STUDIO_API_KEY 给出")
    return connect(url, token, any_version=options.any_version)


def _reason(error: ApiError) -> str:
    """What the server said; a missing page's body is 170 kB of HTML, which helps nobody."""
    body = error.body
    if isinstance(body, dict):
        said = body.get("validation_errors") or body.get("detail") or body
        return _short(f"{error.status_code} {said}", 300)
    return _short(f"{error.status_code} {re.sub(r'<[^>]*>', ' ', str(body))}")


def _short(message: str, limit: int = 160) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

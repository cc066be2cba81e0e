"""The ML backend as a program: its options, its socket, its place in Label Studio, its training."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from label_studio_sdk.core.api_error import ApiError

from annotation.backend import SECRET_HEADER, create_app
from annotation.client import Connection, add_connection_arguments, connect_as_asked
from annotation.live_model import LiveModel
from annotation.project import DEFAULT_TITLE, find_project
from annotation.training_command import SECRET_VARIABLE, Training
from zhibiao.errors import FormatError, ReadError, ServerError
from zhibiao.extractor import Extractor

__all__ = ["configure", "register", "run"]

_TITLE = "zhibiao"  # of the backend in Label Studio, and its user name for basic authentication
_GRACE_SECONDS = 5  # for requests in progress when the program is told to stop

_log = logging.getLogger(__name__)


def register(
    connection: Connection, project_id: int, url: str, secret: str = "", *, title: str = _TITLE
) -> int:
    """Make the backend at ``url`` the one of a project, or bring it up to date; safe to repeat.

    Interactive suggestions are switched on, the project shows this backend's predictions, and
    with a secret its webhook gets a header with it (which people who may change the project can
    read). Label Studio calls the backend meanwhile: it must be running. Returns the backend's id.

    Raises:
        ServerError: Label Studio refuses, cannot reach the backend, or has another one in the
            project (it would use only the first).
    """
    url = url.rstrip("/")
    api = connection.api
    wanted: dict[str, Any] = {"url": url, "project": project_id, "title": title}
    wanted |= {"is_interactive": True, "auth_method": "BASIC_AUTH" if secret else "NONE"}
    if secret:
        wanted |= {"basic_auth_user": title, "basic_auth_pass": secret}
    with connection.errors("读取项目的模型服务"):
        backends: list[Any] = list(api.ml.list(project=project_id))
    ours = [backend for backend in backends if backend.title == title or backend.url == url]
    if others := [backend for backend in backends if backend not in ours]:
        raise ServerError(
            f"{connection.url}：项目 {project_id} 已有模型服务“{others[0].title}”"
            f"（{others[0].url}），Label Studio 只用第一个；请先在项目设置 Model 里删除它"
        )
    with connection.errors(f"登记模型服务 {url}"):
        try:
            if ours:
                # Without secret: an empty password is refused, without a user it is not sent.
                found: Any = api.ml.update(ours[0].id, **{"basic_auth_user": "", **wanted})
            else:
                found = api.ml.create(**wanted)
            found = api.ml.get(found.id)  # and the server looks again, as for a prediction
        except ApiError as error:
            if reason := _refusal(str(error.body)):
                raise ServerError(
                    f"{connection.url}：项目 {project_id} 不能用模型服务 {url}：{reason}"
                ) from error
            raise
    if found.state != "CO":
        raise ServerError(
            f"{connection.url}：模型服务 {url} 登记了，但用不了：{found.error_message or '连不上'}"
        )
    with connection.errors("登记模型服务的 webhook"):
        former = {f"{backend.url.rstrip('/')}/webhook" for backend in ours}
        _hook(api, project_id, former, url, secret)
        if api.projects.get(project_id).model_version != title:
            # Else a project that got predictions by import shows only those of that model.
            api.projects.update(project_id, model_version=title)
    return int(found.id)


def _refusal(said: str) -> str:
    """What Label Studio's reason for refusing a backend means, where it is a known one."""
    if found := re.search(r"https?://\S+?/problem/[\w/-]+", said):
        return f"标注界面的配置用不了；说明见 {found.group()}"
    if "authentication parameters" in said or "401 Client Error" in said:
        return "密码不对或没有给出；两边的密码要一样（--secret-file）"
    if "health check failed" in said:
        return "Label Studio 连不上它；请确认它在运行，并用 --address 给出 Label Studio 能用的网址"
    blocked = "reserved network" in said or "SSRF protection" in said
    return "Label Studio 不许访问本机地址；请以 ML_BLOCK_LOCAL_IP=false 启动它" if blocked else ""


def _hook(api: Any, project: int, former: set[str], url: str, secret: str) -> None:
    """One webhook of the project leads to the backend, with the secret."""
    wanted = f"{url}/webhook"
    headers = {SECRET_HEADER: secret} if secret else {}
    hooks = [h for h in api.webhooks.list(project=project) if h.url in {wanted, *former}]
    if not hooks:
        api.webhooks.create(url=wanted, project=project, headers=headers, send_payload=True)
    for hook in hooks[:1]:
        api.webhooks.update(hook.id, url=wanted, headers=headers)
    for hook in hooks[1:]:
        api.webhooks.delete(hook.id)


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation serve``."""
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="模型文件夹（默认使用内置模型）；其中的文件换了会自动换上，不用重启",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="使用的处理器线程数（默认自动）")
    parser.add_argument("--host", default="127.0.0.1", help="监听的地址（默认 127.0.0.1）")
    parser.add_argument("--port", type=int, default=9090, help="监听的端口（默认 9090）")
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help=f"存有密码的文件（默认取环境变量 {SECRET_VARIABLE}）；没有密码时只许监听本机",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=90.0,
        metavar="SECONDS",
        help="一次预测最多用的秒数（默认 90；Label Studio 等 100 秒），\n"
        "到时回答已算完几份，后台继续算，再取一次就有",
    )
    parser.add_argument(
        "--train-command",
        metavar="COMMAND",
        help="在 Label Studio 里按 Start Training 时执行的命令（不经过 shell）；\n"
        "环境变量 ZHIBIAO_PROJECT 是项目编号",
    )
    parser.add_argument(
        "--train-log",
        type=Path,
        default=Path("zhibiao-train.log"),
        metavar="FILE",
        help="训练命令的输出写到哪里（默认 zhibiao-train.log）",
    )
    group = parser.add_argument_group("登记到 Label Studio")
    group.add_argument("--connect", action="store_true", help="启动后把自己登记到项目")
    group.add_argument(
        "--project",
        action="append",
        metavar="PROJECT",
        help=f"项目名或编号，可以给几次（默认 {DEFAULT_TITLE}）",
    )
    group.add_argument(
        "--address", metavar="URL", help="Label Studio 用哪个网址找到这里（默认由监听地址得出）"
    )
    add_connection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop (SIGTERM, Ctrl-C); 0 after an orderly stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if options.time_limit <= 0 or (options.threads is not None and options.threads < 1):
        raise FormatError("--time-limit 应大于 0，--threads 应至少为 1")
    secret = read_secret(options.secret_file)
    check_host(options.host, secret)
    training = Training(options.train_command, options.train_log) if options.train_command else None
    # The socket first: a taken port should not wait for the model.
    with contextlib.closing(listen(options.host, options.port)) as listener:
        port = listener.getsockname()[1]
        address = options.address or _address(options.host, port)
        models = LiveModel(
            options.model, lambda path: Extractor.from_pretrained(path, threads=options.threads)
        )
        app = create_app(models, training, secret=secret, time_limit=options.time_limit)

        def started() -> None:
            guard = "需要密码" if secret else "没有密码，只有本机能用"
            print(f"模型服务：{address}（{guard}）\n模型：{models.version}", flush=True)
            if options.connect:
                connection = connect_as_asked(options)
                for name in options.project or [DEFAULT_TITLE]:
                    project = int(name) if name.isdigit() else find_project(connection, name)
                    register(connection, project, address, secret)
                    print(f"已登记到 {connection.url}/projects/{project}", flush=True)

        try:
            serve(app, listener, started)
        finally:
            if training:
                training.stop()
    print("模型服务已停止。", flush=True)
    return 0


def read_secret(path: Path | None) -> str:
    """The secret of a file, else of the environment, else an empty string.

    Raises:
        ReadError: the file cannot be read.
        FormatError: the secret is empty, or has characters that HTTP headers do not carry.
    """
    if path is None:
        source, secret = f"环境变量 {SECRET_VARIABLE}", os.environ.get(SECRET_VARIABLE, "")
        if not secret:
            return ""
    else:
        try:
            source, secret = str(path), path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ReadError(f"{path}：读不出密码；请检查 --secret-file") from error
    secret = secret.strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise FormatError(f"{source}：密码应是一行英文字母、数字和符号，不能为空")
    return secret


def check_host(host: str, secret: str) -> None:
    """Without a secret, only this machine may get in.

    Raises:
        ServerError: the address is not a loopback one and there is no secret.
    """
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(host.strip("[]")).is_loopback
    if not secret and not loopback:
        raise ServerError(
            f"{host}：监听本机以外的地址必须有密码；请用 --secret-file 或环境变量 "
            f"{SECRET_VARIABLE} 给出，或改用 --host 127.0.0.1"
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        ServerError: the port is taken or not allowed, or there is no such address.
    """
    if not 0 <= port <= 65535:
        raise ServerError(f"--port {port}：端口应在 1 到 65535 之间")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"{host}：没有这个地址；请检查 --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ServerError(
            f"{host}:{port}：端口用不了，可能已被占用（{error.strerror}）；请用 --port 换一个"
        ) from error
    return listener


def serve(app: FastAPI, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serve on the main thread until a signal.

    ``started`` is called on another thread once the server answers; what it raises ends the
    server and is raised from here.
    """
    quiet: Any = {"log_config": None, "log_level": "warning", "access_log": False}
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=_GRACE_SECONDS, **quiet)
    )
    failures: list[BaseException] = []

    def when_started() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.02)
        try:
            if server.started:
                started()
        except BaseException as error:
            failures.append(error)
            server.should_exit = True

    thread = threading.Thread(target=when_started, name="zhibiao-started", daemon=True)
    with _signals_end(server):
        thread.start()
        server.run(sockets=[listener])
    server.should_exit = True
    thread.join(_GRACE_SECONDS)
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """Being told to stop is an orderly end: uvicorn repeats the signal after its own, to us."""

    def end(*_: object) -> None:
        server.should_exit = True

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _address(host: str, port: int) -> str:
    """The address for somebody on this machine."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host.strip("[]")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""The local Label Studio server, its environment and its files: real processes, no mocks."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from annotation import server_environment
from annotation.server import SETTINGS, LabelStudioServer
from annotation.server_connection import Connection
from annotation.server_environment import ensure_installed, pins_hash
from tests.label_studio import environment, free_port
from zhibiao.errors import ServerError

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "label_studio"
CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="指标"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)


def call(server: LabelStudioServer | Connection, path: str, body: object = None) -> Any:
    """GET, or POST ``body``; the decoded answer."""
    request = urllib.request.Request(
        server.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Token {server.token}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=120) as answer:
        return json.load(answer)


def alive(pid: int) -> bool:
    """Whether any process of the group lives; one that waits to be reaped counts as ended."""
    shown = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in shown.stdout.splitlines())
    return any(int(group) == pid and not state.startswith("Z") for group, state in rows)


def intact(server: LabelStudioServer) -> bool:
    with contextlib.closing(sqlite3.connect(server.data / "label_studio.sqlite3")) as database:
        return bool(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_running_server_knows_its_user_and_version(label_studio: LabelStudioServer) -> None:
    assert call(label_studio, "/api/current-user/whoami")["email"] == label_studio.username
    assert call(label_studio, "/api/version")["label-studio-os-package"]["version"] == "1.23.2"
    connection = Connection.read(label_studio.data)
    assert connection is not None
    assert connection.url == label_studio.url
    assert connection.token == label_studio.token
    assert connection.pid is not None
    assert alive(connection.pid)
    mode = stat.S_IMODE((label_studio.data / "connection.json").stat().st_mode)
    assert mode == 0o600


def test_a_wrong_token_is_refused(label_studio: LabelStudioServer) -> None:
    stranger = Connection(label_studio.url, "0" * 40, "x", "x")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        call(stranger, "/api/projects")
    assert refusal.value.code == 401
    refusal.value.close()


def test_it_listens_on_the_loopback_only(label_studio: LabelStudioServer) -> None:
    shown = subprocess.run(
        ["ss", "--listening", "--tcp", "--numeric", "--no-header"],
        capture_output=True,
        text=True,
        check=True,
    )
    addresses = {line.split()[3] for line in shown.stdout.splitlines()}
    mine = {address for address in addresses if address.endswith(f":{label_studio.port}")}
    assert mine == {f"127.0.0.1:{label_studio.port}"}


def test_thousands_of_tasks_and_very_long_ones_in_one_request(
    label_studio: LabelStudioServer,
) -> None:
    project = call(label_studio, "/api/projects/", {"title": "批量导入", "label_config": CONFIG})
    long = "全区专利授权量达813件。\n" * 14286  # 200,004 characters
    texts = [long] * 5 + [f"第{number}份：新增高新技术企业{number}家。" for number in range(2000)]
    path = f"/api/projects/{project['id']}/import?return_task_ids=true"
    answer = call(label_studio, path, [{"data": {"text": text}} for text in texts])
    assert len(answer["task_ids"]) == len(texts)
    first = call(label_studio, f"/api/tasks/{answer['task_ids'][0]}/")
    assert first["data"]["text"] == long


def test_a_second_start_on_the_same_data_is_refused(label_studio: LabelStudioServer) -> None:
    second = LabelStudioServer(label_studio.data, label_studio.venv, free_port())
    before = (label_studio.data / "connection.json").read_text()
    with pytest.raises(ServerError, match="已有一个 Label Studio") as refusal:
        second.start()
    assert label_studio.url in str(refusal.value)
    assert f"stop --data {label_studio.data}" in str(refusal.value)
    assert (label_studio.data / "connection.json").read_text() == before
    # The program says the same even with the default port, which the first may hold.
    told = run("--data", label_studio.data, "--venv", "/nowhere", "--port", label_studio.port)
    assert told.returncode == 2
    assert "已有一个 Label Studio" in told.stderr
    assert call(label_studio, "/health") == {"status": "UP"}


def test_two_starts_at_once_give_one_server(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    first = own_label_studio(start=False)
    second = LabelStudioServer(first.data, first.venv, free_port())
    refused: list[ServerError] = []

    def start(server: LabelStudioServer) -> None:
        try:
            server.start()
        except ServerError as error:
            refused.append(error)

    threads = [threading.Thread(target=start, args=(server,)) for server in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(refused) == 1
        started = [server for server in (first, second) if server._process]
        assert len(started) == 1
        started[0].wait_healthy()
    finally:
        first.stop()
        second.stop()
    assert not first.running


def test_stop_and_start_keep_user_and_data(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    server = own_label_studio()
    connection = Connection.read(server.data)
    assert connection is not None
    assert connection.pid is not None
    project = call(server, "/api/projects/", {"title": "年度总结", "label_config": CONFIG})
    assert server.stop()
    assert not alive(connection.pid)
    stopped = Connection.read(server.data)
    assert stopped is not None
    assert stopped.pid is None
    assert not server.stop()
    assert intact(server)

    again = LabelStudioServer(server.data, server.venv, free_port())
    assert (again.username, again.password, again.token) == (
        server.username,
        server.password,
        server.token,
    )
    with again:
        assert call(again, f"/api/projects/{project['id']}/")["title"] == "年度总结"


def test_a_server_killed_amid_imports_keeps_all_it_acknowledged(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    server = own_label_studio()
    project = call(server, "/api/projects/", {"title": "中断的导入", "label_config": CONFIG})["id"]
    tasks = [
        {"data": {"text": f"第{number}份：专利申请{number}件。" * 40}} for number in range(300)
    ]
    acknowledged = 0
    enough = threading.Event()

    def load() -> None:
        # One request after another, so that the kill always meets one under way.
        nonlocal acknowledged
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            while True:
                call(server, f"/api/projects/{project}/import", tasks)
                acknowledged += len(tasks)
                if acknowledged >= 2 * len(tasks):
                    enough.set()

    loading = threading.Thread(target=load)
    loading.start()
    assert enough.wait(120)
    connection = Connection.read(server.data)
    assert connection is not None
    assert connection.pid is not None
    server.kill()
    loading.join()
    assert not alive(connection.pid)
    server.start()
    server.wait_healthy()
    kept = call(server, f"/api/projects/{project}/")["task_number"]
    assert kept >= acknowledged
    server.stop()
    assert intact(server)


def test_credentials_can_be_set_again_on_existing_data(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    server = own_label_studio(start=False)
    (server.data / "connection.json").unlink(missing_ok=True)
    changed = LabelStudioServer(
        server.data, server.venv, server.port, password="新的密码-2026", token="abcdefgh-12345678"
    )
    # The copied database holds another password and token for this user.
    with changed:
        assert call(changed, "/api/current-user/whoami")["email"] == changed.username
        jar = urllib.request.HTTPCookieProcessor()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        with opener.open(f"{changed.url}/user/login/") as page:
            found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
        assert found is not None
        form = {
            "csrfmiddlewaretoken": found[1],
            "email": changed.username,
            "password": "新的密码-2026",
        }
        data = urllib.parse.urlencode(form).encode()
        with opener.open(f"{changed.url}/user/login/", data) as page:
            assert "/user/login" not in page.geturl()


def test_a_tied_server_ends_with_its_program(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    server = own_label_studio(start=False)
    program = (
        "import sys, time; from annotation.server import LabelStudioServer\n"
        "server = LabelStudioServer(sys.argv[1], sys.argv[2], int(sys.argv[3]))\n"
        "server.start(); server.wait_healthy(); print('ready', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, server.data, server.venv, str(server.port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
        connection = Connection.read(server.data)
        starter.kill()
    assert connection is not None
    assert connection.pid is not None
    deadline = time.monotonic() + 30
    while server.running and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not server.running
    assert not alive(connection.pid)


def test_an_environment_without_label_studio_is_reported_with_the_log(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    server = LabelStudioServer(tmp_path / "data", tmp_path / "venv", free_port())
    server.start()
    with pytest.raises(ServerError, match="没有启动（退出码 1）") as failure:
        server.wait_healthy()
    server.stop()
    assert str(server.log) in str(failure.value)
    assert "No module named 'label_studio'" in failure.value.__notes__[0]


def test_the_program_reports_a_server_that_dies_under_it(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    server = own_label_studio(start=False)
    command = [sys.executable, SCRIPT, "--data", server.data, "--venv", server.venv]
    with subprocess.Popen(
        [*map(str, command), "--port", str(server.port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        for line in program.stdout:
            if "Ctrl-C" in line:
                break
        server.kill()
        told = program.stderr.read()
    assert program.returncode == 2
    assert "意外退出" in told
    assert str(server.log) in told


def test_not_healthy_in_time(own_label_studio: Callable[..., LabelStudioServer]) -> None:
    server = own_label_studio(start=False)
    server.start()
    with pytest.raises(ServerError, match="秒内没有就绪"):
        server.wait_healthy(timeout=0)
    assert server.stop()


def test_another_server_on_the_port_is_not_taken_for_ours(
    label_studio: LabelStudioServer, tmp_path: Path
) -> None:
    stranger = LabelStudioServer(tmp_path, label_studio.venv, label_studio.port)
    with pytest.raises(ServerError, match="不认这个 token"):
        stranger.wait_healthy()


def test_a_busy_port_is_refused_before_anything(busy_port: int, tmp_path: Path) -> None:
    told = run("--port", busy_port, "--data", tmp_path / "data", "--venv", tmp_path / "venv")
    assert told.returncode == 2
    assert f"端口 {busy_port}" in told.stderr
    assert "--port" in told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "端口 70000"),
        (["--username", "标注员"], "不是邮箱"),
        (["--token", "短"], "token 应为"),
    ],
)
def test_wrong_options(options: list[str], message: str, tmp_path: Path) -> None:
    told = run(*options, "--data", tmp_path / "data", "--venv", tmp_path / "venv")
    assert told.returncode == 2
    assert message in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_broken_connection_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "connection.json").write_text('{"url": ')
    told = run("status", "--data", tmp_path)
    assert told.returncode == 2
    assert str(tmp_path / "connection.json") in told.stderr


def test_the_program_in_the_foreground(own_label_studio: Callable[..., LabelStudioServer]) -> None:
    server = own_label_studio(start=False)
    command = [sys.executable, SCRIPT, "--data", server.data, "--venv", server.venv]
    with subprocess.Popen(
        [*map(str, command), "--port", str(server.port)], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        shown = []
        for line in program.stdout:
            shown.append(line)
            if "Ctrl-C" in line:
                break
        connection = Connection.read(server.data)
        assert connection is not None
        assert connection.pid is not None
        assert call(connection, "/health") == {"status": "UP"}
        program.send_signal(signal.SIGINT)
        rest = program.stdout.read()
    assert program.returncode == 0
    output = "".join(shown)
    for word in (
        server.url,
        connection.username,
        connection.password,
        "python -m annotation create",
    ):
        assert word in output
    assert "已停止" in rest
    assert not alive(connection.pid)
    stopped = Connection.read(server.data)
    assert stopped is not None
    assert stopped.pid is None


def test_the_program_in_the_background(
    own_label_studio: Callable[..., LabelStudioServer],
) -> None:
    server = own_label_studio(start=False)
    where = ("--data", server.data, "--venv", server.venv)
    assert run("status", *where).returncode == 1
    started = run("start", *where, "--port", server.port, "--background")
    assert started.returncode == 0, started.stderr
    seen = run("status", *where)
    assert seen.returncode == 0
    assert server.url in seen.stdout
    again = run("start", *where, "--port", free_port(), "--background")
    assert again.returncode == 2
    assert run("status", *where).returncode == 0
    stopped = run("stop", *where)
    assert stopped.returncode == 0
    assert "已停止" in stopped.stdout
    assert not server.running
    assert "没有在运行" in run("stop", *where).stdout
    connection = Connection.read(server.data)
    assert connection is not None
    assert (connection.url, connection.pid) == (server.url, None)


def test_a_stray_environment_changes_nothing(
    own_label_studio: Callable[..., LabelStudioServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HOST": "http://elsewhere",
        "DATABASE_NAME": "/nowhere/x",
        "PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    server = own_label_studio()
    assert call(server, "/api/current-user/whoami")["email"] == server.username


def test_the_program_needs_only_the_standard_library(tmp_path: Path) -> None:
    shown = subprocess.run(
        # -I -S: no site-packages at all.
        [sys.executable, "-I", "-S", SCRIPT, "status", "--data", tmp_path],
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 1, shown.stderr
    assert "没有在运行" in shown.stdout


# The environment.


@pytest.fixture
def tiny_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pins of two packages that hold nothing, in a wheel folder; pip is kept off the network."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("label_studio", "label_studio_sdk"):
        info = f"{name}-9.9.dist-info"
        needs = "Requires-Dist: label-studio-sdk\n" if name == "label_studio" else ""
        title = name.replace("_", "-")
        with zipfile.ZipFile(wheels / f"{name}-9.9-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {title}\nVersion: 9.9\n{needs}"
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    pins = tmp_path / "pins.txt"
    pins.write_text("# 测试\nlabel-studio==9.9\nlabel-studio-sdk==9.9\n")
    monkeypatch.setattr(server_environment, "PINS", pins)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return pins


def test_an_environment_is_made_once_and_again_after_an_interruption(
    tiny_pins: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "环境"
    said: list[str] = []
    ensure_installed(venv, said.append)
    assert "正在下载 label-studio==9.9：1/2 label_studio" in said
    module = next(venv.glob("lib/*/site-packages/label_studio_sdk.py"))
    said.clear()
    ensure_installed(venv, said.append)
    assert said == []

    # As an interrupted install leaves it: begun, and a part of it missing.
    (venv / "zhibiao-pins").write_text("installing")
    module.unlink()
    ensure_installed(venv, said.append)
    assert said
    assert module.exists()
    assert (venv / "zhibiao-pins").read_text() == pins_hash()

    # New pins.
    said.clear()
    tiny_pins.write_text(tiny_pins.read_text() + "# 改动\n")
    ensure_installed(venv, said.append)
    assert said


def test_two_installs_at_once_make_one_environment(tiny_pins: Path, tmp_path: Path) -> None:
    said: tuple[list[str], list[str]] = ([], [])
    threads = [
        threading.Thread(target=ensure_installed, args=(tmp_path / "venv", lines.append))
        for lines in said
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [lines for lines in said if "正在建立 Label Studio 的虚拟环境" in lines]
    assert len(made) == 1
    assert (tmp_path / "venv" / "zhibiao-pins").read_text() == pins_hash()


def test_a_failed_install_says_why_and_is_not_taken_for_done(
    tiny_pins: Path, tmp_path: Path
) -> None:
    tiny_pins.write_text("label-studio==9.8\nlabel-studio-sdk==9.9\n")
    for _ in range(2):
        with pytest.raises(ServerError, match="检查网络") as failure:
            ensure_installed(tmp_path / "venv")
        assert "label-studio==9.8" in failure.value.__notes__[0]


def test_what_others_made_is_used_or_refused_but_never_changed(
    tiny_pins: Path, tmp_path: Path
) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "总结.txt").write_text("全区")
    with pytest.raises(ServerError, match="不是虚拟环境"):
        ensure_installed(papers)
    assert [path.name for path in papers.iterdir()] == ["总结.txt"]
    with pytest.raises(ServerError, match="不能用作文件夹"):
        ensure_installed(papers / "总结.txt")

    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    with pytest.raises(ServerError, match=r"应为 9\.9") as refusal:
        ensure_installed(venv)
    assert "label-studio 是 （没有）" in str(refusal.value)

    packages = next(venv.glob("lib/*/site-packages"))
    for wheel in tmp_path.glob("wheels/*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    ensure_installed(venv)
    assert not (venv / "zhibiao-pins").exists()


def test_the_environment_of_the_tests_holds_the_pinned_server() -> None:
    python = environment() / "bin" / "python"
    ask = (
        "from importlib.metadata import version\n"
        "print(version('label-studio'), version('label-studio-sdk'))"
    )
    shown = subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["1.23.2", "2.1.2"]


# docker-compose.


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "annotation" / "docker-compose.yml").read_text(encoding="utf-8"))


def test_compose_has_the_settings_of_the_local_server(compose: Any, tmp_path: Path) -> None:
    environment = compose["services"]["label-studio"]["environment"]
    assert {name: environment.get(name) for name in SETTINGS} == SETTINGS
    local = LabelStudioServer(tmp_path, tmp_path)._environment()
    set_here = {name for name in local if name.startswith("LABEL_STUDIO_")}
    assert set_here <= environment.keys()
    others = environment.keys() - local.keys()
    assert all(name == "DJANGO_DB" or name.startswith("POSTGRE_") for name in others)


def test_compose_pins_the_server_and_binds_the_loopback(compose: Any) -> None:
    services = compose["services"]
    pins = server_environment.PINS.read_text(encoding="utf-8")
    version = re.search(r"^label-studio==(.+)$", pins, re.MULTILINE)
    assert version is not None
    assert services["label-studio"]["image"] == f"heartexlabs/label-studio:{version[1]}"
    for name, service in services.items():
        assert ":" in service.get("image", "built:here"), name
        for port in service.get("ports", ()):
            assert port.startswith(("127.0.0.1:", "${ZHIBIAO_BIND:-127.0.0.1}:")), name


def test_compose_refuses_missing_secrets_and_the_example_names_them(compose: Any) -> None:
    text = (ROOT / "annotation" / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / "annotation" / "compose.env.example").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))
    optional = set(re.findall(r"\$\{(\w+):-", text))
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == required
    assert set(re.findall(r"^#(\w+)=", example, re.MULTILINE)) == optional
    secrets = [
        value
        for service in compose["services"].values()
        for name, value in service["environment"].items()
        if re.search(r"PASSWORD|TOKEN|SECRET", name) and name not in SETTINGS
    ]
    assert len(secrets) == 5
    assert all(":?" in value for value in secrets)


def test_the_backend_image_starts_the_service_without_torch(compose: Any) -> None:
    backend = compose["services"]["backend"]
    assert (ROOT / "annotation" / backend["build"]["context"]).resolve() == ROOT
    dockerfile = (ROOT / backend["build"]["dockerfile"]).read_text(encoding="utf-8")
    entry = re.search(r"^ENTRYPOINT (\[.*\])$", dockerfile, re.MULTILINE)
    assert entry is not None
    assert json.loads(entry[1]) == backend["entrypoint"]
    assert "ZHIBIAO_BACKEND_SECRET" in backend["environment"]
    for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
    user = re.search(r"^USER (\w+)$", dockerfile, re.MULTILINE)
    assert user is not None
    assert user[1] != "root"
    installs = re.findall(r"^RUN pip install (.+)$", dockerfile, re.MULTILINE)
    assert installs == ["--constraint constraints.txt --editable '.[annotate]'"]
    with (ROOT / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)["project"]
    needs = project["dependencies"] + project["optional-dependencies"]["annotate"]
    assert not [need for need in needs if need.startswith(("torch", "transformers"))]

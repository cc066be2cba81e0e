"""The Label Studio server's own virtual environment, apart from this project's.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from zhibiao.errors import ServerError

__all__ = ["PINS", "ensure_installed", "pins_hash"]

PINS = Path(__file__).with_name("label-studio-constraints.txt")
"""Exact versions of everything in the server's environment."""

_PACKAGES = ("label-studio", "label-studio-sdk")
_MARKER = "zhibiao-pins"
_UNFINISHED = "installing"
_VERSIONS = """
import json, sys
from importlib import metadata
found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions()}
json.dump(found, sys.stdout)
"""


def pins_hash() -> str:
    """Short hash of the pins; names what was installed from them or made with it."""
    return hashlib.sha256(PINS.read_bytes()).hexdigest()[:16]


def ensure_installed(venv: str | Path, report: Callable[[str], None] = lambda line: None) -> None:
    """Make the environment, or make it again after an interrupted install or changed pins.

    A marker file holds the hash of the pins. An environment without the marker was made by
    somebody else: it is used when it has the right versions, and never changed. ``report`` gets
    lines of progress. Two programs that install at once: the second waits for the first.

    Raises:
        ServerError: the folder holds something else, the versions differ, or the install failed
            (pip's last lines are in the error's notes).
    """
    folder = Path(venv).resolve()
    marker = folder / _MARKER
    if _read(marker) == pins_hash():
        return
    with _locked(folder, report):
        state = _read(marker)
        if state == pins_hash():
            return
        if state is None and any(folder.iterdir()):
            _check_foreign(folder)
            return
        _install(folder, marker, report)


def _install(folder: Path, marker: Path, report: Callable[[str], None]) -> None:
    try:
        # First, so that whatever interrupts us leaves a folder known as ours and unfinished.
        marker.write_text(_UNFINISHED, encoding="utf-8")
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != marker:
                path.unlink()
    except OSError as error:
        raise ServerError(
            f"{folder}：无法建立虚拟环境（{error.strerror}）；用 --venv 换一个可写的文件夹"
        ) from error
    report("正在建立 Label Studio 的虚拟环境")
    hint = "缺少 venv 或 ensurepip 时，Debian、Ubuntu 上先运行 apt install python3-venv"
    _run([sys.executable, "-m", "venv", str(folder)], f"无法建立虚拟环境（{hint}）")
    pins = _pins()
    package = f"{_PACKAGES[0]}=={pins[_PACKAGES[0]]}"
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--constraint", str(PINS), package]
    seen = 0

    def follow(line: str) -> None:
        nonlocal seen
        # "Collecting numpy<3 (from ...)"; of a folder of wheels "Processing /w/numpy-2.2.6-..."
        if found := re.match(r"(?:Collecting|Processing) (?:\S*/)?([\w.]+(?:-[A-Za-z]\w*)*)", line):
            seen += 1
            report(f"正在下载 {package}：{min(seen, len(pins))}/{len(pins)} {found[1]}")
        elif line.startswith("Installing collected packages"):
            report(f"正在安装 {package}：共 {seen} 个包，约需一分钟")

    _run(
        command,
        f"{folder}：安装 {package} 失败；检查网络（可用 PIP_INDEX_URL 指定镜像）后再运行一次",
        follow,
    )
    marker.write_text(pins_hash(), encoding="utf-8")


def _run(command: list[str], failure: str, follow: Callable[[str], None] | None = None) -> None:
    # PYTHONPATH would let pip find packages outside the environment and skip them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        command,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    tail: deque[str] = deque(maxlen=15)
    with process:
        try:
            assert process.stdout is not None  # asked for above
            for line in process.stdout:
                tail.append(line)
                if follow:
                    follow(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        error = ServerError(f"{failure}（退出码 {process.returncode}）")
        error.add_note("".join(tail).rstrip())
        raise error


def _check_foreign(folder: Path) -> None:
    python = folder / "bin" / "python"
    if not (folder / "pyvenv.cfg").is_file() or not python.exists():
        raise ServerError(f"{folder}：不是虚拟环境，也不是空的；用 --venv 换一个文件夹")
    try:
        answer = subprocess.run(
            [python, "-I", "-c", _VERSIONS], check=True, capture_output=True, text=True
        )
        found = json.loads(answer.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise ServerError(f"{folder}：其中的 Python 不能运行；用 --venv 换一个文件夹") from error
    pins = _pins()
    for name in _PACKAGES:
        if found.get(name) != pins[name]:
            raise ServerError(
                f"{folder}：这个虚拟环境里的 {name} 是 {found.get(name, '（没有）')}，应为 "
                f"{pins[name]}；它不是本程序建立的，不会改动它，请用 --venv 换一个文件夹"
            )


def _pins() -> dict[str, str]:
    lines = PINS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name.strip().lower(): version.strip() for name, version in pairs}


def _read(marker: Path) -> str | None:
    try:
        return marker.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextlib.contextmanager
def _locked(folder: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's lock, so that of two programs one installs and one waits."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ServerError(
            f"{folder}：不能用作文件夹（{error.strerror}）；用 --venv 换一个可写的文件夹"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("另一个程序正在安装 Label Studio，等它完成")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

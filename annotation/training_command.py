"""The training command that Label Studio's button starts."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zhibiao.errors import FormatError

__all__ = ["SECRET_VARIABLE", "Training"]

SECRET_VARIABLE = "ZHIBIAO_BACKEND_SECRET"
"""The environment variable with the backend's secret."""

_GRACE_SECONDS = 5  # for a training that is told to stop

_log = logging.getLogger(__name__)


class Training:
    """Runs one training command at a time in the background.

    ``command`` is split like a shell would, but no shell runs it. Its environment is this
    process's, with ZHIBIAO_PROJECT (the project's number) and without the backend's secret; its
    output is appended to the file ``log``. Safe to use from several threads.

    Raises:
        FormatError: (when made) the command is empty, badly quoted, or no such program exists.
    """

    def __init__(self, command: str, log: Path) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise FormatError(f"--train-command {command!r}：引号不成对；请改正") from error
        if not self._command or shutil.which(self._command[0]) is None:
            raise FormatError(f"--train-command {command!r}：找不到要执行的程序；请写完整路径")
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._about: dict[str, Any] = {}
        self._lock = threading.Lock()

    def start(self, project: str) -> dict[str, str]:
        """Start it unless one runs; ``status`` (started, running or failed) and ``message``."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                about = f"项目 {self._about['project']}，{self._about['started']} 开始"
                return {"status": "running", "message": f"已有一次训练在进行（{about}）；没有另起"}
            started = datetime.now(UTC).isoformat(timespec="seconds")
            environment = {**os.environ, "ZHIBIAO_PROJECT": project}
            environment.pop(SECRET_VARIABLE, None)
            try:
                with open(self._log, "ab") as log:
                    log.write(f"\n== {started} 项目 {project}\n".encode())
                    log.flush()
                    self._process = subprocess.Popen(
                        self._command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=environment,
                        start_new_session=True,
                    )
            except OSError as error:
                return {"status": "failed", "message": f"训练命令无法启动：{error}"}
            self._about = {"project": project, "started": started}
        _log.info("项目 %s：开始训练，输出写入 %s", project, self._log)
        return {"status": "started", "message": f"开始训练；输出写入 {self._log.resolve()}"}

    def state(self) -> dict[str, Any]:
        """What runs or ran last: project, started, running, exit_status; empty before the first."""
        with self._lock:
            if self._process is None:
                return {}
            status = self._process.poll()
            return {**self._about, "running": status is None, "exit_status": status}

    def stop(self) -> None:
        """End what runs, with its children."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            _log.warning("模型服务停止，训练也停止")
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE_SECONDS)
                    return

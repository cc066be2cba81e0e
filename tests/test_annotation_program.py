"""``python -m annotation``: its commands, their help, and how it says no."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from annotation.__main__ import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert f"python -m annotation {command}" in said
    assert "--help" in said


def test_the_list_of_commands_needs_none_of_them(root: Path) -> None:
    """The commands import heavy libraries; the list of them must come at once."""
    script = (
        "import sys; from annotation.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('fastapi', 'label_studio_sdk', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("[]")
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("words", [[], ["exprot"], ["export"]])
def test_wrong_use(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert capsys.readouterr().err


def test_no_server_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    monkeypatch.setattr("annotation.client.LOCAL", tmp_path / "none.json")
    assert main(["create"]) == 2
    assert "scripts/label_studio" in capsys.readouterr().err
    assert main(["create", "--url", "http://127.0.0.1:9"]) == 2
    assert "令牌" in capsys.readouterr().err


def test_the_local_server_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = tmp_path / "connection.json"
    local.write_text('{"url": "http://127.0.0.1:9", "token": "secret-of-this-machine"}')
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    monkeypatch.setattr("annotation.client.LOCAL", local)
    assert main(["create"]) == 2
    assert "http://127.0.0.1:9：连不上" in capsys.readouterr().err
    # Its token is not sent to another server.
    assert main(["create", "--url", "http://127.0.0.1:10"]) == 2
    assert "没有令牌" in capsys.readouterr().err


def test_as_a_program(root: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if "LABEL_STUDIO" not in key}
    done = subprocess.run(
        [sys.executable, "-m", "annotation", "export", "--output", "x", "--choose", "lastest"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("错误：")
    assert "annotator:" in done.stderr

"""The command line of the service, its image and its compose file."""

from __future__ import annotations

import json
import logging
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference.service import Settings
from inference.service.__main__ import build_parser, main, parse_arguments
from inference.service.logs import QuietFormatter
from inference.service.reading import label_of
from zhibiao.errors import ServerError

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ([], {}, {}),
        (["--threads", "3"], {}, {"threads": 3}),
        ([], {"ZHIBIAO_TOKEN": TOKEN}, {"token": TOKEN}),
        (["--host", "0.0.0.0"], {"ZHIBIAO_TOKEN": f" {TOKEN}\n"}, {"token": TOKEN}),
        (["--host", "0.0.0.0", "--no-token"], {"ZHIBIAO_TOKEN": TOKEN}, {}),
        (["--host", "::1"], {}, {}),
        (["--max-bytes", "5_000_000"], {}, {"bytes": 5_000_000}),
        (["--max-characters", "9", "--max-reports", "2"], {}, {"characters": 9, "reports": 2}),
        (["--seconds", "1.5", "--drain", "0"], {}, {"seconds": 1.5, "drain": 0.0}),
        (["--max-queue", "7", "--readers", "1"], {}, {"queue": 7, "readers": 1}),
        (["--model", "runs/own"], {}, {"model": Path("runs/own")}),
    ],
)
def test_arguments(
    arguments: list[str], environment: dict[str, str], expected: dict[str, Any]
) -> None:
    found = parse_arguments(["--threads", "1", *arguments], environment)
    assert found.settings == Settings(**{"threads": 1, **expected})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "eighty"],
        ["--workers", "0"],
        ["--threads", "-1"],
        ["--max-bytes", "1e6"],
        ["--seconds", "nan"],
        ["--drain", "-1"],
        ["report.txt"],
    ],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--host", "0.0.0.0"], {}, "必须有口令"),
        (["--host", "example.com"], {}, "必须有口令"),
        ([], {"ZHIBIAO_TOKEN": "short"}, "ZHIBIAO_TOKEN"),
        ([], {"ZHIBIAO_TOKEN": "with a blank in the middle"}, "不含空白"),
        ([], {"ZHIBIAO_TOKEN": ""}, "至少 16"),
        (["--token-file", "/nowhere/token"], {}, "/nowhere/token"),
    ],
)
def test_tokens_that_will_not_do(
    arguments: list[str], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ServerError, match=message):
        parse_arguments(arguments, environment)


def test_a_token_from_a_file_goes_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}-file\n")
    found = parse_arguments(["--token-file", str(file)], {"ZHIBIAO_TOKEN": TOKEN})
    assert found.settings.token == f"{TOKEN}-file"
    assert TOKEN not in repr(found)
    file.write_text("口令" * 20)
    with pytest.raises(ServerError, match="ASCII"):
        parse_arguments(["--token-file", str(file)], {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "/nowhere"], "/nowhere"),
        (["--host", "256.1.1.1", "--no-token"], "256.1.1.1"),
        (["--port", "70000"], "70000"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("错误：")
    assert said.count("\n") == 1
    assert message in said


def test_logs_tell_of_an_exception_where_it_was_but_not_what_it_quotes() -> None:
    try:
        int("绝密的报告")
    except ValueError as error:
        record = logging.getLogger("zhibiao").makeRecord(
            "zhibiao",
            logging.ERROR,
            __file__,
            1,
            "failed",
            (),
            (type(error), error, error.__traceback__),
        )
    line = json.loads(QuietFormatter().format(record))
    assert line["event"] == "failed"
    assert line["exc_info"].startswith("ValueError\n")
    assert "test_service_program.py" in line["exc_info"]
    assert line["exc_info"].count("绝密") == 1  # the line of code above, not the message


def test_labels_keep_what_can_be_seen() -> None:
    assert label_of("2016年 总结（终稿）.docx") == "2016年 总结（终稿）.docx"
    assert label_of("a\ud800b\n.txt") == "a\ufffdb\ufffd.txt"


def _instructions(root: Path) -> list[str]:
    text = (root / "inference" / "Dockerfile").read_text(encoding="utf-8")
    return [line for line in text.replace("\\\n", "").splitlines() if line and line[0] != "#"]


def test_the_image_holds_what_the_service_needs(root: Path) -> None:
    lines = _instructions(root)
    for line in lines:
        if line.startswith("COPY "):
            for source in shlex.split(line)[1:-1]:
                assert (root / source).exists()
    (user,) = (line for line in lines if line.startswith("USER "))
    (entry,) = (line for line in lines if line.startswith("ENTRYPOINT "))
    assert lines.index(user) < lines.index(entry)
    command = json.loads(entry.removeprefix("ENTRYPOINT "))
    assert command[:3] == ["python", "-m", "inference.service"]
    found = build_parser().parse_args(command[3:])
    (exposed,) = (line for line in lines if line.startswith("EXPOSE "))
    (check,) = (line for line in lines if line.startswith("HEALTHCHECK "))
    assert int(exposed.split()[1]) == found.port
    assert f":{found.port}/ready" in check
    code = json.loads(check[check.index("CMD ") + 4 :])[2]
    compile(code, "healthcheck", "exec")
    (install,) = (line for line in lines if "pip install" in line)
    assert shlex.split(install)[-1] == ".[serve]"


def test_the_compose_file_starts_the_image(root: Path) -> None:
    file = root / "inference" / "compose.yaml"
    service = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]["zhibiao"]
    dockerfile = file.parent / service["build"]["context"] / service["build"]["dockerfile"]
    assert dockerfile.resolve() == root / "inference" / "Dockerfile"
    command = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in service["command"]]
    build_parser().parse_args(command)
    limits = Settings()
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace > limits.drain + limits.upload_seconds + limits.seconds
    assert service["read_only"]
    assert any(mount.startswith("/tmp") for mount in service["tmpfs"])
    assert "ZHIBIAO_TOKEN" in service["environment"]

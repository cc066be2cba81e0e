"""The whole circle of docs/loop.md, as it is printed there, against real servers."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotation.client import connect
from annotation.project import find_project
from annotation.regions import to_regions
from tests.label_studio import free_port
from zhibiao import Extractor
from zhibiao.corpus import read_split

REPORTS = 20


def commands(root: Path) -> list[list[str]]:
    block = re.findall(
        r"```bash\n(.*?)```", (root / "docs" / "loop.md").read_text(encoding="utf-8"), re.DOTALL
    )[0]
    return [shlex.split(line) for line in block.splitlines()]


def test_the_circle(own_label_studio: Any, root: Path, tmp_path: Path) -> None:
    server = own_label_studio()
    environment = os.environ | {
        "LABEL_STUDIO_URL": server.url,
        "LABEL_STUDIO_API_KEY": server.token,
        "ZHIBIAO_BACKEND_SECRET": "circle",
        "COLUMNS": "200",
    }
    places = {
        "my-reports": tmp_path / "my-reports",
        "out/loop": tmp_path / "loop",
        "corpus": tmp_path / "corpus",
        "runs/continued": tmp_path / "continued",
    }

    def here(word: str) -> str:
        for name, place in places.items():
            word = re.sub(rf"^{name}(?=$|[/:])", str(place), word)
        return word

    def run(words: list[str], *more: str, fine: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [sys.executable, *map(here, words[1:]), *more],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in fine, (words, done.stdout, done.stderr)
        return done.stdout

    # A person's folder of plain text files, and what that person will decide about each.
    reports = read_split(root / "data", "test")[:REPORTS]
    places["my-reports"].mkdir()
    for report in reports:
        path = places["my-reports"] / f"{report.id}.txt"
        path.write_text(report.text, encoding="utf-8")
    gold = {report.text.strip(): report for report in reports}

    steps = {
        (words[2], *words[3:4])[: 2 if words[2] == "annotation" else 1]: words
        for words in commands(root)[2:]
    }
    assert commands(root)[1][0] == "scripts/label_studio"  # the fixture stands for it
    run(steps["annotation", "create"])
    assert f"{REPORTS}" in run(steps["annotation", "import"])
    run(steps["annotation", "rank"])

    connection = connect(server.url, server.token)
    project = find_project(connection, "报告标注")
    listed: Any = connection.api.tasks.list(project=project, fields="all", page_size=100)
    tasks = list(listed)
    assert len(tasks) == REPORTS
    old = Extractor.from_pretrained().info["hash"]
    for task in tasks:
        assert task.predictions[0].model_version.endswith(old)
        text = task.data["text"]
        right = gold[text.strip()]
        shift = text.index(right.text.strip()) - right.text.index(right.text.strip())
        connection.api.annotations.create(
            task.id, result=to_regions(span.shifted(shift) for span in right.spans)
        )

    assert f"报告 {REPORTS} 份" in run(steps["annotation", "export"])
    run(steps["annotation", "audit"], "--no-model", fine=(0, 1))
    assert (places["out/loop"] / "audit.html").is_file()
    assert f"新增 {REPORTS} 份" in run(steps["annotation", "merge"])
    run(steps["training.splits",])
    run(
        steps["training.train",],
        *("epochs=1", f"output={places['runs/continued']}", "bf16=false"),
        *(f'train=["{places["corpus"]}:train"]', f'validation=["{places["corpus"]}:validation"]'),
    )
    # As documented, on data:test: a handful of reports is too few for the gate's hundredths.
    run(steps["training.export",])
    evaluations = [words for words in commands(root) if "training.evaluate_model" in words]
    scores = []
    for number, words in enumerate(evaluations):
        words = [word for word in words if word != "data:test"]  # enough is enough
        run(words, "--json", str(tmp_path / f"{number}.json"))
        scores.append((tmp_path / f"{number}.json").read_text(encoding="utf-8"))
    assert len(scores) == 2
    assert all('"f1"' in score for score in scores)

    # A new report comes; the new model suggests for it.
    fresh = read_split(root / "data", "validation")[0]
    path = tmp_path / "fresh.txt"
    path.write_text(fresh.text, encoding="utf-8")
    new = Extractor.from_pretrained(places["runs/continued"]).info["hash"]
    assert new != old
    with serving([*map(here, steps["annotation", "serve"][1:])], root, environment):
        run(["python", "-m", "annotation", "import", str(path), "--suggestions", "none"])
        again: Any = connection.api.tasks.list(project=project, fields="all", page_size=100)
        (task,) = (task for task in again if not task.total_annotations)
        answer = httpx.get(
            f"{server.url}/api/tasks/{task.id}/",
            params={"project": project},
            headers={"Authorization": f"Token {server.token}"},
            timeout=100,
        ).json()
        (prediction,) = answer["predictions"]
        assert prediction["model_version"].endswith(new)
        spans = Extractor.from_pretrained(places["runs/continued"]).extract(task.data["text"])
        found = [(r["value"]["start"], r["value"]["end"]) for r in prediction["result"]]
        assert found == [(span.start, span.end) for span in spans]


@contextmanager
def serving(words: list[str], root: Path, environment: dict[str, str]) -> Iterator[None]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *words, "--port", str(port)],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if "已登记到" in line:
                break
        else:
            pytest.fail("".join(said))
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.wait(30)
        process.stdout.close()

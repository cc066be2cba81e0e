"""What users rely on: exported names, a light import, README examples, the embedded model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zhibiao
from zhibiao import Extractor, ZhibiaoError
from zhibiao.model_directory import EMBEDDED_MODEL

READMES = ("README.md", "README.en.md")
BLOCK = re.compile(r"```(python|bash)\n(.*?)```", re.DOTALL)


def blocks(root: Path, name: str, language: str) -> list[str]:
    text = (root / name).read_text(encoding="utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def test_exported_names_exist() -> None:
    assert sorted(zhibiao.__all__) == sorted(set(zhibiao.__all__))
    for name in zhibiao.__all__:
        assert getattr(zhibiao, name) is not None


def test_all_errors_have_one_base() -> None:
    for name in zhibiao.__all__:
        found = getattr(zhibiao, name)
        if isinstance(found, type) and issubclass(found, Exception):
            assert issubclass(found, ZhibiaoError)


def test_import_is_light() -> None:
    heavy = (
        "torch transformers label_studio_sdk fastapi onnxruntime lxml docx pypdfium2 trafilatura"
    )
    script = f"import sys, zhibiao; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_stages_do_not_import_each_other(root: Path) -> None:
    stages = ("annotation", "training", "inference")
    for package in ("zhibiao", *stages):
        others = [stage for stage in stages if stage != package]
        pattern = re.compile(rf"^\s*(?:from|import) ({'|'.join(others)})\b", re.MULTILINE)
        for path in (root / package).rglob("*.py"):
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_modules_are_small(root: Path) -> None:
    for package in ("zhibiao", "annotation", "training", "inference", "scripts"):
        for path in (root / package).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


@pytest.mark.parametrize("name", READMES)
def test_readme_python(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    examples = blocks(root, name, "python")
    assert examples
    for example in examples:
        exec(compile(example, name, "exec"), {})


@pytest.mark.parametrize(
    "name", [*READMES, "docs/loop.md", "docs/annotators.md", "docs/training.md"]
)
def test_documented_commands_exist(root: Path, name: str) -> None:
    for line in "\n".join(blocks(root, name, "bash")).splitlines():
        words = line.split("#")[0].split()
        if words[:2] == ["python", "-m"] and words[2] != "pip":
            words_of_program = words[2:4] if words[2] == "annotation" else words[2:3]
            program = [sys.executable, "-m", *words_of_program, "--help"]
            done = subprocess.run(program, cwd=root, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            for option in (word for word in words if word.startswith("--")):
                assert option in done.stdout, line
        elif words and words[0] not in ("python", "python3", "docker"):
            assert (root / words[0]).is_file(), line


def test_readme_predict(root: Path, tmp_path: Path) -> None:
    command = next(
        line
        for block in blocks(root, "README.md", "bash")
        for line in block.splitlines()
        if "inference.predict" in line
    )
    arguments = command.replace("out/samples", str(tmp_path)).split()
    done = subprocess.run(
        [sys.executable, *arguments[1:]], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    suffixes = {Path(item["source"]).suffix for item in found}
    assert suffixes >= {".txt", ".docx", ".pdf", ".html", ".md"}
    for item in found:
        assert item["spans"]
        for span in item["spans"]:
            assert item["text"][span["start"] : span["end"]] == span["text"]


def test_embedded_model_finds_the_obvious(embedded: Extractor) -> None:
    text = "2016年，全县专利申请量达813件，同比增长78.5%。"
    found = [(text[s.start : s.end], s.label) for s in embedded.extract(text)]
    assert found == [
        ("2016年", "年份"),
        ("专利申请量", "指标"),
        ("813", "数值"),
        ("件", "单位"),
        ("78.5", "数值"),
        ("%", "单位"),
    ]


def test_embedded_model_is_small_and_complete() -> None:
    assert (EMBEDDED_MODEL / "model.onnx").stat().st_size <= 20e6
    assert (EMBEDDED_MODEL / "model.safetensors").stat().st_size <= 36e6
    settings = json.loads((EMBEDDED_MODEL / "zhibiao.json").read_text(encoding="utf-8"))
    assert settings["export"]["agreement"] >= 0.99
    assert "seed" in settings
    assert (EMBEDDED_MODEL / "README.md").is_file()


def test_embedded_weights_are_those_of_the_graph(embedded: Extractor) -> None:
    """The int8 graph and the weights to continue from are one model."""
    torch = Extractor.from_pretrained(backend="torch")
    text = "县科技局与恒川机电有限公司合作，2016年新增高新技术企业15家，发放宣传资料3000余份。"
    assert [s.key for s in embedded.extract(text)] == [s.key for s in torch.extract(text)]


def test_scores_on_the_dev_reports(root: Path, embedded: Extractor) -> None:
    """The floor of what was promised; the reports are not part of the project."""
    from training.evaluate_model import evaluate
    from zhibiao.corpus import read_reports

    shared = root.parent / "shared" / "dev" / "reports.jsonl"
    source = str(shared) if shared.is_file() else f"{root / 'data'}:test"
    result = evaluate(embedded, read_reports(source))
    assert result["lost_gold_spans"] == 0
    assert result["micro"]["f1"] >= 0.85
    assert min(numbers["f1"] for numbers in result["labels"].values()) >= 0.72


def test_scores_do_not_depend_on_the_neighbours(embedded: Extractor) -> None:
    """Quantised activations have a scale a token, so a batch does not change a text's result."""
    text = "县科技局与恒川机电有限公司合作，2016年新增高新技术企业15家。"
    others = ["发放宣传资料3000余份。" * 30, "!" * 200, "全年实现产值12.5亿元，同比增长8%。"]
    alone = embedded.extract(text)
    _, among, *_ = embedded.extract_many([others[0], text, *others[1:]])
    assert [span.key for span in among] == [span.key for span in alone]
    assert [s.score for s in among] == pytest.approx([s.score for s in alone], abs=1e-3)


def test_documents_have_no_dead_links_or_placeholders(root: Path) -> None:
    pages = [*root.glob("*.md"), *(root / "docs").glob("*.md"), root / "data" / "README.md"]
    pages.append(EMBEDDED_MODEL / "README.md")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"^[A-Z]{4,}$", text, re.MULTILINE), page
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert "://" in link or (page.parent / link).exists(), (page, link)

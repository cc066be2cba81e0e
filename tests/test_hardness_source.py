"""No code of the project runs what data says: no pickles, no eval, no shell; only safetensors."""

from __future__ import annotations

import ast
import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhibiao import Extractor, ModelError

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("zhibiao", "inference", "training", "annotation", "scripts")
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}


def sources() -> list[Path]:
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *FOLDERS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in found if name.endswith(".py") and (ROOT / name).is_file()]


def dangers(tree: ast.AST) -> Iterator[str]:
    """What a module does that could run what a file says, as ``line: what``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.partition(".")[0] in MODULES:
                    yield f"{node.lineno}: import {name.name}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield f"{node.lineno}: from {node.module}"
        elif isinstance(node, ast.Call):
            yield from dangerous_calls(node)


def dangerous_calls(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    options = {item.arg: ast.unparse(item.value) for item in node.keywords}
    if called in CALLS:
        yield f"{node.lineno}: {called}()"
    if called.endswith("torch.load") and options.get("weights_only") != "True":
        yield f"{node.lineno}: torch.load without weights_only=True"
    if options.get("shell", "False") != "False":
        yield f"{node.lineno}: shell={options['shell']}"
    for option in ("allow_pickle", "trust_remote_code"):
        if options.get(option, "False") != "False":
            yield f"{node.lineno}: {option}={options[option]}"


def test_no_module_runs_what_data_says() -> None:
    paths = sources()
    assert len(paths) > 100
    found = [
        f"{path.relative_to(ROOT)}:{danger}"
        for path in paths
        for danger in dangers(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_the_search_finds(code: str) -> None:
    assert list(dangers(ast.parse(code)))


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.folder,)  # type: ignore[return-value]


def test_a_model_directory_with_pickles_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_model.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).symlink_to(path)
    evil = tmp_path / "evil"
    content = pickle.dumps(Payload(evil))
    for name in ("pytorch_model.bin", "model.pt", "pytorch_model.bin.index.json"):
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match="safetensors"):
        Extractor.from_pretrained(folder, backend="torch")
    assert not evil.exists()

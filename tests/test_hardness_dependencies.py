"""The audit of dependencies tells good from bad, and a silent index from a clean one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from email.message import EmailMessage
from importlib.metadata import Distribution, version
from pathlib import Path
from typing import Any

import pytest

# Under its own name, as a script has it: mypy knows the folder of scripts by no other.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import audit_dependencies
from audit_dependencies import audit, licence_problem, look_up, main, pins


class Described(Distribution):
    """A distribution that is nothing but its metadata."""

    def __init__(self, **fields: str) -> None:
        message = EmailMessage()
        for name, value in fields.items():
            message[name.replace("_", "-")] = value
        self._text = message.as_string()

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def project(root: Path, dependencies: list[str], constraints: str) -> Path:
    listed = ", ".join(f'"{words}"' for words in dependencies)
    (root / "pyproject.toml").write_text(f'[project]\nname = "x"\ndependencies = [{listed}]\n')
    (root / "constraints.txt").write_text(constraints, encoding="utf-8")
    return root


def test_this_project_has_no_problems() -> None:
    assert audit() == []


def test_pins_are_exact_and_once(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text("# exact\na==1.0\nB_c==2.0  # why\nd>=3\ne\nf==1.*\na==1.1\n", encoding="utf-8")
    found, problems = pins(path)
    assert found == {"a": "1.1", "b-c": "2.0"}
    assert [problem.split(": ")[-1] for problem in problems] == [
        *["write name==version"] * 3,
        "pinned twice; remove one",
    ]


def test_what_is_missing_or_does_not_fit_is_named(tmp_path: Path) -> None:
    numpy, jinja = version("numpy"), version("jinja2")
    root = project(tmp_path, ["numpy>=1.26", "jinja2>=3.1"], f"numpy==1.0\njinja2=={jinja}\n")
    assert audit(root) == [
        "numpy>=1.26: pinned to 1.0, which does not fit",
        f"markupsafe {version('markupsafe')}: needed, but not pinned; add it to constraints.txt",
        f"numpy: {numpy} is installed, 1.0 is pinned; install it anew",
    ]
    project(tmp_path, ["numpy>=1.26", "no-such-package>=1"], f"numpy=={numpy}\n")
    assert audit(root) == ["no-such-package>=1: not pinned; add it to constraints.txt"]


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"License_Expression": "MIT"}, True),
        ({"License_Expression": "GPL-3.0-or-later OR BSD-3-Clause"}, True),
        ({"License_Expression": "MIT AND LGPL-2.1-only"}, False),
        ({"License": "Apache 2.0"}, True),
        (
            {"License": "Copyright (c)", "Classifier": "License :: OSI Approved :: BSD License"},
            True,
        ),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License"}, False),
        ({"License": "Proprietary"}, False),
        ({}, False),
    ],
)
def test_licences(fields: dict[str, str], allowed: bool) -> None:
    problem = licence_problem("x", Described(Name="x", **fields))
    assert (problem == "") is allowed


def test_what_the_index_knows() -> None:
    told: dict[str, Mapping[str, Any]] = {
        "good": {"info": {"yanked": False}, "vulnerabilities": []},
        "bad": {
            "info": {"yanked": False},
            "vulnerabilities": [
                {"id": "CVE-1", "fixed_in": ["1.1", "2.0"], "withdrawn": None},
                {"id": "CVE-2", "fixed_in": ["9"], "withdrawn": "2024-01-01"},
                {"id": "CVE-3", "fixed_in": []},
            ],
        },
        "gone": {"info": {"yanked": True, "yanked_reason": "broken"}, "vulnerabilities": []},
        "pip": {"vulnerabilities": []},
    }
    pinned = dict.fromkeys(("good", "bad", "gone", "unknown"), "1.0")
    problems, silent = look_up(pinned, lambda name, _: told.get(name))
    assert problems == [
        "bad 1.0: CVE-1, fixed in 1.1, 2.0",
        "bad 1.0: CVE-3, fixed in no version yet",
        "gone 1.0: withdrawn (broken); pin another version",
    ]
    assert silent == ["unknown"]


def test_a_silent_index_is_said_and_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit_dependencies, "_INDEX", "http://127.0.0.1:9/{name}/{version}")
    assert main([]) == 0
    assert "not looked up, the package index does not answer" in capsys.readouterr().out

"""Check what the project depends on: pins, licences, known vulnerabilities.

    python scripts/audit_dependencies.py

Always checked, from pyproject.toml, constraints.txt and what is installed: every pin is exact;
every direct dependency and all that these need are pinned, and installed as pinned; the licences
of the light core are on the list. Where the package index answers, the pinned versions are also
looked up there: withdrawn ones and those with known vulnerabilities. Where it does not, that is
said and is no error. Exit status: 0 all is well, 1 problems.
"""

from __future__ import annotations

import argparse
import json
import re
import ssl
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

__all__ = ["audit", "licence_problem", "look_up", "main", "pins"]

ROOT = Path(__file__).resolve().parent.parent
_INDEX = "https://pypi.org/pypi/{name}/{version}/json"
_SECONDS = 10.0
_ALLOWED = re.compile(
    r"\b(?:MIT|BSD|0BSD|ISC|Apache|MPL|Mozilla Public|PSF|Python Software|CNRI|Zlib|HPND|Unlicense)"
)
# What metadata does not say in one word, looked up by hand.
_KNOWN = {"pypdfium2": "BSD-3-Clause AND Apache-2.0"}  # and PDFium's own parts: BSD, MIT, zlib, FTL
# Parts of torch's CUDA builds: the machine decides which, torch itself pins them.
_ACCELERATOR = re.compile(r"nvidia-|cuda-|triton")
_TOOLS = frozenset(("pip", "wheel"))  # what the environment is made with, before any pins

Ask = Callable[[str, str], Mapping[str, Any] | None]


def pins(path: Path) -> tuple[dict[str, str], list[str]]:
    """The versions that a constraints file pins by name, and what is wrong with its lines."""
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        name, _, version = words.partition("==")
        where = f"{path.name}:{number}: {words!r}"
        try:
            Version(version)
        except InvalidVersion:
            problems.append(f"{where}: write name==version")
            continue
        if canonicalize_name(name) in found:
            problems.append(f"{where}: pinned twice; remove one")
        found[canonicalize_name(name)] = version
    return found, problems


def audit(root: Path = ROOT) -> list[str]:
    """What is wrong with the project's dependencies, as far as it can be seen without the net."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned, problems = pins(root / "constraints.txt")
    core = [Requirement(words) for words in project["dependencies"]]
    extras = [
        Requirement(words)
        for listed in project.get("optional-dependencies", {}).values()
        for words in listed
    ]
    for requirement in (*core, *extras):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            problems.append(f"{requirement}: not pinned; add it to constraints.txt")
        elif not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement}: pinned to {version}, which does not fit")
    problems += _installed_problems(_closure([*core, *extras]), pinned)
    for name, found in _closure(core).items():
        if found and (problem := licence_problem(name, found)):
            problems.append(problem)
    return problems


def _closure(requirements: Sequence[Requirement]) -> dict[str, Distribution | None]:
    """All that the requirements need here, by name; None where it is not installed."""
    found: dict[str, Distribution | None] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in done:
            continue
        done.add(key)
        try:
            found[name] = distribution(requirement.name)
        except PackageNotFoundError:
            found[name] = None  # an extra that is not installed
            continue
        waiting += _needs(found[name], requirement.extras)
    return found


def _needs(found: Distribution | None, extras: set[str]) -> Iterator[Requirement]:
    for words in (found and found.requires) or ():
        try:
            requirement = Requirement(words)
        except InvalidRequirement:
            continue  # pip warns about such metadata itself
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def _installed_problems(
    closure: Mapping[str, Distribution | None], pinned: Mapping[str, str]
) -> Iterator[str]:
    for name, found in sorted(closure.items()):
        if found is None or name in _TOOLS or _ACCELERATOR.match(name):
            continue
        version = Version(found.version).public  # without the name of a local build, as torch has
        if name not in pinned:
            yield f"{name} {version}: needed, but not pinned; add it to constraints.txt"
        elif Version(pinned[name]) != Version(version):
            yield f"{name}: {version} is installed, {pinned[name]} is pinned; install it anew"


def licence_problem(name: str, found: Distribution) -> str:
    """Why a package of the core may not be shipped with, empty where it may."""
    said = found.metadata.get_all
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in said("Classifier", [])
        if line.startswith("License :: ")
    ]
    licence = _KNOWN.get(name) or " AND ".join(
        said("License-Expression") or classifiers or said("License", ["none"])
    )
    for choice in licence.split(" OR "):
        parts = re.split(r" AND |,", choice)
        if all(_ALLOWED.search(part) and "GPL" not in part for part in parts):
            return ""
    return f"{name}: licence {licence[:80]!r} is not on the list; look at it, or do without"


def ask_index(name: str, version: str) -> Mapping[str, Any] | None:
    """What the package index says of a version, None where it does not answer."""
    url = _INDEX.format(name=name, version=version)
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            found: Mapping[str, Any] = json.load(answer)
    except (OSError, ssl.SSLError, ValueError, urllib.error.URLError):
        return None
    return found if "vulnerabilities" in found else None


def look_up(pinned: Mapping[str, str], ask: Ask = ask_index) -> tuple[list[str], list[str]]:
    """Problems that the index knows of, and the pins that it said nothing about."""
    names = sorted(pinned)
    if not names or ask("pip", "24.0") is None:
        return [], names
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda name: ask(name, pinned[name]), names)
        told = dict(zip(names, answers, strict=True))
    problems = []
    for name, answer in told.items():
        if answer is None:
            continue
        if answer.get("info", {}).get("yanked"):
            reason = answer["info"].get("yanked_reason") or "no reason given"
            problems.append(f"{name} {pinned[name]}: withdrawn ({reason}); pin another version")
        for found in answer["vulnerabilities"]:
            if not found.get("withdrawn"):
                fixed = ", ".join(found.get("fixed_in") or ()) or "no version yet"
                problems.append(f"{name} {pinned[name]}: {found['id']}, fixed in {fixed}")
    return problems, [name for name, answer in told.items() if answer is None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks and return the exit status."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args(argv)
    problems = audit()
    command = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    check = subprocess.run(command, capture_output=True, text=True)
    if check.returncode:
        problems += check.stdout.splitlines()
    pinned, _ = pins(ROOT / "constraints.txt")
    known, silent = look_up(pinned)
    problems += known
    for problem in problems:
        print(f"error: {problem}")
    print(f"{len(pinned)} pins, {len(problems)} problems")
    if len(silent) == len(pinned):
        print("known vulnerabilities: not looked up, the package index does not answer")
    else:
        print(f"known vulnerabilities: looked up {len(pinned) - len(silent)} of {len(pinned)} pins")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

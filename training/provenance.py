"""Where a model comes from: the code, the packages and the machine, as plain data."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

__all__ = ["compute", "git_state", "packages"]

_PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "numpy", "seqeval")
_CODE = Path(__file__).resolve().parent


def git_state(folder: Path = _CODE) -> dict[str, Any] | None:
    """Commit, and whether tracked files differ from it; None outside a checkout or without git."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": dirty}


def packages() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _hardware(device: torch.device, processes: int) -> dict[str, Any]:
    """Device, processor, cores this process may use, torch's threads; GPU and its GiB."""
    found: dict[str, Any] = {
        "device": device.type,
        "processes": processes,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {"gpu": card.name, "gpu_gib": round(card.total_memory / 2**30, 1)}
        found["cuda"] = torch.version.cuda
    return found


def compute(
    device: torch.device, processes: int, effort: Mapping[str, Any], *, resumed: bool
) -> dict[str, Any]:
    """What a run cost: the machine, ``effort``, and whether the run was ever ``resumed``.

    ``effort`` holds ``characters`` seen and ``seconds`` of wall clock, added up over all sessions
    of the run; what a killed session did after its last checkpoint is done again and is not in
    them. The machine is that of the last session.
    """
    return {**_hardware(device, processes), **effort, "resumed": resumed}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())

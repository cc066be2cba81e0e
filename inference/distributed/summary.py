"""What a job did in all, added up from the manifests of its parts, and the proof of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inference.distributed.plan import Plan

__all__ = ["JobSummary", "summarise"]

_COUNTS = ("reports", "characters", "spans", "records")


@dataclass(frozen=True, slots=True)
class JobSummary:
    """The counts of a job over all its parts, those of earlier runs too.

    ``missing`` parts are not done; ``errors`` says of some of them, by number, why.
    """

    parts: int
    reports: int
    characters: int
    spans: int
    records: int
    failures: int
    missing: tuple[int, ...]
    errors: Mapping[int, str]

    @property
    def exit_status(self) -> int:
        """0 when everything was read and written, else 1."""
        return 1 if self.failures or self.missing else 0


def summarise(
    plan: Plan, manifests: Sequence[Mapping[str, Any] | None], errors: Mapping[int, str]
) -> JobSummary:
    """Add up the manifests and write ``failures.jsonl`` and ``summary.json`` beside them."""
    done = [manifest for manifest in manifests if manifest is not None]
    missing = tuple(p.part for p, m in zip(plan.parts, manifests, strict=True) if m is None)
    failures = [{"part": None, "source": "", "message": line} for line in plan.unmatched]
    for manifest in done:
        failures += [{"part": manifest["part"], **one} for one in manifest["failures"]]
    with tempfile.TemporaryDirectory(prefix="zhibiao-") as folder:
        path = Path(folder, "failures.jsonl")
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            for one in failures:
                stream.write(json.dumps(one, ensure_ascii=False) + "\n")
        plan.store.publish(path, "failures.jsonl")
    summary = JobSummary(
        parts=len(plan.parts),
        **{name: sum(manifest[name] for manifest in done) for name in _COUNTS},
        failures=len(failures),
        missing=missing,
        errors={part: errors[part] for part in missing if part in errors},
    )
    written = {"plan": plan.digest, **asdict(summary)}
    plan.store.write("summary.json", (json.dumps(written, ensure_ascii=False) + "\n").encode())
    return summary

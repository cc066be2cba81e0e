"""Check data before training on it: counts, broken spans, conflicts, leakage, lengths.

    python -m training.check_data [NAME=]SOURCE [[NAME=]SOURCE ...] [--config FILE] [--json FILE]

SOURCE is FILE.jsonl or CORPUS:SPLIT such as data:train. Sources of one NAME are one split; without
a NAME it is SPLIT or the file's stem. Without sources, the config's are checked.

Exit status: 0 fit to train on (warnings do not count), 1 errors that should stop a training,
2 wrong use or a source that cannot be read at all. What is looked at follows spaCy's debug data.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, Field
from rich.console import Console
from rich.table import Table

from training.config import Config, load_config
from training.dataset import lost_spans
from training.formats.copies import near_copies, same_texts
from training.formats.figures import conflicting_strings, figures_of
from training.formats.sources import Split, read_split_leniently, surfaces
from zhibiao.characters import CharacterEncoder
from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.files import replacing
from zhibiao.model_directory import EMBEDDED_MODEL
from zhibiao.spans import LABELS

__all__ = ["Checked", "Finding", "Limits", "check_data"]

_EDGES = "，。、；：！？,;:!?"
_TITLES = {
    "syntax": "records that cannot be read",
    "text": "texts that cannot be used",
    "order": "reports whose spans are not sorted by start",
    "bounds": "spans outside their text, or empty",
    "edge": "spans with white space at an edge (training.convert --fix moves it)",
    "overlap": "spans that overlap (training.convert --longest keeps the longest)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; an error should stop a training. ``places`` name where, all of them."""

    level: Literal["error", "warning"]
    kind: str
    message: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as too little, too alike and too long; lengths in characters.

    A label with fewer than ``rare`` spans in training, ``few`` elsewhere, is a warning. Texts at
    least ``alike`` (Jaccard index of character 5-grams) in two splits are a warning, at least
    ``same`` an error.
    """

    rare: int = 50
    few: int = 10
    alike: float = 0.5
    same: float = 0.8
    window: int = 254
    overlap: int = 32


@dataclass(frozen=True, slots=True)
class Checked:
    """Findings, errors first, and the figures of the tables as plain data."""

    findings: tuple[Finding, ...]
    figures: Mapping[str, Any]

    @property
    def errors(self) -> int:
        return sum(finding.level == "error" for finding in self.findings)


def check_data(
    sources: Mapping[str, Sequence[str]],
    *,
    labels: Sequence[str] = LABELS,
    limits: Limits | None = None,
    tokenizer: str | Path | None = None,
) -> Checked:
    """Check splits, each read leniently from its sources.

    The split named ``train``, else the first, is what a model learns from. ``tokenizer`` is a
    folder with ``tokenizer.json``; without one, unknown characters are not counted.

    Raises:
        FormatError: a source cannot be read at all, or window and overlap do not fit.
        ModelError: ``tokenizer`` is none.
    """
    limits = limits or Limits()
    if limits.window < 1 or not 0 <= limits.overlap <= limits.window // 2:
        raise FormatError(f"overlap {limits.overlap} must be 0 to half of window {limits.window}")
    encoder = CharacterEncoder.from_directory(tokenizer) if tokenizer else None
    splits = [read_split_leniently(name, given, tuple(labels)) for name, given in sources.items()]
    training = "train" if "train" in sources else next(iter(sources))
    findings: list[Finding] = []
    for split in splits:
        findings += _records(split)
        findings += _labels(split, labels, limits.rare if split.name == training else limits.few)
        findings += _lost(split, limits)
        findings += _shapes(split)
        if encoder:
            findings += _unknown_characters(split, encoder)
    findings += _identities(splits)
    findings += _copies(splits, limits)
    conflicts = conflicting_strings(splits)
    findings += _conflicts(conflicts)
    findings.sort(key=lambda finding: finding.level)  # "error" before "warning", else as found
    return Checked(
        tuple(findings),
        figures_of(splits, labels, limits.window, limits.overlap) | {"conflicts": conflicts},
    )


def _records(split: Split) -> list[Finding]:
    if not split.drafts and not split.problems:
        return [Finding("error", "empty", f"{split.name}: no reports")]
    found = []
    for kind, title in _TITLES.items():
        places = tuple(str(problem) for problem in split.problems if problem.kind == kind)
        if places:
            message = f"{split.name}: {len(places)} {title}"
            found.append(Finding("error", kind, message, places))
    if split.drafts and not any(draft.spans for draft in split.drafts):
        found.append(Finding("error", "empty", f"{split.name}: no report has any span"))
    return found


def _labels(split: Split, labels: Sequence[str], wanted: int) -> list[Finding]:
    counts = Counter(span.label for draft in split.drafts for span in draft.spans)
    found = []
    unknown = {label: n for label, n in counts.items() if label not in labels}
    if unknown:
        shown = ", ".join(f"{label} {n}" for label, n in sorted(unknown.items()))
        places = tuple(str(problem) for problem in split.problems if problem.kind == "label")
        message = f"{split.name}: labels outside the label set: {shown}"
        found.append(Finding("error", "label", message, places))
    scarce = [f"{label} {counts[label]}" for label in labels if counts[label] < wanted]
    if scarce and counts:
        message = f"{split.name}: fewer than {wanted} spans: {', '.join(scarce)}"
        found.append(Finding("warning", "rare", message))
    return found


def _lost(split: Split, limits: Limits) -> list[Finding]:
    places = []
    total = 0
    for report in split.reports:
        lost = lost_spans([report], limits.window, limits.overlap)
        if lost:
            total += lost
            longest = max(span.end - span.start for span in report.spans)
            places.append(f"report {report.id}: {lost} (its longest span has {longest} characters)")
    if not total:
        return []
    size = f"window {limits.window} and overlap {limits.overlap}"
    message = f"{split.name}: {total} spans fit no window whole, with {size}"
    return [Finding("error", "lost", message, tuple(places))]


def _shapes(split: Split) -> list[Finding]:
    newlines: list[str] = []
    edges: list[str] = []
    strange: list[str] = []
    for draft in split.drafts:
        for span, surface in surfaces(draft):
            place = f"{draft.where}: {span.label} {surface!r} ({span.start}, {span.end})"
            if "\n" in surface:
                newlines.append(place)
            if surface[0] in _EDGES or surface[-1] in _EDGES:
                edges.append(place)
        odd = {c for c in draft.text if c == "\ufffd" or (c < " " and c not in "\n\t")}
        if odd:
            strange.append(f"{draft.where}: {', '.join(f'U+{ord(c):04X}' for c in sorted(odd))}")
    bare = [draft.where for draft in split.drafts if not draft.spans]
    titles = {
        "newline": (newlines, "spans hold a line break"),
        "punctuation": (edges, "spans begin or end with punctuation"),
        "control": (strange, "reports hold control or replacement characters"),
        "bare": (bare if len(bare) < len(split.drafts) else [], "reports have no span"),
    }
    return [
        Finding("warning", kind, f"{split.name}: {len(places)} {title}", tuple(places))
        for kind, (places, title) in titles.items()
        if places
    ]


def _unknown_characters(split: Split, encoder: CharacterEncoder) -> list[Finding]:
    counts: Counter[str] = Counter()
    total = 0
    for draft in split.drafts:
        total += len(draft.text)
        unknown = np.flatnonzero(encoder.encode(draft.text) == encoder.unknown)
        counts.update(draft.text[place] for place in unknown.tolist())
    if not counts:
        return []
    share = counts.total() / total
    message = (
        f"{split.name}: {counts.total()} characters ({share:.3%}), {len(counts)} different, "
        "are unknown to the tokenizer"
    )
    places = tuple(f"{c} U+{ord(c):04X}: {n}" for c, n in counts.most_common())
    return [Finding("warning", "characters", message, places)]


def _identities(splits: Sequence[Split]) -> list[Finding]:
    held: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split in splits:
        for draft in split.drafts:
            held[draft.id].append((split.name, draft.where))
    within: list[str] = []
    across: list[str] = []
    for report_id, places in held.items():
        if len(places) > 1:
            line = f"{report_id}: " + ", ".join(f"{name} {where}" for name, where in places)
            (within if len({name for name, _ in places}) == 1 else across).append(line)
    found = []
    if across:
        message = f"{len(across)} report ids stand in two splits"
        found.append(Finding("error", "leakage", message, tuple(across)))
    if within:
        message = f"{len(within)} report ids are used twice within a split"
        found.append(Finding("error", "id", message, tuple(within)))
    return found


def _copies(splits: Sequence[Split], limits: Limits) -> list[Finding]:
    drafts = [(split.name, draft) for split in splits for draft in split.drafts]
    names = [name for name, _ in drafts]
    texts = [draft.text for _, draft in drafts]
    found: list[Finding] = []
    places: dict[tuple[str, bool], list[str]] = defaultdict(list)
    try:
        near = near_copies(texts, min(limits.alike, limits.same))
    except ZhibiaoError as error:
        near = []
        message = f"near-duplicates were not looked for: {error}"
        found.append(Finding("warning", "alike", message))
    pairs = [("same", pair) for pair in same_texts(texts, names)]
    pairs += [("near" if pair.similarity >= limits.same else "alike", pair) for pair in near]
    for kind, pair in pairs:
        (one, a), (other, b) = drafts[pair.first], drafts[pair.second]
        line = f"{one} {a.id} ({a.where}) and {other} {b.id} ({b.where}): {pair.similarity:.2f}"
        places[kind, one != other].append(line)
    titles = {
        "same": "reports have the text of another",
        "near": f"pairs are near-duplicates (at least {limits.same:g} alike)",
        "alike": f"pairs share much ({limits.alike:g} to {limits.same:g} alike)",
    }
    for (kind, across), lines in places.items():
        message = f"{len(lines)} {titles[kind]}, {'across splits' if across else 'in one split'}"
        if across and kind != "alike":
            found.append(Finding("error", "leakage", message, tuple(lines)))
        else:
            found.append(Finding("warning", kind, message, tuple(lines)))
    return found


def _conflicts(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    places = tuple(
        f"{row['string']!r}: "
        + ", ".join(f"{label} {n} ({row['first'][label]})" for label, n in row["labels"].items())
        for row in rows
    )
    message = f"{len(rows)} strings have more than one label"
    return [Finding("warning", "conflict", message, places)] if rows else []


class _Settings(Config):
    """What a training config says about data; the rest of it is training's business."""

    model_config = ConfigDict(extra="ignore")

    encoder: str | None = None
    train: list[str] = Field(default_factory=list)
    validation: list[str] = Field(default_factory=list)
    labels: list[str] = Field(default=list(LABELS), min_length=1)
    window: int = Limits().window
    overlap: int = Limits().overlap


def _sources(given: Sequence[str], settings: _Settings) -> dict[str, list[str]]:
    sources: dict[str, list[str]] = {}
    for item in given:
        name, equals, source = item.partition("=")
        if not equals:
            source = item
            name = Path(item).stem if item.endswith(".jsonl") else item.rpartition(":")[2]
        sources.setdefault(name, []).append(source)
    if not given:
        wanted = {"train": settings.train, "validation": settings.validation}
        sources = {name: paths for name, paths in wanted.items() if paths}
    if not sources:
        raise FormatError("nothing to check: name sources, or a --config that has some")
    return sources


def _tokenizer(model: str | None, settings: _Settings) -> Path:
    chosen = model or settings.encoder
    if model or (chosen and (Path(chosen) / "tokenizer.json").is_file()):
        return Path(str(chosen))
    return EMBEDDED_MODEL


def _print(checked: Checked, console: Console, shown: int) -> None:
    figures = checked.figures
    _table(console, "splits", figures["splits"])
    _table(console, "spans by label", figures["labels"])
    _table(console, "characters of a report", figures["report_lengths"])
    _table(console, "characters of a span", figures["span_lengths"])
    for finding in checked.findings:
        style = "bold red" if finding.level == "error" else "yellow"
        console.print(f"{finding.level} [{finding.kind}]: {finding.message}", style=style)
        for place in finding.places[:shown]:
            console.print(f"    {place}")
        if len(finding.places) > shown:
            console.print(f"    ... {len(finding.places) - shown} more; --json FILE has all")
    warnings = len(checked.findings) - checked.errors
    verdict = "do not train yet" if checked.errors else "fit to train on"
    console.print(f"{checked.errors} errors, {warnings} warnings: {verdict}", style="bold")


def _table(console: Console, title: str, rows: Mapping[str, Mapping[str, int]]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table("", *names, title=title, title_justify="left")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[key]:,}" if key in row else "" for key in names))
    console.print(table)


def main(argv: list[str] | None = None) -> None:
    options = _arguments(argv)
    try:
        settings = load_config(_Settings, options.config) if options.config else _Settings()
        limits = Limits(
            rare=options.rare,
            same=options.same,
            window=settings.window if options.window is None else options.window,
            overlap=settings.overlap if options.overlap is None else options.overlap,
        )
        checked = check_data(
            _sources(options.sources, settings),
            labels=options.labels or settings.labels,
            limits=limits,
            tokenizer=_tokenizer(options.model, settings),
        )
        if options.json:
            findings = [asdict(finding) for finding in checked.findings]
            whole = {"errors": checked.errors, "findings": findings, **checked.figures}
            with replacing(options.json) as stream:
                stream.write(json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    except ZhibiaoError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    console = Console(emoji=False, markup=False, highlight=False, soft_wrap=True)
    _print(checked, console, options.show)
    raise SystemExit(1 if checked.errors else 0)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.check_data",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    limits = Limits()
    parser.add_argument("sources", nargs="*", metavar="[NAME=]SOURCE")
    parser.add_argument("--config", help="a training config: labels, window, overlap, sources")
    parser.add_argument("--labels", nargs="+", help="the label set (default: the config's, or six)")
    parser.add_argument("--window", type=int, help=f"default: the config's, or {limits.window}")
    parser.add_argument("--overlap", type=int, help=f"default: the config's, or {limits.overlap}")
    parser.add_argument("--model", metavar="DIR", help="whose tokenizer (default: the embedded's)")
    parser.add_argument("--rare", type=int, default=limits.rare, help="spans a label should have")
    same = "likeness of two splits that is an error"
    parser.add_argument("--same", type=float, default=limits.same, help=same)
    parser.add_argument("--show", type=int, default=5, metavar="N", help="places of a finding")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()

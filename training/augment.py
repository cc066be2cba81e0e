"""Variation of training text in code: swapped names, numbers and years, page noise, punctuation.

Everything works on segments, pieces of text with a label or none, so spans stay exact whatever
changes length. Nothing here writes sentences; it varies what hand-tagged reports hold.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from training.config import Config
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["AugmentConfig", "Augmenter", "Segment"]

_WIDE = "，：；（）！？％"
_NARROW = ",:;()!?%"
_TO_NARROW = str.maketrans(_WIDE, _NARROW)
_TO_WIDE = str.maketrans(_NARROW, _WIDE)
_WIDE_DIGITS = str.maketrans("0123456789.", "０１２３４５６７８９．")
_DIGITS = re.compile(r"[0-9]")
_YEAR = re.compile(r"20[0-2][0-9]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text and its label, or None between spans."""

    text: str
    label: str | None


class AugmentConfig(Config):
    """Probabilities: ``swap_*`` for each span, the others for each window.

    ``swap_mention`` puts another mention of the same label in place of one whose label has no
    swap of its own (mention replacement, Dai and Adel 2020): 指标, and all labels of another set.
    ``mask_years`` counts among the windows whose figures are masked. Those that are zero are
    there to be tried; the embedded model was trained without them.
    """

    swap_organisation: float = 0.35
    swap_company: float = 0.35
    swap_number: float = 0.5
    swap_year: float = 0.3
    swap_unit: float = 0.0
    swap_mention: float = 0.0
    mask_figures: float = 0.06
    mask_years: float = 0.0
    page_noise: float = 0.08
    narrow_punctuation: float = 0.2
    wide_digits: float = 0.02
    join_lines: float = 0.15
    drop_unit: float = 0.01


class Augmenter:
    """Makes varied copies of windows; names come from the training reports it is given."""

    def __init__(self, config: AugmentConfig, reports: Iterable[Report]) -> None:
        self._config = config
        pools: dict[str, set[str]] = {}
        for report in reports:
            for span in report.spans:
                pools.setdefault(span.label, set()).add(report.text[span.start : span.end])
        self._pools = {label: sorted(names) for label, names in pools.items()}

    def __call__(
        self, text: str, spans: Sequence[Span], rng: random.Random
    ) -> tuple[str, list[Span]]:
        """A varied copy of a text with its spans; deterministic for the state of ``rng``."""
        segments = [self._vary(segment, rng) for segment in _segments(text, spans)]
        config = self._config
        if rng.random() < config.mask_figures:
            sign = rng.choice(("x", "X", "*", "**", "xx"))
            segments = [_masked(segment, sign) for segment in segments]
            if config.mask_years and rng.random() < config.mask_years:
                segments = [_masked_year(segment) for segment in segments]
        if rng.random() < config.drop_unit:
            segments = [s for s in segments if s.label != "单位"]
        if rng.random() < config.join_lines:
            joint = rng.choice(("", " "))
            segments = _between(segments, lambda part: part.replace("\n", joint))
        if rng.random() < config.page_noise:
            segments = _with_noise(segments, rng)
        if rng.random() < config.narrow_punctuation:
            table = _TO_NARROW if rng.random() < 0.8 else _TO_WIDE
            segments = [Segment(s.text.translate(table), s.label) for s in segments]
        if rng.random() < config.wide_digits:
            segments = [Segment(s.text.translate(_WIDE_DIGITS), s.label) for s in segments]
        return _joined(segments)

    def _vary(self, segment: Segment, rng: random.Random) -> Segment:
        if not segment.label:
            return segment
        config = self._config
        chance = {
            "机构": config.swap_organisation,
            "企业名": config.swap_company,
            "数值": config.swap_number,
            "年份": config.swap_year,
            "单位": config.swap_unit,
        }.get(segment.label, config.swap_mention)
        if rng.random() >= chance:
            return segment
        if segment.label == "数值":
            return Segment(_other_number(segment.text, rng), segment.label)
        if segment.label == "年份":
            year = str(rng.randint(2005, 2026))
            return Segment(_YEAR.sub(year, segment.text, count=1), segment.label)
        return Segment(rng.choice(self._pools[segment.label]), segment.label)


def _segments(text: str, spans: Sequence[Span]) -> list[Segment]:
    segments: list[Segment] = []
    position = 0
    for span in spans:
        if span.start > position:
            segments.append(Segment(text[position : span.start], None))
        segments.append(Segment(text[span.start : span.end], span.label))
        position = span.end
    if position < len(text):
        segments.append(Segment(text[position:], None))
    return segments


def _joined(segments: Sequence[Segment]) -> tuple[str, list[Span]]:
    spans: list[Span] = []
    length = 0
    for segment in segments:
        if segment.label:
            spans.append(Span(length, length + len(segment.text), segment.label))
        length += len(segment.text)
    return "".join(segment.text for segment in segments), spans


def _other_number(text: str, rng: random.Random) -> str:
    """The same form with other digits; a leading digit stays above zero."""

    def digit(match: re.Match[str]) -> str:
        leading = match.start() == 0 or not text[match.start() - 1].isdigit()
        return str(rng.randint(1 if leading and match.group() != "0" else 0, 9))

    return _DIGITS.sub(digit, text)


def _masked(segment: Segment, sign: str) -> Segment:
    if segment.label == "数值" and _DIGITS.search(segment.text):
        return Segment(re.sub(r"[0-9]+", sign, segment.text), segment.label)
    return segment


def _masked_year(segment: Segment) -> Segment:
    if segment.label == "年份":
        return Segment(re.sub(r"(20)[0-9]{2}", r"\1**", segment.text), segment.label)
    return segment


def _between(segments: list[Segment], change: Callable[[str], str]) -> list[Segment]:
    changed = [s if s.label else Segment(change(s.text), None) for s in segments]
    return [segment for segment in changed if segment.text]


def _with_noise(segments: list[Segment], rng: random.Random) -> list[Segment]:
    """A page number in the middle of some text between spans."""
    places = [i for i, segment in enumerate(segments) if not segment.label]
    if not places:
        return segments
    chosen = rng.choice(places)
    text = segments[chosen].text
    cut = rng.randint(0, len(text))
    page = rng.randint(1, 40)
    noise = rng.choice(
        (f"\n- {page} -\n", f"\n{page}\n", f"\n第{page}页\n", f" {page} ", f"\n—{page}—\n")
    )
    segments = list(segments)
    segments[chosen] = Segment(text[:cut] + noise + text[cut:], None)
    return segments

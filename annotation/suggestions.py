"""What the ML backend answers: the model's predictions, and more of what somebody just drew.

Two sources of suggestions. A *prediction* is what the model finds in a task's text; the model
runs in :class:`SpanQueue`. An *interactive suggestion* is every further occurrence of a string
that an annotator has just labelled (:class:`Drawings`). Both are written with the control names of
the project that asks (:class:`Controls`), so that one backend serves projects with different
labelling configs. No text and no string of a text is ever logged here.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import queue
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from label_studio_sdk.label_interface.interface import LabelInterface

from annotation.interface import asks_for_records
from annotation.regions import to_regions
from annotation.tasks import Suggestion, to_prediction
from zhibiao.errors import FormatError
from zhibiao.linking import link_records
from zhibiao.spans import LABELS, Span

__all__ = ["Controls", "Drawings", "SpanExtractor", "SpanQueue"]

# How many regions one interactive suggestion may add: the browser accepts them all at once.
_MOST = 200
_REMEMBERED = 2_000  # tasks whose drawn regions are remembered

# Where a digit or a letter stands at the edge of a drawn string, none may follow it: the 5 of 15,
# of 1.5 and of 5,300 is another number. Full-width forms and accented letters count too.
_WORD = "0-9A-Za-z０-９Ａ-Ｚａ-ｚÀ-ÖØ-öø-ɏ"
_DIGIT = "0-9０-９"
_WORD_BEFORE = rf"(?<![{_WORD}])(?<![{_DIGIT}][.,．])"
_WORD_AFTER = rf"(?![{_WORD}])(?![.,．][{_DIGIT}])"
_BEGINS_WORD = re.compile(f"[{_WORD}]")

_CHUNK_CHARACTERS = 8_192  # of one request at a time, before another one has its turn

_log = logging.getLogger(__name__)

Key = tuple[str, bytes]
Spans = tuple[Span, ...]
Found = Spans | None  # None: the extractor failed


class SpanExtractor(Protocol):
    """What the backend needs of a model; :class:`zhibiao.extractor.Extractor` is one."""

    @property
    def info(self) -> Mapping[str, Any]:
        """Name, version and hash of the model."""

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        """The spans of each text, lazily and in order."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The part of a labelling config that spans need.

    ``text_key`` is the key of the text in a task's data. ``labels`` maps our labels to what the
    project stores for them: the ``alias`` of a label where it has one, else its ``value``. With
    ``records`` the project asks for records too, as only our own config does.
    """

    from_name: str
    to_name: str
    text_key: str
    labels: Mapping[str, str]
    records: bool = False

    @classmethod
    def read(cls, config: str) -> Controls:
        """Find the Labels over Text of a labelling config; cached by the config itself.

        Of several Labels the one with most of our six labels is taken. What is missing of the
        six is logged once a config.

        Raises:
            FormatError: the config is no XML, or has no Labels with any of our labels over a
                Text whose value is one key of the task's data.
        """
        return _read(config)

    def text(self, data: Any) -> str | None:
        """The text of a task exactly as its data hold it; None where there is none."""
        text = data.get(self.text_key) if isinstance(data, Mapping) else None
        return text if isinstance(text, str) and text.strip() else None

    def prediction(self, spans: Iterable[Span], version: str, text: str = "") -> dict[str, Any]:
        """A prediction as imports make it, with this config's names, without its missing labels;
        with the records of ``text`` where the project asks for them.

        Its score is the mean of the scores of the spans that are shown, 0 without spans, as in
        :func:`annotation.tasks.to_prediction`: predictions of a model sort alike in Label Studio.
        """
        kept = tuple(span for span in spans if span.label in self.labels)
        if self.records:
            return to_prediction(Suggestion(kept, version, tuple(link_records(text, kept))))
        prediction = to_prediction(Suggestion(kept, version))
        prediction["result"] = self.regions(
            Span(span.start, span.end, self.labels[span.label], span.score) for span in kept
        )
        return prediction

    def regions(self, spans: Iterable[Span]) -> list[dict[str, Any]]:
        """Regions with this config's names; the spans' labels are already the project's own."""
        return to_regions(spans, from_name=self.from_name, to_name=self.to_name)

    def drawn(self, result: Any, text: str) -> Iterator[tuple[str, Span]]:
        """Id (may be empty) and span of each usable region of this control in a result list."""
        for region in _regions(result):
            value = region.get("value")
            span = _interval(value, len(text))
            labels = value.get("labels") if isinstance(value, dict) else None
            if span is None or region.get("from_name", self.from_name) != self.from_name:
                continue
            if isinstance(labels, list) and len(labels) == 1 and isinstance(labels[0], str):
                yield str(region.get("id") or ""), Span(*span, labels[0])


@dataclass(slots=True)
class _Drawn:
    """What is remembered of a task; regions as (id, start, end)."""

    answered: set[tuple[str, int, int]] = field(default_factory=set)
    context: set[tuple[str, int, int]] = field(default_factory=set)  # of the last request
    drawn: list[Span] = field(default_factory=list)  # what was new in it


class Drawings:
    """Answers drawn regions with their further occurrences; remembers which it has answered.

    What the browser does (source and behaviour of 1.23): with "Auto-Annotation" on, when a region
    is drawn or resized it sends all regions of the annotation that have its label, and accepts
    whatever comes back at once. So

    - a region is answered once (by task, region id and offsets), else a wrong suggestion that was
      deleted would come back with the next region that is drawn;
    - regions that come from a prediction, or stand in a saved draft or annotation with the same
      id and offsets, were not just drawn;
    - exactly the same regions once more get the same answer; a region without id, which no
      browser sends, always gets one.

    Safe to use from several threads. Memory is bounded: the oldest tasks are forgotten.
    """

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, _Drawn] = OrderedDict()
        self._lock = threading.Lock()

    def suggest(
        self, controls: Controls, project: str, task: Mapping[str, Any], result: Any
    ) -> list[dict[str, Any]]:
        """Regions for the further occurrences of the strings just drawn in a task.

        ``result`` is the ``context.result`` of the request. Occurrences inside or overlapping any
        region of ``result`` or of the task's drafts and annotations are left out (annotations of
        others only until the annotator's own draft tells who that is). At most 200
        regions, in the order of the text for each string, longest string first.
        """
        text = controls.text(task.get("data"))
        if text is None:
            return []
        saved = [entry.get("result") for entry in _own_work(task)]
        known = {
            (name, span.start, span.end)
            for entry in saved
            for name, span in controls.drawn(entry, text)
        }
        taken = bytearray(len(text))
        for region in (region for entry in (result, *saved) for region in _regions(entry)):
            if interval := _interval(region.get("value"), len(text)):
                taken[slice(*interval)] = b"\1" * (interval[1] - interval[0])
        manual = [region for region in _regions(result) if region.get("origin") != "prediction"]
        with self._lock:
            before = self._of_task(f"{project}/{task.get('id')}")
            sent = {
                (name, span.start, span.end): span for name, span in controls.drawn(manual, text)
            }
            if sent.keys() != before.context:
                old = known | before.answered
                before.drawn = [s for key, s in sent.items() if not key[0] or key not in old]
                before.context = set(sent)
            regions = controls.regions(_further(before.drawn, text, taken))
            before.answered |= sent.keys()
            for region in regions:
                # Nobody measured how sure this is, and a shown 1.00 would say that somebody did.
                del region["score"]
                value = region["value"]
                before.answered.add((region["id"], value["start"], value["end"]))
        return regions

    def _of_task(self, task: str) -> _Drawn:
        found = self._tasks.setdefault(task, _Drawn())
        self._tasks.move_to_end(task)
        while len(self._tasks) > _REMEMBERED:
            self._tasks.popitem(last=False)
        return found


class SpanQueue:
    """Computes spans in the background, each text once, and keeps the results.

    One thread computes: the extractor itself uses all cores. Requests take turns by chunks of
    8,192 characters, so that opening one task does not wait for a batch of thousands. What was
    asked for is computed even when nobody waits any longer. Results are kept by hash of model
    and text; the least recently used go when more than ``capacity`` spans are held (about 150
    bytes each; a text counts as one span more than it has). Safe to use from several threads.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        self._capacity = capacity
        self._held = 0
        self._results: OrderedDict[Key, Spans] = OrderedDict()
        self._pending: dict[Key, Future[Found]] = {}
        self._lock = threading.Lock()
        self._turns: queue.PriorityQueue[Any] = queue.PriorityQueue()
        self._order = itertools.count()
        threading.Thread(target=self._work, name="zhibiao-spans", daemon=True).start()

    def spans(self, extractor: SpanExtractor, texts: Sequence[str]) -> list[Future[Found]]:
        """A future for each text; finished already where the result is kept.

        Its result is None where the extractor raised: an exception in a future would end up in
        some log, with whatever of the text its message quotes.
        """
        model = str(extractor.info["hash"])
        found: list[Future[Found]] = []
        fresh: list[tuple[Key, str]] = []
        with self._lock:
            for text in texts:
                # Half a surrogate pair is no UTF-8, but must not fail the other texts.
                key = (model, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
                future = self._pending.get(key)
                if future is None:
                    future = Future()
                    # Someone who stops waiting must not cancel it for the others.
                    future.set_running_or_notify_cancel()
                    if key in self._results:
                        self._results.move_to_end(key)
                        future.set_result(self._results[key])
                    else:
                        self._pending[key] = future
                        fresh.append((key, text))
                found.append(future)
        size = 0
        chunks: dict[int, list[tuple[Key, str]]] = {}
        for key, text in fresh:
            chunks.setdefault(size // _CHUNK_CHARACTERS, []).append((key, text))
            size += len(text) + 1
        for turn, chunk in enumerate(chunks.values()):
            self._turns.put((turn, next(self._order), extractor, chunk))
        return found

    def counts(self) -> dict[str, int]:
        """Texts and spans kept, and texts still to compute."""
        with self._lock:
            kept = len(self._results)
            return {"reports": kept, "spans": self._held - kept, "pending": len(self._pending)}

    def _work(self) -> None:
        while True:
            _, _, extractor, chunk = self._turns.get()
            try:
                computed = extractor.extract_many(text for _, text in chunk)
                for (key, _), spans in zip(chunk, computed, strict=True):
                    self._finish(key, tuple(spans))
            except Exception as error:  # one bad text must not end the thread, nor its neighbours
                left = [item for item in chunk if item[0] in self._pending]
                if len(chunk) > 1:
                    for item in left:
                        self._turns.put((0, next(self._order), extractor, [item]))
                    continue
                _log.error("有一份正文无法抽取（%s）", type(error).__name__)
                for key, _ in left:
                    self._finish(key, None)

    def _finish(self, key: Key, found: Found) -> None:
        with self._lock:
            future = self._pending.pop(key)
            if found is not None:
                self._results[key] = found
                self._held += len(found) + 1
            while self._held > self._capacity and len(self._results) > 1:
                _, old = self._results.popitem(last=False)
                self._held -= len(old) + 1
        future.set_result(found)


def _further(drawn: Sequence[Span], text: str, taken: bytearray) -> list[Span]:
    """Free occurrences of the drawn spans' strings, at most _MOST; marks them in ``taken``."""
    wanted: dict[str, str] = {}
    for span in sorted(drawn, key=lambda span: span.start - span.end):
        if string := text[span.start : span.end].strip():
            wanted.setdefault(string, span.label)
    found: list[Span] = []
    for string, label in wanted.items():
        before = _WORD_BEFORE if _BEGINS_WORD.match(string[0]) else ""
        after = _WORD_AFTER if _BEGINS_WORD.match(string[-1]) else ""
        pattern = re.compile(before + re.escape(string) + after)
        start = 0
        while len(found) < _MOST and (match := pattern.search(text, start)):
            free = not any(taken[match.start() : match.end()])
            if free:
                taken[match.start() : match.end()] = b"\1" * len(string)
                found.append(Span(match.start(), match.end(), label))
            # A taken occurrence may hide a free one that begins inside it.
            start = match.end() if free else match.start() + 1
    return found


def _own_work(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Drafts of the annotator (the server sends no others), and annotations.

    Who asks stands nowhere but in the drafts; once there is one, other people's annotations of
    the task no longer decide what this annotator is offered.
    """
    drafts = _dicts(task.get("drafts"))
    annotations = _dicts(task.get("annotations"))
    names = {draft.get("created_username") for draft in drafts} - {None, ""}
    if names:
        annotations = [a for a in annotations if a.get("created_username") in {*names, None}]
    return [*drafts, *annotations]


def _dicts(items: Any) -> list[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _regions(result: Any) -> list[Mapping[str, Any]]:
    return [item for item in _dicts(result) if item.get("type", "labels") == "labels"]


def _interval(value: Any, length: int) -> tuple[int, int] | None:
    start, end = (value.get("start"), value.get("end")) if isinstance(value, dict) else (None, None)
    # bool is an int in Python, and JSON true is never an offset.
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        return None
    return start, end


@lru_cache(maxsize=256)
def _read(config: str) -> Controls:
    try:
        interface = LabelInterface(config)
        tags = [tag for tag in interface.controls or () if tag.tag == "Labels"]
    except Exception as error:  # the SDK's parser raises many kinds, of several libraries
        raise FormatError("标注界面的配置不是合格的 XML；请在项目设置里修正") from error
    found: list[Controls] = []
    problem = "没有 <Labels>"
    for tag in tags:
        texts = [target for target in tag.objects if target.tag == "Text"]
        labels = _labels(tag.labels_attrs)
        if not texts:
            problem = f"<Labels name={tag.name!r}> 不在 <Text> 上"
        elif not texts[0].value_is_variable:
            problem = f"<Text name={texts[0].name!r}> 的 value 不是单独一个 $键名"
        elif texts[0].value_type == "url":
            problem = f"<Text name={texts[0].name!r}> 的正文是网址，任务数据里没有正文"
        elif not labels:
            problem = f"<Labels name={tag.name!r}> 里没有{'、'.join(LABELS)}中的任何一个"
        else:
            names = (tag.name, texts[0].name, texts[0].value_name)
            found.append(Controls(*names, labels, asks_for_records(config)))
    if not found:
        raise FormatError(
            f"标注界面的配置{problem}；请用 python -m annotation create 的配置，"
            "或加上覆盖 <Text> 的 <Labels>"
        )
    best = max(found, key=lambda controls: len(controls.labels))
    if missing := [label for label in LABELS if label not in best.labels]:
        _log.warning(
            "标注界面的 <Labels name=%r> 没有标签%s；这些片段不作建议",
            best.from_name,
            "、".join(missing),
        )
    return best


def _labels(tags: Mapping[str, Any] | None) -> dict[str, str]:
    """Our labels among those of a control, mapped to what results store for them."""
    stored: dict[str, str] = {}
    for tag in (tags or {}).values():
        value, alias = str(tag.attr.get("value", "")), str(tag.attr.get("alias", ""))
        for name in (alias, value):
            if name in LABELS:
                stored.setdefault(name, alias or value)
    return stored

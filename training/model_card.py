"""Write a model's card: MODEL/README.md, from what was recorded, measured, and written by hand.

    python -m training.model_card MODEL --evaluation FILE.json [FILE.json ...] --about FILE.yaml

FILE.json is what training.evaluate_model --json wrote for this very model: calibrate and export
first, evaluate then, write the card last. FILE.yaml is the part that a person writes; the embedded
model's is configs/cards/compact.yaml. Data and compute come from MODEL/zhibiao.json. Of the first
training source that has a label three strings are shown, so look at the card before you publish it.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field
from safetensors import safe_open

from training.config import Config, load_config, options_of
from training.dataset import data_hash
from training.evaluation.partial import SCHEMAS
from training.program import one_line_errors
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError, ModelError, ZhibiaoError
from zhibiao.files import replacing
from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory
from zhibiao.reports import Report

__all__ = ["About", "write_card"]

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_EXAMPLES = 3  # strings shown for each label

# What zhibiao.json of a trained model has, and that of another model may lack.
_RECORDED = ("seed", "config", "export", "calibration", "compute", "training", "packages", "git")

# evaluate_model's own defaults, which a command need not name.
_RESAMPLES, _SEED, _TARGET = 2000, 13, "spans"


class About(Config):
    """What a person writes about a model; texts are Markdown."""

    title: str
    """Heading of the card and name in the model index."""

    description: str
    """What the model is and does, in Chinese."""

    description_en: str
    """The same in English, one paragraph; the measured F1 is added to it."""

    license: str
    """The hub's name of the licence, such as apache-2.0."""

    licences: str
    """Licences of weights, code and data, and what they ask of users."""

    intended_use: str
    """What it is for, and how its answers should be used."""

    limits: str
    """Where it was not tested, what it gets wrong."""

    training: str = ""
    """How it was trained, beyond what zhibiao.json records."""

    compute: str = ""
    """Measured cost of what zhibiao.json does not record, such as earlier stages."""

    score_notes: str = ""
    """What a reader of the scores should know."""

    names: dict[str, str] = Field(default_factory=dict)
    """Data source to what the card calls it."""

    base_model: str | None = None
    """Hub name of the model it comes from."""

    tags: list[str] = Field(default_factory=list)
    """Tags on the hub."""


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """The results by data source of one file of evaluate_model, and the command behind them."""

    command: str
    results: Mapping[str, Any]


def write_card(
    model: str | Path, evaluations: Sequence[str | Path], about: About, output: str | Path
) -> None:
    """Write the card of a model directory to ``output``.

    Raises:
        ModelError: the directory is not complete, or an evaluation is of another model.
        FormatError: an evaluation cannot be read, or two have the same source.
        OutputError: the place is not writable.
    """
    directory = ModelDirectory.open(model, labels=None)
    settings = dict.fromkeys(_RECORDED) | _read_object(directory.path / "zhibiao.json")
    measured = [_read_evaluation(path, directory) for path in evaluations]
    rows = _rows(measured, about)
    template = _environment().get_template("model_card.md.j2")
    card = template.render(
        front_matter=_front_matter(about, rows).to_yaml(),
        about=about,
        model=directory,
        settings=settings,
        shape=_shape(directory),
        files=_files(directory.path),
        commands=[evaluation.command for evaluation in measured],
        rows=rows,
        schemas=[name for name in SCHEMAS if name != "strict"],
        data=_data(settings, directory.labels),
    )
    ModelCard(card)  # raises on front matter that is no YAML or no model index
    with replacing(output) as stream:
        stream.write(card)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise FormatError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(data, dict):
        raise FormatError(f"{path}: expected a JSON object")
    return data


def _read_evaluation(path: str | Path, directory: ModelDirectory) -> _Evaluation:
    results = _read_object(Path(path))
    try:
        hashes = {result["model"]["hash"] for result in results.values()}
        if hashes - {directory.digest}:
            raise ModelError(
                f"{path}: scores of model {min(hashes - {directory.digest})}, but {directory.path} "
                f"is {directory.digest}; run training.evaluate_model --json again for it, after "
                "export and calibrate"
            )
        return _Evaluation(_command(directory.path, results), results)
    except (TypeError, KeyError, StopIteration) as error:
        raise FormatError(
            f"{path}: no figures of training.evaluate_model --json; write it again"
        ) from error


def _command(model: Path, results: Mapping[str, Any]) -> str:
    """The command that measured these results, as far as they tell."""
    words = ["python", "-m", "training.evaluate_model"]
    if model.resolve() != EMBEDDED_MODEL.resolve():
        words += ["--model", str(model)]
    words += ["--data", *results]
    first = next(iter(results.values()))
    fitted, intervals = first["calibration"], first["intervals"]
    if fitted["fitted_on"]:
        words += ["--validation", fitted["fitted_on"]]
        if fitted["target"] != _TARGET:
            words += ["--target", fitted["target"]]
    if first["thresholds"]:
        words += ["--precision", str(first["thresholds"]["wanted"])]
    if not (model / "model.onnx").is_file():
        words += ["--backend", "torch"]
    if intervals["resamples"] != _RESAMPLES:
        words += ["--resamples", str(intervals["resamples"])]
    if intervals["seed"] != _SEED:
        words += ["--seed", str(intervals["seed"])]
    return shlex.join(words)


def _rows(measured: Sequence[_Evaluation], about: About) -> list[dict[str, Any]]:
    """One row a data source: ``source``, ``name``, ``command`` (its number) and ``result``."""
    rows: dict[str, dict[str, Any]] = {}
    for number, evaluation in enumerate(measured, start=1):
        for source, result in evaluation.results.items():
            if source in rows:
                raise FormatError(f"{source!r} is in two evaluations; give one of them")
            name = about.names.get(source, source)
            rows[source] = {"source": source, "name": name, "command": number, "result": result}
    return list(rows.values())


def _front_matter(about: About, rows: Sequence[Mapping[str, Any]]) -> ModelCardData:
    results = [
        EvalResult(
            task_type="token-classification",
            dataset_type=row["source"],
            dataset_name=row["name"],
            dataset_split=row["source"].rpartition(":")[2] if ":" in row["source"] else None,
            metric_type=metric,
            metric_name=f"strict micro {metric}, whole reports",
            metric_value=row["result"]["micro"][metric],
        )
        for row in rows
        for metric in ("f1", "precision", "recall")
    ]
    return ModelCardData(
        language="zh",
        license=about.license,
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=about.base_model,
        tags=about.tags or None,
        metrics=["f1", "precision", "recall"],
        model_name=about.title,
        eval_results=results,
    )


def _shape(directory: ModelDirectory) -> dict[str, Any]:
    config = _read_object(directory.path / "config.json")
    path = directory.path / "model.safetensors"
    parameters = 0
    if path.is_file():
        with safe_open(path, framework="numpy") as held:
            for name in held.keys():  # noqa: SIM118
                size = 1
                for side in held.get_slice(name).get_shape():
                    size *= side
                parameters += size
    return {
        "type": config.get("model_type"),
        "layers": config.get("num_hidden_layers"),
        "hidden": config.get("hidden_size"),
        "vocabulary": config.get("vocab_size"),
        "parameters": parameters,
    }


def _files(folder: Path) -> dict[str, float]:
    """Sizes in megabytes (10^6 bytes) of the files that the card explains and that are there."""
    names = ("model.onnx", "model.safetensors", "history.json")
    return {n: (folder / n).stat().st_size / 1e6 for n in names if (folder / n).is_file()}


def _data(settings: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """``splits`` as recorded; ``spans`` of each label in each; ``examples``; ``notes`` on doubts.

    Spans and examples are read from the sources, where they can be; the notes say when those are
    not, or no longer, what the model was trained on.
    """
    found: dict[str, Any] = {"splits": {}, "spans": {}, "examples": {}, "notes": []}
    for split, recorded in settings.get("data", {}).items():
        sources = recorded.get("sources") or (settings["config"] or {}).get(split, [])
        read: list[Report] = []
        unread = []
        for source in sources:
            try:
                reports = read_reports(source, tuple(labels))
            except (ZhibiaoError, OSError) as error:
                unread.append(source)
                found["notes"].append(f"{source} 在生成本说明时读不到，没有算进去（{error}）")
                continue
            read += reports
            if split == "train":
                for label, examples in _examples(reports, labels).items():
                    found["examples"].setdefault(label, examples)
        found["splits"][split] = {**recorded, "sources": sources}
        if not read:
            continue
        found["spans"][split] = Counter(span.label for report in read for span in report.spans)
        if not unread and data_hash(read) != recorded.get("hash"):
            found["notes"].append(
                f"{'、'.join(sources)} 后来改动过（现在的哈希 {data_hash(read)}）："
                "片段和例子取自现在的内容，不是训练时的"
            )
    return found


def _examples(reports: Sequence[Report], labels: Sequence[str]) -> dict[str, list[str]]:
    """Of each label that occurs the strings that stand in most reports, first met first."""
    counts: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for report in reports:
        strings = {(span.label, report.text[span.start : span.end]): None for span in report.spans}
        for label, string in strings:
            counts[label][string] += 1
    return {
        label: [string for string, _ in found.most_common(_EXAMPLES)]
        for label, found in counts.items()
        if found
    }


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML: what comes from data goes through ``plain``
    )
    environment.filters |= {"plain": _plain, "figure": _figure, "span": _span, "clock": _clock}
    return environment


def _plain(value: object) -> str:
    """A value as text that neither Markdown nor a table row mistakes for markup."""
    text = html.escape(" ".join(str(value).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)


def _figure(value: float) -> str:
    return f"{value:.3f}"


def _span(interval: Sequence[float] | None, trusted: bool) -> str:
    """An interval as a table cell shows it after its value, with a star when there is doubt."""
    if interval is None:
        return ""
    return f" [{interval[0]:.3f}, {interval[1]:.3f}]{'' if trusted else chr(92) + '*'}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} 小时 {minutes} 分" if hours else f"{minutes} 分 {rest} 秒"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"keys of FILE.yaml and their defaults:\n{options_of(About)}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="model directory")
    parser.add_argument(
        "--evaluation", nargs="+", required=True, metavar="FILE.json", help="scores of this model"
    )
    parser.add_argument("--about", required=True, metavar="FILE.yaml", help="what people write")
    parser.add_argument("--output", metavar="FILE", help="default: MODEL/README.md")
    options = parser.parse_args(argv)
    output = Path(options.output or options.model / "README.md")
    with one_line_errors(parser):
        write_card(options.model, options.evaluation, load_config(About, options.about), output)
    print(output)


if __name__ == "__main__":
    main()

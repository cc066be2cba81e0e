"""Records as Parquet, for programs that read columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from inference.prediction import Prediction
from inference.run import Run
from inference.writers.sentences import sentence_around
from zhibiao.errors import OutputError
from zhibiao.files import replacing

__all__ = ["check_parquet", "write_parquet"]

_GROUP_ROWS = 20_000


def check_parquet(target: Path) -> None:
    """Refuse when pyarrow is not installed, or when the target is a folder.

    Raises:
        OutputError: says what to install or to move.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise OutputError(
            f"{target}：写 Parquet 需要 pyarrow；请运行 pip install 'zhibiao[parquet]'，"
            "或去掉这个格式"
        ) from error
    if target.is_dir():
        raise OutputError(f"{target}：这里应是文件，却已有同名文件夹；请换一个输出文件夹")


@contextmanager
def write_parquet(path: Path, run: Run) -> Iterator[Callable[[Prediction], None]]:
    """Write one row a record with the fields of ``Record.to_dict``, mentions as text and offset.

    ``value_number``, ``value_low`` and ``value_high`` are doubles; the same names with ``_exact``
    are the decimals as texts, for what a double cannot hold.
    """
    # Heavy, and only wanted by those who ask for this format.
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(run)
    waiting: list[dict[str, Any]] = []
    with (
        replacing(path) as stream,
        pq.ParquetWriter(cast(TextIO, stream).buffer, schema) as writer,
    ):

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
            waiting.clear()

        def write(prediction: Prediction) -> None:
            waiting.extend(_rows(prediction))
            if len(waiting) >= _GROUP_ROWS:
                flush()

        yield write
        flush()


def _schema(run: Run) -> Any:
    import pyarrow as pa

    text, offset, number = pa.string(), pa.int64(), pa.float64()
    fields: list[tuple[str, Any]] = [
        ("id", text),
        ("source", text),
        ("value", text),
        ("value_start", offset),
        ("value_end", offset),
        ("unit", text),
        ("indicator", text),
        ("indicator_start", offset),
        ("qualifier", text),
        ("subject", pa.list_(text)),
        ("year", text),
        ("year_value", text),
        ("measure", text),
        ("status", text),
        ("bound", text),
        *((name, number) for name in _NUMBERS),
        *((f"{name}_exact", text) for name in _NUMBERS),
        ("unit_base", text),
        ("confidence", pa.map_(text, number)),
        ("notes", pa.list_(text)),
        ("sentence", text),
        ("page", pa.int32()),
        ("paragraph", pa.int32()),
    ]
    model = {str(key): str(value) for key, value in run.model.items()}
    return pa.schema(fields, metadata={f"zhibiao.model.{key}": model[key] for key in model})


_NUMBERS = ("value_number", "value_low", "value_high")


def _rows(prediction: Prediction) -> Iterator[dict[str, Any]]:
    report = prediction.report
    for record in prediction.records:
        found = record.to_dict(report.id)
        place = prediction.place_at(record.value.start)
        numbers = {name: found.get(name) for name in _NUMBERS}
        yield {
            **{name: found[name] for name in ("id", "qualifier", "year_value", "measure")},
            **{name: found[name] for name in ("status", "bound", "notes")},
            **{name: mention and mention["text"] for name, mention in _mentions(found)},
            **{name: None if n is None else float(n) for name, n in numbers.items()},
            **{f"{name}_exact": n for name, n in numbers.items()},
            "source": report.source,
            "value_start": record.value.start,
            "value_end": record.value.end,
            "indicator_start": record.indicator and record.indicator.start,
            "subject": [mention.text for mention in record.subject],
            "unit_base": found.get("unit_base"),
            "confidence": list(found["confidence"].items()),
            "sentence": sentence_around(report.text, record.value.start, record.value.end),
            "page": place and place.page,
            "paragraph": place and place.paragraph,
        }


def _mentions(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for name in ("value", "unit", "indicator", "year"):
        yield name, found[name]

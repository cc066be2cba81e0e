"""Writing predictions to the output folder, in all formats at once or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from inference.options import Options
from inference.prediction import Prediction
from inference.run import Run
from inference.writers import FORMATS, SPAN_FORMATS, Format
from zhibiao.errors import OutputError
from zhibiao.journal import Journal

__all__ = ["formats_of", "output_errors", "output_folder", "targets_in", "write_outputs"]


def formats_of(options: Options) -> list[Format]:
    """The formats that the options name, of records or of spans alone."""
    known = FORMATS if options.records else SPAN_FORMATS
    return [known[name] for name in options.formats]


def targets_in(folder: Path) -> set[Path]:
    """What a run may write in its output folder, whatever its formats: never its own input."""
    return {folder / one.target for one in (*FORMATS.values(), *SPAN_FORMATS.values())}


def write_outputs(
    predictions: Iterable[Prediction],
    folder: Path,
    formats: Sequence[Format],
    facts: Run,
    journal: Journal,
) -> None:
    """Give each prediction to ``facts`` and to the writers of ``formats``.

    When anything raises, ``folder`` is left as it was.
    """
    with ExitStack() as stack:
        writers = [stack.enter_context(one.write(folder / one.target, facts)) for one in formats]
        for prediction in predictions:
            facts.add(prediction)
            for write in writers:
                write(prediction)
            journal.done(prediction.report.size)


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Make the folder where it is missing, and unmake what was made when the block raises."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder}：不是文件夹；请换一个输出文件夹") from error
    try:
        yield
    except BaseException:
        for path in missing:
            # Somebody may have put files there meanwhile; those stay.
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


@contextmanager
def output_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system (unwritable folder, full disk) into OutputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{folder}：无法写入（{reason}）；请换一个可写、空间足够的文件夹"
        ) from error

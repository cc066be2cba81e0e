"""What an actor of the job does: a part of the plan at a time, from files to committed results."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inference.distributed.attempts import Attempts
from inference.distributed.parts import commit_part, read_manifest
from inference.distributed.pieces import Piece
from inference.distributed.plan import PartPlace, Plan
from inference.distributed.reading import Failures, read_piece
from inference.pipeline import SpanExtractor, predict
from inference.prediction import Prediction
from zhibiao.errors import ZhibiaoError
from zhibiao.inputs import Input

__all__ = ["Engine", "PartWorker"]

_STANDARD_ERROR = 2


@dataclass(frozen=True)
class Engine:
    """The model of a job, known everywhere and loaded once by each actor."""

    model: str | None = None
    backend: str = "onnx"
    device: str = "cpu"
    threads: int = 1

    def info(self) -> Mapping[str, Any]:
        """Name, version and hash of the model, without loading it.

        Raises:
            ModelError: the model folder cannot be used.
        """
        from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory

        found = ModelDirectory.open(self.model or EMBEDDED_MODEL)
        return {"name": found.name, "version": found.version, "hash": found.digest}

    def load(self) -> SpanExtractor:
        """The extractor, ready for work.

        Raises:
            ModelError: the model folder cannot be used.
        """
        from zhibiao.extractor import Extractor

        return Extractor.from_pretrained(
            self.model, backend=self.backend, device=self.device, threads=self.threads
        )


class PartWorker:
    """Does parts; Ray Data calls it with rows of the plan and gets back what it counted.

    A report that takes longer than ``patience`` seconds ends the process, as a crash would.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        *,
        records: bool,
        keep_boilerplate: bool,
        patience: float,
    ) -> None:
        self._plan = plan
        self._records = records
        self._keep_boilerplate = keep_boilerplate
        self._patience = patience
        self._extractor = engine.load()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Do the parts whose places in the plan are the rows of ``batch``."""
        done = [
            self.work(PartPlace(int(part), int(start), int(length)))
            for part, start, length in zip(
                batch["part"], batch["start"], batch["length"], strict=True
            )
        ]
        return {name: [row[name] for row in done] for name in done[0]}

    def work(self, place: PartPlace) -> dict[str, Any]:
        """Do one part, unless it is done; ``error`` says why it could not be committed.

        ``seconds`` is the time it took, ``cpu`` the time of processors in it.
        """
        started, used = time.monotonic(), time.process_time()
        try:
            manifest, error = self._manifest(place), ""
        except ZhibiaoError as problem:
            manifest, error = {"reports": 0, "characters": 0, "failures": []}, str(problem)
        return {
            "part": place.part,
            "reports": manifest["reports"],
            "characters": manifest["characters"],
            "failures": len(manifest["failures"]),
            "seconds": time.monotonic() - started,
            "cpu": time.process_time() - used,
            "error": error,
        }

    def _manifest(self, place: PartPlace) -> dict[str, Any]:
        store = self._plan.store
        done = read_manifest(store, place.part)
        if done is not None:
            return done
        attempts = Attempts(store, place.part)
        pieces = list(self._plan.pieces(place))
        careful = attempts.begin()
        try:
            if careful:
                return self._carefully(place, pieces, attempts)
            try:
                failures = Failures()
                return self._commit(place, self._swiftly(pieces, failures), failures)
            except ZhibiaoError:
                raise
            except Exception:
                # One report has upset the extractor; report by report it will show which.
                return self._carefully(place, pieces, attempts)
        finally:
            faulthandler.cancel_dump_traceback_later()
            attempts.end()

    def _commit(
        self, place: PartPlace, predictions: Iterator[Prediction], failures: Failures
    ) -> dict[str, Any]:
        plan = self._plan
        return commit_part(
            plan.store,
            place.part,
            plan.digest,
            predictions,
            failures,
            self._extractor.info,
            records=self._records,
        )

    def _swiftly(self, pieces: list[Piece], failures: Failures) -> Iterator[Prediction]:
        def inputs() -> Iterator[Input]:
            for piece in pieces:
                self._watch()
                for item in read_piece(piece, failures, keep_boilerplate=self._keep_boilerplate):
                    yield item
                    self._watch()

        yield from predict(inputs(), self._extractor, failures, records=self._records)

    def _carefully(
        self, place: PartPlace, pieces: list[Piece], attempts: Attempts
    ) -> dict[str, Any]:
        failures = Failures()

        def predictions() -> Iterator[Prediction]:
            for piece in pieces:
                where = piece.name if piece.lines is None else f"{piece.name}:{piece.lines.first}"
                if not self._is_safe(f"read {where}", where, attempts, failures):
                    continue
                for item in read_piece(piece, failures, keep_boilerplate=self._keep_boilerplate):
                    if self._is_safe(item.source, item.source, attempts, failures):
                        yield from self._one(item, failures)
                    attempts.note(f"read {where}")

        return self._commit(place, predictions(), failures)

    def _one(self, item: Input, failures: Failures) -> Iterator[Prediction]:
        try:
            yield from list(predict([item], self._extractor, failures, records=self._records))
        except Exception as error:
            failures.failure(
                f"{item.source}：无法抽取（{type(error).__name__}：{error}）；"
                "请把这份报告交给开发者",
                source=item.source,
            )

    def _is_safe(self, key: str, name: str, attempts: Attempts, failures: Failures) -> bool:
        if attempts.is_deadly(key):
            failures.failure(
                f"{name}：工作进程两次停在这里（崩溃、内存不足或超过 {self._patience:g} 秒），"
                "已隔离；请单独检查",
                source=name,
            )
            return False
        attempts.note(key)
        self._watch()
        return True

    def _watch(self) -> None:
        """Wait for the next report from now on; a parser in C that hangs is ended too."""
        faulthandler.dump_traceback_later(self._patience, exit=True, file=_STANDARD_ERROR)

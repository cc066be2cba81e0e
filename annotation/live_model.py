"""A model that is replaced while it serves, when its directory changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from annotation.suggestions import SpanExtractor
from zhibiao.errors import ZhibiaoError
from zhibiao.model_directory import EMBEDDED_MODEL

__all__ = ["LiveModel", "model_version"]

_FILES = ("zhibiao.json", "model.onnx", "config.json", "tokenizer.json", "model.safetensors")
_SETTLED_SECONDS = 0.3  # a directory that does not change for so long is taken to be complete
_LOOKS = 5
_PATIENCE_SECONDS = 2.0  # for a new model, of the 3 s that Label Studio waits for /setup

_log = logging.getLogger(__name__)


class LiveModel:
    """The model of a directory, replaced without restart when the files of the directory change.

    A look costs a ``stat`` of five files. A directory that is still being written (it changes
    between two looks, or cannot be loaded) leaves the old model in place; why is logged once and
    kept in ``problem``. To change a model safely in one step, let the path be a symbolic link and
    turn that. ``load`` opens a directory. Safe to use from several threads.

    Raises:
        ModelError: (when made) the directory cannot be used.
    """

    def __init__(self, path: Path | None, load: Callable[[Path], SpanExtractor]) -> None:
        self.path = EMBEDDED_MODEL if path is None else path
        self.problem = ""
        self._load = load
        self._seen = self._signature()
        self._model = load(self.path)
        self.version = model_version(self._model)
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="zhibiao-load")
        self._loading: Future[None] | None = None
        self._lock = threading.Lock()

    def current(self) -> SpanExtractor:
        """The newest model that loads; waits up to 2 s for a change to be loaded."""
        with self._lock:
            if self._loading is None or self._loading.done():
                if self._signature() == self._seen:
                    return self._model
                self._loading = self._loader.submit(self._reload)
            loading = self._loading
        try:
            loading.result(_PATIENCE_SECONDS)
        except TimeoutError:
            _log.info("新模型还在载入；暂用 %s", self.version)
        return self._model

    def _reload(self) -> None:
        seen, looks = self._signature(), 0
        while True:
            time.sleep(_SETTLED_SECONDS)
            if (now := self._signature()) == seen:
                break
            seen, looks = now, looks + 1
            if looks == _LOOKS:
                return  # still being written; the next request looks again
        try:
            model = self._load(self.path)
            version = model_version(model)
        except Exception as error:  # whatever is wrong with new files, the old model still works
            reason = str(error) if isinstance(error, ZhibiaoError) else type(error).__name__
            self.problem = f"新的模型文件用不了，继续用 {self.version}：{reason}"
            _log.error(self.problem)
            self._seen = seen
            return
        if self._signature() != seen:
            return  # what was loaded may be half old, half new
        if version != self.version:
            _log.info("换上新模型：%s → %s", self.version, version)
        self._model, self.version, self.problem, self._seen = model, version, "", seen

    def _signature(self) -> tuple[Any, ...]:
        found: list[Any] = []
        for name in _FILES:
            try:
                stat = (self.path / name).stat()
            except OSError:
                found.append(None)
            else:
                found.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(found)


def model_version(model: SpanExtractor) -> str:
    """The name under which Label Studio shows a model's predictions; changes with the model."""
    return f"{model.info['name']}-{model.info['hash']}"

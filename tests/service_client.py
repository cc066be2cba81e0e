"""What the tests of the service share: its application in this process, and answers to compare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient

from inference.pipeline import SpanExtractor
from inference.prediction import Prediction
from inference.service import Settings, create_app
from zhibiao import Extractor, link_records
from zhibiao.inputs import Input
from zhibiao.spans import Span

TEXT = "2019年，云溪县科技局受理专利申请量达457件，同比增长6.5%，投入项目资金320万元。"
OTHER = "今年全镇实现工业产值18亿元，新增高新技术企业3家。"


@contextmanager
def serving(extractor: SpanExtractor, **settings: Any) -> Iterator[TestClient]:
    """A client of the service in this process, running as long as the block."""
    app = create_app(Settings(**settings), extractor)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def alone(
    extractor: SpanExtractor, text: str, report_id: str, source: str = "", records: bool = True
) -> dict[str, Any]:
    """What the extractor says of this text alone, as the service gives it."""
    (spans,) = extractor.extract_many([text])
    rows = link_records(text, spans) if records else []
    report = Input(report_id, source or report_id, text, None, 0)
    return Prediction(report, spans, rows).to_dict(extractor.info)


def code_of(answer: Any) -> str:
    """The code of an error, after looking at the form that every error has."""
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    message = body["error"]["message"]
    assert any("\u4e00" <= character <= "\u9fff" for character in message)
    assert "\n" not in message
    code: str = body["error"]["code"]
    return code


class BrittleExtractor:
    """The real extractor, but for texts with 坏, which make it fail."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self.batches: list[list[str]] = []

    @property
    def info(self) -> dict[str, str]:
        """Those of the real one."""
        return self._extractor.info

    def extract_many(self, texts: Any, /) -> Iterator[list[Span]]:
        """Spans of each text."""
        batch = list(texts)
        self.batches.append(batch)
        if any("坏" in text for text in batch):
            raise RuntimeError(f"cannot: {batch}")
        return self._extractor.extract_many(batch)

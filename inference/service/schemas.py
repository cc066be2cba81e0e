"""The JSON that the service takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from inference.service.examples import BATCH, ERROR, EXTRACT, MODEL, PREDICTION

__all__ = [
    "BatchAnswer",
    "BatchRequest",
    "ErrorAnswer",
    "ExtractRequest",
    "FileAnswer",
    "ModelAnswer",
    "PredictionAnswer",
]


def _whole(text: str) -> str:
    """The text, unless it has half a surrogate pair: JSON can bring one, nothing can write it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("string_unicode", "half a surrogate pair") from error
    return text


_Records = Annotated[
    StrictBool, Field(description="是否把实体连成记录；false 时只给实体，records 是空的")
]
_Id = Annotated[
    StrictStr,
    Field(min_length=1, max_length=500, description="报告的编号，原样出现在结果里"),
    AfterValidator(_whole),
]
_Text = Annotated[
    StrictStr,
    Field(description="报告全文；结果里的位置按 Unicode 码点计，左闭右开"),
    AfterValidator(_whole),
]


class _Strict(BaseModel):
    """An object without unknown keys.

    pydantic's own ``extra="forbid"`` makes an error of each key, and a body can have a million.
    """

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.keys() <= cls.model_fields.keys():
            raise PydanticCustomError("unknown_key", "unknown key")
        return data


class ExtractRequest(_Strict):
    """A text to extract from."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXTRACT]})

    text: _Text
    id: _Id = "text"
    records: _Records = True


class ReportRequest(_Strict):
    """One text of a batch."""

    id: _Id
    text: _Text


class BatchRequest(_Strict):
    """Several texts at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [BATCH]})

    # One wrong report is enough to refuse: a body can have a million of them.
    reports: Annotated[list[ReportRequest], FailFast()] = Field(
        min_length=1, description="报告；编号由调用方负责不重复"
    )
    records: _Records = True


class SpanAnswer(BaseModel):
    """An entity."""

    start: int
    end: int
    label: Literal["机构", "指标", "数值", "单位", "年份", "企业名"]
    text: str
    score: float = Field(description="概率，0 到 1")


class PredictionAnswer(BaseModel):
    """A report and what was found in it."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTION]})

    id: str
    source: str = Field(description="文件名；JSONL 中的报告带行号；直接给文本时同编号")
    text: str = Field(description="所有位置都指这个文本")
    spans: list[SpanAnswer] = Field(description="实体，按位置排列，互不重叠")
    records: list[dict[str, Any]] = Field(description="记录，每个数值一条；各栏见 docs/records.md")
    model: dict[str, str] = Field(description="模型的名字、版本和摘要")
    warnings: list[str] = Field([], description="要告诉人的话；没有时可能没有这一项")


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="给程序看的短名")
    message: str = Field(description="给人看的一行中文，含怎么办")


class ErrorAnswer(BaseModel):
    """Every answer that is no result."""

    model_config = ConfigDict(json_schema_extra={"examples": [ERROR]})

    error: ErrorDetail


class FailedReport(BaseModel):
    """A report of several that could not be done."""

    id: str
    error: ErrorDetail


class BatchAnswer(BaseModel):
    """The results of several reports, in their order."""

    results: list[PredictionAnswer | FailedReport]


class FileAnswer(PredictionAnswer):
    """A file that was read, and what was found in it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**PREDICTION, "warnings": []}]})

    warnings: list[str] = Field(description="读文件时跳过了什么、没有把握的地方")


class ModelAnswer(BaseModel):
    """The model, and what a request may hold."""

    model_config = ConfigDict(json_schema_extra={"examples": [MODEL]})

    name: str
    version: str
    hash: str
    labels: list[str]
    suffixes: list[str] = Field(description="能读的文件后缀")
    limits: dict[str, int | float] = Field(description="限制；见 docs/operations.md")

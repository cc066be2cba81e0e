"""The addresses of the service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process
from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from fastapi.security import HTTPBearer

from inference.service.engine import Engine, Outcome
from inference.service.guard import State
from inference.service.metrics import METRICS_TYPE, Metrics
from inference.service.problems import ProblemError
from inference.service.reading import FileTexts, label_of, read_file
from inference.service.schemas import (
    BatchAnswer,
    BatchRequest,
    ErrorAnswer,
    ExtractRequest,
    FileAnswer,
    ModelAnswer,
    PredictionAnswer,
)
from inference.service.settings import Settings
from zhibiao.errors import LimitError, ZhibiaoError
from zhibiao.inputs import Input
from zhibiao.sources import KNOWN_SUFFIXES
from zhibiao.spans import LABELS

__all__ = ["Service", "router"]


@dataclass(slots=True)
class Service:
    """A worker of the service; ``engine`` and ``readers`` are there once it is ready."""

    settings: Settings
    metrics: Metrics
    state: State = field(default_factory=State)
    engine: Engine | None = None
    readers: CapacityLimiter | None = None


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


_Service = Annotated[Service, Depends(_service)]
_REASONS = {
    400: "JSON 或表单有误",
    401: "没有口令，或口令不对",
    408: "请求体到得太慢",
    413: "字节、字符、页数或份数超过限制",
    415: "不认识的内容类型或文件后缀",
    422: "内容不对，或文件读不出文字",
    503: "太忙，或正在启动；过 Retry-After 秒再试",
    504: "没有在规定时间内算完",
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": reason} for status, reason in _REASONS.items()
}

router = APIRouter()
_v1 = APIRouter(
    prefix="/v1",
    responses=_ERRORS,
    # The guard checks the token, before a body is read; this only describes it.
    dependencies=[Depends(HTTPBearer(auto_error=False, description="启动服务时设定的口令"))],
)


@_v1.post("/extract", tags=["抽取"], summary="抽取一段文本", response_model=PredictionAnswer)
async def extract(asked: ExtractRequest, service: _Service) -> Response:
    """从一份报告的全文里找出实体，连成记录。"""
    report = Input(asked.id, asked.id, asked.text, None, 0)
    (outcome,) = await _predict(service, [report], records=asked.records)
    return _only(outcome)


@_v1.post("/batches", tags=["抽取"], summary="抽取几段文本", response_model=BatchAnswer)
async def batches(asked: BatchRequest, service: _Service) -> Response:
    """一次送来几份报告，结果与它们次序相同；做不了的一份给出 id 和 error，其余照常。"""
    reports = [Input(one.id, one.id, one.text, None, 0) for one in asked.reports]
    return _several(await _predict(service, reports, records=asked.records))


@_v1.post("/files", tags=["抽取"], summary="抽取一个文件", response_model=FileAnswer | BatchAnswer)
async def files(
    request: Request,
    service: _Service,
    file: Annotated[UploadFile, File(description="文件，后缀决定怎么读")],
    records: Annotated[bool, Form(description="是否把实体连成记录")] = True,
    keep_boilerplate: Annotated[bool, Form(description="保留网页导航、页眉页脚等非正文")] = False,
) -> Response:
    """读一个文件并抽取。报告 JSONL 里有多份报告，结果是 results，其余后缀是一份结果。"""
    if len((await request.form()).getlist("file")) > 1:
        raise ProblemError(422, "invalid", "一次只能传一个文件；请分几次传")
    label = label_of(file.filename or "")
    suffix = PurePosixPath(label).suffix.lower()
    if suffix not in KNOWN_SUFFIXES:
        known = " ".join(KNOWN_SUFFIXES)
        raise ProblemError(
            415, "unsupported_type", f"{label}：不能读这种文件；可用的后缀：{known}，请另存后再传"
        )
    data = await file.read()
    try:
        found = await _read(service, data, label, keep_boilerplate)
    except ProblemError as problem:
        service.metrics.file(suffix, problem.code)
        raise
    service.metrics.file(suffix, "read")
    if suffix != ".jsonl":
        (text,) = found.texts
        report = Input(text.id, text.source, text.text, None, len(data))
        (outcome,) = await _predict(service, [report], records=records, warnings=found.warnings)
        return _only(outcome)
    reports = [Input(one.id, one.source, one.text, None, 0) for one in found.texts if not one.error]
    done = iter(await _predict(service, reports, records=records))
    return _several(
        Outcome.failed(one.id, ProblemError(422, "unreadable", one.error))
        if one.error
        else next(done)
        for one in found.texts
    )


@_v1.get("/model", tags=["服务"], summary="模型和限制", response_model=ModelAnswer)
async def model(service: _Service) -> dict[str, Any]:
    """正在用的模型，能读的文件，一个请求的限制。"""
    assert service.engine is not None  # the guard lets nobody in before
    return {
        **service.engine.info,
        "labels": LABELS,
        "suffixes": KNOWN_SUFFIXES,
        "limits": service.settings.public_limits,
    }


@router.get("/health", tags=["服务"], summary="进程还活着")
async def health() -> dict[str, str]:
    """只要能回答就是活着；不需要口令。"""
    return {"status": "ok"}


@router.get("/ready", tags=["服务"], summary="可以接请求", responses={503: _ERRORS[503]})
async def ready(service: _Service) -> dict[str, str]:
    """正在装入模型、或已被要求停止时是 503；不需要口令。"""
    if not service.state.ready:
        raise ProblemError(503, "not_ready", "服务正在启动或停止；请稍后再试", retry_after=1)
    return {"status": "ready"}


@router.get("/metrics", tags=["服务"], summary="Prometheus 指标", response_class=Response)
async def metrics(service: _Service) -> Response:
    """所有工作进程合计；设了口令时需要口令。"""
    return Response(service.metrics.page(), headers={"Content-Type": METRICS_TYPE})


async def _predict(
    service: Service, reports: list[Input], *, records: bool, warnings: Iterable[str] | None = None
) -> list[Outcome]:
    most, count = service.settings.reports, len(reports)
    if count > most:
        raise ProblemError(413, "too_large", f"共 {count:,} 份报告，超过 {most:,} 份；请分批发")
    most, count = service.settings.characters, sum(len(report.text) for report in reports)
    if count > most:
        raise ProblemError(413, "too_large", f"文本共 {count:,} 字，超过 {most:,} 字；请拆分后再发")
    assert service.engine is not None  # the guard lets nobody in before
    return await service.engine.predict(reports, records=records, warnings=warnings)


async def _read(service: Service, data: bytes, label: str, keep_boilerplate: bool) -> FileTexts:
    settings = service.settings
    try:
        return await to_process.run_sync(
            read_file,
            data,
            label,
            keep_boilerplate,
            settings.file_limits,
            settings.reports,
            cancellable=True,
            limiter=service.readers,
        )
    except LimitError as error:
        raise ProblemError(413, "too_large", f"文件超过限制（{error}）；请拆分后再传") from error
    except MemoryError as error:
        raise ProblemError(
            413, "too_large", f"{label}：读这个文件要用太多内存；请拆分或另存后再传"
        ) from error
    except ZhibiaoError as error:
        raise ProblemError(
            422, "unreadable", f"读不出这个文件的文字（{error}）；请照提示处理后再传"
        ) from error
    except BrokenWorkerProcess as error:
        if service.state.stopping:  # whoever stops the service may have stopped this process too
            raise ProblemError(
                503, "not_ready", "服务正在停止；请稍后再试", retry_after=1
            ) from error
        raise ProblemError(
            422, "unreadable", f"{label}：读这个文件的进程意外结束；请用 Word 或 WPS 另存后再传"
        ) from error


def _only(outcome: Outcome) -> Response:
    if outcome.problem is not None:
        raise outcome.problem
    return Response(outcome.body, media_type="application/json")


def _several(outcomes: Iterable[Outcome]) -> Response:
    body = b'{"results": [' + b", ".join(outcome.body for outcome in outcomes) + b"]}"
    return Response(body, media_type="application/json")


router.include_router(_v1)

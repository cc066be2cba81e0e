"""Label Studio's ML backend protocol over HTTP, with the model behind it.

How Label Studio 1.23 calls (``label_studio/ml/api_connector.py`` and ``models.py`` there): GET
/health (1 s) and POST /setup (3 s) before every POST /predict (100 s), all tasks that are asked for
in one request; GET /versions; POST /webhook with annotation events and START_TRAINING. Of an
error it shows people only the status line and the address, never the body. So a request of Label
Studio's own client that fails is sent on (303) to an address that names the problem,
``/problem/...``: that is what stands in its project settings, and whoever opens the address reads
it in Chinese. Other clients get status and message directly.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

from annotation.live_model import LiveModel, model_version
from annotation.suggestions import Controls, Drawings, SpanQueue
from zhibiao.errors import FormatError

__all__ = ["SECRET_HEADER", "create_app"]

SECRET_HEADER = "X-Zhibiao-Secret"
"""The header with the secret, for callers that cannot send basic authentication (webhooks)."""

_CALLER = "heartex/"  # how the User-Agent of Label Studio's client begins

_log = logging.getLogger(__name__)

_BY_HAND = """模型服务启动时没有给出 --train-command，所以不会自动训练。请在命令行依次执行：
  python -m annotation export --project 项目编号 --output out/loop
  python -m annotation merge out/loop corpus
  python -m training.splits corpus
  python -m training.train --config configs/continue.yaml
  python -m training.export runs/continued
然后让模型服务的 --model 指向 runs/continued（已指向它时自动换上）。"""

_PROBLEMS = {
    "labelling-config": (400, "标注界面的配置用不了"),
    "request": (400, "请求的格式不对"),
    "retrieve-again": (503, "时间到了，还没有算完；后台继续计算，请稍后再取一次预测"),
    "extraction": (500, "模型抽取失败；请看模型服务的日志"),
    "training-cannot-start": (500, "训练命令无法启动；请看模型服务的日志"),
}


class _ProblemError(Exception):
    """An answer that is an error: which (see _PROBLEMS), in English for addresses, in Chinese."""

    def __init__(self, kind: str, english: str, chinese: str) -> None:
        super().__init__(chinese)
        self.kind, self.english, self.chinese = kind, english, chinese


class Training(Protocol):
    """Runs the training command; :class:`annotation.training_command.Training` is one."""

    def start(self, project: str) -> dict[str, str]:
        """Start it unless one runs; ``status`` (started, running or failed) and ``message``."""

    def state(self) -> Mapping[str, Any]:
        """What runs or ran last."""


class _Setup(BaseModel):
    project: str | int | None = None
    config: str = Field(alias="schema")


class _Predict(BaseModel):
    tasks: list[dict[str, Any]]
    label_config: str
    project: str | int | None = None
    params: dict[str, Any] | None = None


class _Event(BaseModel):
    action: str = ""
    project: Any = None


@dataclass
class _Backend:
    """What the requests share; everything here runs on the event loop's thread."""

    models: LiveModel
    training: Training | None
    time_limit: float
    queue: SpanQueue = field(default_factory=SpanQueue)
    drawings: Drawings = field(default_factory=Drawings)
    projects: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    async def setup(self, asked: _Setup) -> dict[str, Any]:
        model = await asyncio.to_thread(self.models.current)
        await self.controls(asked.config)
        self.projects[_project(asked.project)]["setup"] += 1
        return {"model_version": model_version(model)}

    async def controls(self, config: str) -> Controls:
        try:
            return await asyncio.to_thread(Controls.read, config)
        except FormatError as error:
            english = "needs-Labels-over-Text-with-our-labels"
            raise _ProblemError("labelling-config", english, str(error)) from error

    async def predict(self, asked: _Predict) -> dict[str, Any]:
        project = _project(asked.project)
        controls = await self.controls(asked.label_config)
        context = (asked.params or {}).get("context")
        if isinstance(context, dict) and "result" in context:
            return await self.suggest(asked, project, controls, context["result"])
        started = time.monotonic()
        model = await asyncio.to_thread(self.models.current)
        version = model_version(model)
        read = controls.text
        texts = {n: text for n, task in enumerate(asked.tasks) if (text := read(task.get("data")))}
        futures = await asyncio.to_thread(self.queue.spans, model, list(texts.values()))
        kept = sum(future.done() for future in futures)
        waiting = {asyncio.wrap_future(future) for future in set(futures)}
        if waiting:
            left = max(0.0, started + self.time_limit - time.monotonic())
            await asyncio.wait(waiting, timeout=left)
        done = sum(future.done() for future in futures)
        if futures and not done:
            raise _ProblemError(
                "retrieve-again",
                f"0 of {len(futures)} reports done, retrieve again",
                f"共 {len(futures)} 份，还没有算完一份；后台继续计算，请稍后再取一次预测",
            )
        if done < len(futures):
            _log.warning(
                "项目 %s：时间到了，算完 %d 份，共 %d 份；后台继续计算，请稍后再取一次预测",
                *(project, done, len(futures)),
            )
        failed = sum(future.done() and future.result() is None for future in futures)
        if failed and failed == len(asked.tasks):
            raise _ProblemError("extraction", "see-log", "模型抽取失败；请看模型服务的日志")
        found = dict(zip(texts, futures, strict=True))
        results: list[Any] = []
        for number, task in enumerate(asked.tasks):
            future = found.get(number)
            if future is None:
                problem = f"任务 {task.get('id')} 的数据里没有正文（键 {controls.text_key}）"
                _log.warning("项目 %s：%s；建议为空", project, problem)
                results.append({**controls.prediction((), version), "error": problem})
            elif not future.done():
                # An empty list is Label Studio's word for "none": nothing is stored, and the next
                # retrieval asks again.
                results.append([])
            elif (spans := future.result()) is None:
                _log.warning("项目 %s：任务 %s 的正文无法抽取；没有建议", project, task.get("id"))
                results.append([])
            else:
                text = texts[number]
                results.append(await asyncio.to_thread(controls.prediction, spans, version, text))
        self.projects[project]["predicted"] += len(results)
        _log.info(
            "项目 %s：预测 %d 份（%d 份已有结果），%.1f 秒，模型 %s",
            *(project, len(results), kept, time.monotonic() - started, version),
        )
        return {"results": results}

    async def suggest(
        self, asked: _Predict, project: str, controls: Controls, drawn: Any
    ) -> dict[str, Any]:
        results = []
        for task in asked.tasks:
            regions = await asyncio.to_thread(self.drawings.suggest, controls, project, task, drawn)
            self.projects[project]["suggested"] += len(regions)
            results.append({"model_version": self.models.version, "score": 0.0, "result": regions})
        return {"results": results}

    async def event(self, event: _Event) -> dict[str, Any]:
        about = event.project
        project = _project(about.get("id") if isinstance(about, dict) else about)
        if event.action == "START_TRAINING":
            if self.training is None:
                _log.info("项目 %s：%s", project, _BY_HAND)
                return {"status": "by-hand", "message": _BY_HAND}
            answer = await asyncio.to_thread(self.training.start, project)
            if answer["status"] == "failed":
                raise _ProblemError("training-cannot-start", "see-log", answer["message"])
            return dict(answer)
        if event.action.startswith("ANNOTATION"):
            self.projects[project][event.action] += 1
        return {"status": "ok"}

    def status(self) -> dict[str, Any]:
        return {
            "model_version": self.models.version,
            "model": str(self.models.path),
            "problem": self.models.problem,
            "cache": self.queue.counts(),
            "projects": {name: dict(counts) for name, counts in self.projects.items()},
            "training": dict(self.training.state()) if self.training else None,
        }


def create_app(
    models: LiveModel,
    training: Training | None = None,
    *,
    secret: str = "",
    time_limit: float = 90.0,
) -> FastAPI:
    """The application.

    ``secret`` (ASCII), where given, is asked of every request but GET /health: as password of HTTP
    basic authentication, with any user name, or in the header :data:`SECRET_HEADER`. /health
    refuses a wrong one too, because Label Studio then says what is wrong. ``time_limit`` is in
    seconds: a /predict that takes longer is answered with what is finished (with 503 when nothing
    is) while the rest goes on in the background, to be retrieved again.
    """
    backend = _Backend(models, training, time_limit)
    # No pages of its own: they would show the interface to anybody.
    app = FastAPI(title="zhibiao", docs_url=None, redoc_url=None, openapi_url=None)
    app.get("/health")(_health)
    app.get("/")(_health)

    @app.get("/status")
    async def status() -> dict[str, Any]:
        return backend.status()

    app.get("/problem/{kind}/{words}")(_explain)

    @app.post("/setup")
    async def setup(asked: _Setup) -> dict[str, Any]:
        return await backend.setup(asked)

    @app.post("/predict")
    async def predict(asked: _Predict) -> dict[str, Any]:
        return await backend.predict(asked)

    @app.post("/webhook")
    async def webhook(event: _Event) -> dict[str, Any]:
        return await backend.event(event)

    @app.api_route("/versions", methods=["GET", "POST"])
    async def versions() -> dict[str, Any]:
        return {"versions": [model_version(await asyncio.to_thread(models.current))]}

    @app.middleware("http")
    async def authenticate(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        given = _given_secret(request)
        open_to_all = request.url.path == "/health" and given is None
        right = hmac.compare_digest((given or "").encode(), secret.encode())
        if not secret or open_to_all or right:
            return await go_on(request)
        return JSONResponse(
            {"error": "密码不对或没有给出；请在 Label Studio 的模型设置里填写模型服务的密码"},
            status_code=401,
            headers={"WWW-Authenticate": 'Basic realm="zhibiao"'},
        )

    app.exception_handler(_ProblemError)(_answer_problem)
    app.exception_handler(RequestValidationError)(_answer_invalid)
    return app


def _given_secret(request: Request) -> str | None:
    """The secret that a request holds, or None where it holds none."""
    if (header := request.headers.get(SECRET_HEADER)) is not None:
        return header
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return None
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2] if scheme.lower() == "basic" else ""


async def _health() -> dict[str, str]:
    return {"status": "UP", "model_class": "zhibiao"}


async def _answer_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, _ProblemError)
    status = _PROBLEMS[problem.kind][0]
    _log.warning("%s：%d %s", request.url.path, status, problem.chinese)
    body = {"error": problem.english, "message": problem.chinese}
    if request.headers.get("User-Agent", "").startswith(_CALLER):
        words = quote(problem.english.replace(" ", "-").replace(",", ""))
        # Relative, so that it is right behind a proxy that adds a prefix.
        # 303, not 307: the tasks are not to be sent a second time.
        return JSONResponse(body, 303, headers={"Location": f"problem/{problem.kind}/{words}"})
    return JSONResponse(body, status)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Only where it is wrong, not what was sent: that may be a report's text.
    where = "、".join(".".join(map(str, item["loc"])) for item in error.errors()[:5])
    problem = _ProblemError("request", "not-a-request-of-Label-Studio", f"缺少或写错了：{where}")
    return await _answer_problem(request, problem)


async def _explain(kind: str, words: str) -> Response:
    """The page behind the address that Label Studio shows."""
    status, chinese = _PROBLEMS.get(kind, (404, "没有这一页"))
    return PlainTextResponse(f"{chinese}\n（{words}）\n", status)


def _project(value: Any) -> str:
    """The number of a project; Label Studio sends it as ``id.time of creation``."""
    number = str(value or "").partition(".")[0]
    return number if number.isdigit() else "?"

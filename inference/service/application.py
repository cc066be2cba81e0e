"""The ASGI application: everything of the service put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from inference.page import router as page
from inference.pipeline import SpanExtractor
from inference.service.engine import Engine
from inference.service.guard import Guard
from inference.service.metrics import Metrics
from inference.service.problems import handle_problems
from inference.service.routes import Service, router
from inference.service.settings import Settings
from zhibiao import Extractor, __version__

__all__ = ["create_app"]

_DESCRIPTION = """\
从中文报告里找出六类实体（机构、指标、数值、单位、年份、企业名），连成记录：谁、哪一年、哪个指标、多少、什么单位。

- 所有位置按 Unicode 码点计，左闭右开，指结果里的 `text`。
- 出错时一律是 `{"error": {"code": 短名, "message": 一行中文}}`。
- 每个回答都有 `X-Request-ID`；请求里给了就用给的，日志里也是它。"""


def create_app(settings: Settings, extractor: SpanExtractor | None = None) -> FastAPI:
    """The service as an ASGI application; its lifespan loads the model and stops the work.

    ``extractor`` stands in for the model that the settings name.
    """
    service = Service(settings, Metrics())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loaded = await asyncio.to_thread(_load, settings) if extractor is None else extractor
        engine = Engine(loaded, settings.queue, service.metrics)
        service.engine = engine
        service.readers = CapacityLimiter(settings.readers)
        service.state.loaded = True
        yield
        service.state.loaded = False
        await engine.close()

    app = FastAPI(
        title="zhibiao（指标）",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages load their script from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(page)
    _add_docs(app)
    handle_problems(app)
    app.add_middleware(
        Guard,
        settings=settings,
        state=service.state,
        metrics=service.metrics,
        paths=frozenset(app.openapi()["paths"]) | {"/", "/docs", "/openapi.json"},
    )
    return app


def _load(settings: Settings) -> Extractor:
    extractor = Extractor.from_pretrained(settings.model, threads=settings.threads)
    extractor.extract_records("2016年，全县专利申请量达813件。")  # what is loaded at first use
    return extractor


def _add_docs(app: FastAPI) -> None:
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}：接口",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-32x32.png",
        )

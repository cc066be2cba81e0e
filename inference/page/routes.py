"""The addresses of the page: itself, its files, and the export of what was corrected in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from inference.page.assets import OWN, VENDOR, open_page
from inference.page.export import MEDIA_TYPES, parse_posted, write_export
from zhibiao.errors import FormatError

__all__ = ["router"]

router = APIRouter()

_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@router.get("/", include_in_schema=False)
def page() -> Response:
    """The page."""
    opened = open_page()
    headers = {
        **_SAFE,
        "Content-Security-Policy": opened.policy,
        "Cache-Control": "no-store",
    }
    return HTMLResponse(opened.html, headers=headers)


@router.get("/page/{name}", include_in_schema=False)
def own_file(name: str) -> Response:
    """A script or style of the project; asked for again at every visit, sent when changed."""
    return _file(OWN, name, "no-cache")


@router.get("/page/vendor/{name:path}", include_in_schema=False)
def vendor_file(name: str) -> Response:
    """A file of the component library."""
    return _file(VENDOR, name, "public, max-age=31536000, immutable")


def _file(known: Mapping[str, Path], name: str, cache: str) -> Response:
    path = known.get(name)
    if path is None:
        return _error(404, "not_found", "没有这个文件；请刷新网页")
    return FileResponse(path, headers={**_SAFE, "Cache-Control": cache})


@router.post(
    "/v1/export",
    tags=["page"],
    summary="把网页里改过的结果写成文件",
    response_class=Response,
    responses={
        200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}, "description": "文件"},
        422: {"description": "内容有误"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["reports"],
                        "properties": {
                            "reports": {
                                "type": "array",
                                "items": {"type": "object"},
                                "description": "服务给出的结果；每条记录可带 edited："
                                "人工填写的栏和内容",
                            },
                            "failures": {"type": "array", "items": {"type": "string"}},
                        },
                    }
                }
            },
        }
    },
)
async def export(request: Request, format: str = "xlsx") -> Response:
    """Write posted predictions, corrected by a person, as a workbook, a CSV or pages."""
    if format not in MEDIA_TYPES:
        known = "、".join(MEDIA_TYPES)
        return _error(422, "invalid", f"没有格式 {format[:40]!r}；可用：{known}")
    body = await request.body()
    try:
        content, name = await run_in_threadpool(_written, body, format)
    except FormatError as error:
        return _error(422, "invalid", str(error))
    headers = {
        **_SAFE,
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


def _written(body: bytes, format: str) -> tuple[bytes, str]:
    """The content and the name of the file to send."""
    posted = parse_posted(body)
    with TemporaryDirectory(prefix="zhibiao-export-") as folder:
        path = write_export(posted, format, Path(folder))
        return path.read_bytes(), path.name


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)

"""Refusals: a status and a code for programs, one Chinese line for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

__all__ = ["ProblemError", "handle_problems"]

_USUAL: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "请求的格式不对；请对照 /docs 里的例子检查"),
    404: ("not_found", "没有这个地址；请看 /docs 列出的接口"),
    405: ("method_not_allowed", "这个地址不支持这种请求方法；请看 /docs"),
    413: ("too_large", "请求太大；请拆分后再发"),
    415: ("unsupported_type", "不支持这种内容类型；请看 /docs"),
    422: ("invalid", "请求的内容不对；请对照 /docs 里的例子检查"),
}
"""Code and message of the refusals that come from the framework."""

_WRONG: Mapping[str, str] = {
    "missing": "缺少 {}",
    "string_type": "{} 应是字符串",
    "string_unicode": "{} 含有不成对的代理字符；请删去",
    "string_too_short": "{} 不能是空的",
    "string_too_long": "{} 太长",
    "bool_type": "{} 应是 true 或 false",
    "bool_parsing": "{} 应是 true 或 false",
    "list_type": "{} 应是数组",
    "model_type": "{} 应是 JSON 对象",
    "model_attributes_type": "{} 应是 JSON 对象",
    "dict_type": "{} 应是 JSON 对象",
    "unknown_key": "{} 有不认识的字段；请检查拼写",
}
"""What is wrong with a field, by the type of pydantic's error."""


class ProblemError(HTTPException):
    """A request that is refused, or cannot be answered now.

    An HTTPException, because FastAPI lets those alone through while it reads a body.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(status, message, headers)
        self.code = code

    @property
    def object(self) -> dict[str, dict[str, str]]:
        """The JSON of every error: ``{"error": {"code", "message"}}``."""
        return {"error": {"code": self.code, "message": " ".join(self.detail.split())}}

    def response(self) -> Response:
        """The answer that says so."""
        # A message may quote the request, and half a surrogate pair has no UTF-8.
        body = json.dumps(self.object, ensure_ascii=False).encode(errors="replace")
        return Response(body, self.status_code, self.headers, media_type="application/json")


def handle_problems(app: FastAPI) -> None:
    """Make ``app`` answer every error in the service's form."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_content)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, ProblemError):
        return error.response()
    code, message = _USUAL.get(error.status_code, ("error", "请求没有成功；请看 /docs"))
    problem = ProblemError(error.status_code, code, message)
    problem.headers = error.headers
    return problem.response()


async def _wrong_content(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Any = error.errors()[0]
    kind, place = first["type"], [str(part) for part in first["loc"] if part != "body"]
    if kind == "json_invalid":
        problem = ProblemError(400, "bad_json", f"JSON 有误，第 {place[0]} 个字符处；请检查请求体")
    elif kind == "model_attributes_type" and not place and _is_not_json(request):
        problem = ProblemError(
            415, "unsupported_type", "请求体应是 JSON；请加上 Content-Type: application/json"
        )
    else:
        what = _WRONG.get(kind, "{} 不对").format(".".join(place) or "请求体")
        problem = ProblemError(422, "invalid", f"{what}；请看 /docs")
    return problem.response()


def _is_not_json(request: Request) -> bool:
    return "json" not in request.headers.get("content-type", "")

"""Strict YAML configs: unknown or ill-typed keys are errors that name the nearest valid key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from zhibiao.errors import FormatError

__all__ = ["Config", "load_config", "options_of"]

_EXPONENT = re.compile(r"[-+]?[0-9][0-9.]*e[-+]?[0-9]+", re.IGNORECASE)


class Config(BaseModel):
    """Base of all configs: fields with types and defaults; nothing else is accepted.

    The docstring under a field says what it does; :func:`options_of` shows it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


C = TypeVar("C", bound=Config)


def load_config(kind: type[C], path: str | Path, overrides: Sequence[str] = ()) -> C:
    """Read a YAML file into a config; ``overrides`` are ``key=value`` or ``outer.inner=value``.

    Values of overrides are YAML, so ``epochs=3``, ``resume=true`` and ``name=null`` have types.

    Raises:
        FormatError: the file is missing or is not a YAML mapping, a key is unknown (with the
            nearest valid one), or a value has the wrong type.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such config; ready ones are in configs/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: cannot be read as a text file ({error})") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise FormatError(f"{path}: not YAML: {reason}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{path}: a config is a mapping of keys to values")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise FormatError(f"override {override!r}: write key=value")
        try:
            _set(data, key.strip(), yaml.safe_load(value), override)
        except yaml.YAMLError as error:
            raise FormatError(f"override {override!r}: the value is not YAML") from error
    try:
        return kind.model_validate(_numbers(data))
    except ValidationError as error:
        raise FormatError(f"{path}: {_explain(kind, error)}") from error


def _set(data: dict[str, Any], key: str, value: Any, override: str) -> None:
    *outer, last = key.split(".")
    for name in outer:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise FormatError(f"override {override!r}: {name} is not a mapping")
    data[last] = value


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``2e-4`` as a string; every reader of a config means the number."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    return value


def _numbers(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _numbers(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_numbers(value) for value in data]
    return _number(data)


def _explain(kind: type[Config], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            valid = _keys(kind)
            near = difflib.get_close_matches(place.rsplit(".", 1)[-1], valid, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; valid: {', '.join(valid)}"
            lines.append(f"unknown key {place!r}{hint}")
        elif not place:  # a rule over several keys, which names them itself
            lines.append(problem["msg"].removeprefix("Value error, "))
        elif problem["type"] == "missing":
            lines.append(f"key {place!r} is missing")
        else:
            lines.append(f"{place}: {problem['msg']}, found {problem['input']!r}")
    return "; ".join(lines)


def _keys(kind: type[BaseModel]) -> list[str]:
    """Names of the fields of a config and of the configs nested in it."""
    names: list[str] = []
    for name, field in kind.model_fields.items():
        names.append(name)
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                names.extend(_keys(part))
    return names


def options_of(kind: type[BaseModel]) -> str:
    """One line a key: name, default, description; the keys of nested configs stay out."""
    lines = []
    for name, field in kind.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if field.is_required():
            shown = "required"
        elif isinstance(default, BaseModel):
            shown = "its defaults"
        elif isinstance(default, list):
            shown = "、".join(map(str, default))
        else:
            shown = yaml.safe_dump(default).split("\n", 1)[0]
        lines.append(f"  {name} ({shown}): {field.description or ''}".rstrip(" :"))
    return "\n".join(lines)

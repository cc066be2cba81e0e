"""The HTTP service: texts and files in, predictions as JSON out, and the page for analysts."""

from __future__ import annotations

from inference.service.application import create_app
from inference.service.settings import Settings

__all__ = ["Settings", "create_app"]

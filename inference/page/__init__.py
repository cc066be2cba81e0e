"""The page for analysts: files in, highlighted reports and a table to correct, files out."""

from __future__ import annotations

from inference.page.routes import router

__all__ = ["router"]

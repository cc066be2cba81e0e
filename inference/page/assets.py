"""The files that the page is made of: its own, and those of its component library.

Vuetify and Vue (both MIT) come in the packages trame-vuetify and trame-client, whose modules name
the folders. Nothing of them is copied here, and the browser loads nothing from anywhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import trame_client
import trame_vuetify
from trame_client.module.vue3 import www as vue_folder
from trame_vuetify.module.v4 import serve_path as vuetify_folder

from inference.doubts import FAIR, LOW
from inference.page.edits import EDITABLE
from inference.words import BOUND_WORDS, FIELD_WORDS, MEASURE_WORDS, STATUS_WORDS
from zhibiao.pages import page_environment
from zhibiao.sources import KNOWN_SUFFIXES
from zhibiao.spans import LABELS

__all__ = ["OWN", "VENDOR", "Opened", "open_page"]

_FOLDER = Path(__file__).resolve().parent
_VUETIFY = f"vuetify-{trame_vuetify.__version__}"
_VUE = f"vue-{trame_client.__version__}"

OWN: Mapping[str, Path] = {path.name: path for path in sorted((_FOLDER / "assets").iterdir())}
"""The project's own scripts and styles, by the name in the address."""

VENDOR: Mapping[str, Path] = {
    f"{_VUE}/vue.global.js": Path(vue_folder) / "vue.global.js",
    **{
        f"{_VUETIFY}/{name}": Path(vuetify_folder) / name
        for name in (
            "vuetify4.js",
            "vuetify4.css",
            "css/mdi.css",
            "fonts/materialdesignicons-webfont.woff2",
        )
    },
}
"""The library's files by address; the version in it lets browsers keep them for good."""


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the scripts must know and Python decides; one name a key of the JSON in the page."""

    labels: tuple[str, ...]
    fields: Mapping[str, str]
    editable: tuple[str, ...]
    measure: Mapping[str, str]
    status: Mapping[str, str]
    bound: Mapping[str, str]
    suffixes: tuple[str, ...]
    low: float
    fair: float


@dataclass(frozen=True, slots=True)
class Opened:
    """The page for one visit, and the policy under which the browser may run it."""

    html: str
    policy: str


def open_page() -> Opened:
    """The page with a nonce of its own.

    Vuetify writes its theme into a style element, which the nonce allows; no script stands in
    the page, and nothing may be evaluated (Content Security Policy Level 3).
    """
    nonce = secrets.token_urlsafe(16)
    html = _template().replace(_NONCE, nonce)
    policy = (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; font-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Opened(html, policy)


_NONCE = "--nonce--"


@cache
def _template() -> str:
    settings = _Settings(
        labels=LABELS,
        fields=FIELD_WORDS,
        editable=EDITABLE,
        measure=MEASURE_WORDS,
        status=STATUS_WORDS,
        bound=BOUND_WORDS,
        suffixes=KNOWN_SUFFIXES,
        low=LOW,
        fair=FAIR,
    )
    return (
        page_environment(_FOLDER)
        .get_template("page.html.j2")
        .render(
            nonce=_NONCE,
            vue=_VUE,
            vuetify=_VUETIFY,
            settings=asdict(settings),
        )
    )

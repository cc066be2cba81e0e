"""The audit as one web page that needs nothing but itself.

Every value goes through the template's autoescape, and a content security policy lets the browser
run only the style and script written here, by hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from annotation.audit.finding import KINDS, Finding
from zhibiao.files import replacing
from zhibiao.pages import content_policy, page_environment
from zhibiao.spans import LABELS

__all__ = ["write_page"]

_HERE = Path(__file__).resolve().parent


def write_page(path: Path, findings: Sequence[Finding]) -> None:
    """Write the findings as a page with filters by kind and label, the likeliest first.

    Raises:
        OutputError: the folder is missing or not writable.
    """
    environment = page_environment(_HERE)
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    policy = content_policy([style], [script])
    kinds = Counter(kind for finding in findings for kind in finding.kinds)
    labels = Counter(label for finding in findings for label in finding.labels)
    page = environment.get_template("page.html.j2").render(
        findings=findings,
        kinds=[(kind, kinds[kind]) for kind in KINDS if kinds[kind]],
        labels=[(label, labels[label]) for label in LABELS if labels[label]],
        address=_address,
        style=Markup(style),
        script=Markup(script),
        policy=policy,
    )
    with replacing(path) as stream:
        stream.write(page)


def _address(finding: Finding) -> str:
    """Where a click leads: the task, else the file; empty where there is neither."""
    document = finding.document
    if document.link:
        return document.link
    return "" if document.path is None else document.path.resolve().as_uri()

"""The Label Studio project that holds the tasks: made, found again, kept current."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.label_interface.interface import LabelInterface
from rich.console import Console

from annotation.client import Connection, add_connection_arguments, connect_as_asked
from annotation.guidelines import guidelines_page
from annotation.interface import asks_for_records, labelling_interface
from annotation.regions import FROM_NAME, TO_NAME
from zhibiao.errors import ServerError
from zhibiao.spans import LABELS

__all__ = [
    "ADJUDICATION",
    "DEFAULT_TITLE",
    "Made",
    "create_project",
    "find_adjudication",
    "find_project",
    "holds_records",
]

DEFAULT_TITLE = "报告标注"

ADJUDICATION = "·裁决"
"""What follows a project's title in the title of the project where its reports are adjudicated."""

_DESCRIPTION = "六类实体：机构、指标、数值、单位、年份、企业名"


@dataclass(frozen=True, slots=True)
class Made:
    """A project after :func:`create_project`; ``changed`` names what was made or updated."""

    id: int
    title: str
    changed: tuple[str, ...]


def create_project(
    connection: Connection,
    title: str = DEFAULT_TITLE,
    annotators: int = 1,
    *,
    records: bool = False,
) -> Made:
    """Make the project, or bring the one of this title up to date; safe to repeat.

    ``annotators`` is how many different people label each task. With ``records`` they correct
    records too; a project where they once do goes on with it.

    Raises:
        ServerError: several projects have the title, the project labels something else, or the
            change would leave annotations without their label.
    """
    if not 3 <= len(title) <= 50:
        raise ServerError(f"项目名“{title}”有 {len(title)} 个字；Label Studio 要求 3 到 50 个")
    wanted: dict[str, Any] = {
        "label_config": labelling_interface(records=records).strip(),
        "expert_instruction": guidelines_page(),
        "description": _DESCRIPTION,
        "show_instruction": True,
        "show_skip_button": True,
        "show_collab_predictions": True,
        "enable_empty_annotation": True,
        "maximum_annotations": annotators,
        "sampling": "Sequential sampling",
    }
    existing = _titled(connection, title)
    if existing is None:
        with connection.errors("新建项目"):
            made = connection.api.projects.create(title=title, **wanted)
        if made.id is None:
            raise ServerError(f"{connection.url}：服务器没有返回项目编号；请再试一次")
        return Made(made.id, title, ("新建",))
    with connection.errors("读取项目"):
        project = connection.api.projects.get(existing)
    if asks_for_records(project.label_config or ""):
        wanted["label_config"] = labelling_interface(records=True).strip()
    tasks = project.task_number or 0
    if tasks:
        _check_same_kind(connection, existing, project.label_config or "")
    changed = {key: value for key, value in wanted.items() if getattr(project, key, None) != value}
    if "label_config" in changed and tasks:
        _check_no_orphans(connection, existing, wanted["label_config"])
    if changed:
        with connection.errors("更新项目"):
            connection.api.projects.update(existing, **changed)
    return Made(existing, title, tuple(changed))


def find_project(connection: Connection, name: str) -> int:
    """The id of a project, given its id or its title, checked to hold the six labels.

    Raises:
        ServerError: there is none, there are several, or it labels something else.
    """
    found = int(name) if name.isdigit() else _titled(connection, name)
    if found is None:
        raise ServerError(
            f"{connection.url}：没有名为“{name}”的项目；请先运行 python -m annotation create"
        )
    try:
        project = connection.api.projects.get(found)
    except ApiError as error:
        if error.status_code == 404:
            raise ServerError(f"{connection.url}：没有编号为 {found} 的项目") from error
        with connection.errors("读取项目"):
            raise
    _check_same_kind(connection, found, project.label_config or "")
    return found


def find_adjudication(connection: Connection, project: int) -> int | None:
    """The adjudication project that belongs to a project, if there is one."""
    with connection.errors("读取项目"):
        title = connection.api.projects.get(project).title
    return _titled(connection, f"{title}{ADJUDICATION}")


def holds_records(connection: Connection, project: int) -> bool:
    """Whether records are annotated in a project, as ``create --records`` makes it."""
    with connection.errors("读取项目"):
        return asks_for_records(connection.api.projects.get(project).label_config or "")


def _titled(connection: Connection, title: str) -> int | None:
    with connection.errors("列出项目"):
        listed: Iterable[Any] = connection.api.projects.list(title=title)
        found = [project.id for project in listed if project.title == title]
    if len(found) > 1:
        numbers = "、".join(str(number) for number in found)
        raise ServerError(
            f"{connection.url}：有 {len(found)} 个项目都叫“{title}”（编号 {numbers}）；"
            "请用 --project 编号指定，或在网页里改名"
        )
    return found[0] if found else None


def _check_same_kind(connection: Connection, project: int, config: str) -> None:
    where = f"{connection.url}/projects/{project}"
    try:
        control: Any = LabelInterface(config).get_control(FROM_NAME)  # type: ignore[no-untyped-call]
        labels = set(control.labels)
        same = control.to_name == [TO_NAME] and labels == set(LABELS)
    except Exception as error:  # the SDK raises whatever its parsers do
        raise ServerError(f"{where}：不是本工具建的项目（{error}）；请换一个项目名") from error
    if not same:
        raise ServerError(
            f"{where}：项目的标签是 {'、'.join(sorted(labels))}，不是 {'、'.join(LABELS)}；"
            "请换一个项目名，或在网页里改回六个标签"
        )


def _check_no_orphans(connection: Connection, project: int, config: str) -> None:
    try:
        connection.api.projects.validate_label_config(project, label_config=config)
    except ApiError as error:
        if error.status_code != 400:
            with connection.errors("检查标注界面"):
                raise
        raise ServerError(
            f"{connection.url}/projects/{project}：新的标注界面会让已有标注失去标签，没有更新；"
            f"请先导出标注，再新建项目（服务器说：{error.body}）"
        ) from error


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation create``."""
    parser.add_argument(
        "--project", default=DEFAULT_TITLE, metavar="TITLE", help=f"项目名（默认 {DEFAULT_TITLE}）"
    )
    parser.add_argument(
        "--annotators", type=int, default=1, metavar="N", help="每份报告由几个人各标一遍（默认 1）"
    )
    parser.add_argument(
        "--records",
        action="store_true",
        help="也标指标记录：数值与指标、单位、年份、主体的关系，以及变化、目标、界限；\n"
        "已经这样建的项目不必再写",
    )
    add_connection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make or update the project and say where it is."""
    if options.annotators < 1:
        raise ServerError(f"--annotators {options.annotators}：应为 1 或更大的整数")
    connection = connect_as_asked(options)
    made = create_project(connection, options.project, options.annotators, records=options.records)
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    done = "、".join(made.changed) or "已是最新，没有改动"
    console.print(f"项目“{made.title}”（编号 {made.id}）：{done}", markup=False)
    console.print(f"{connection.url}/projects/{made.id}", markup=False)
    return 0

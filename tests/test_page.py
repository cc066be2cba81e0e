"""The page without a browser: its files, its policy, and what the export makes of posts."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openpyxl import load_workbook

from inference.page import router
from inference.page.assets import OWN, VENDOR
from inference.prediction import Prediction
from tests.hand_records import predicted_by_hand, record

MODEL = {"name": "紧凑", "version": "2", "hash": "0"}
TEXT = (
    "云杉县2018年工作总结\n全县专利申请量612件，其中发明专利88项。\n"
    "恒川机电有限公司实现产值3.5亿元。\n"
)
EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>'


def ask(method: str, address: str, **options: Any) -> httpx.Response:
    app = FastAPI()
    app.include_router(router)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.request(method, address, **options)

    return asyncio.run(send())


def predicted(name: str = "甲.docx") -> Prediction:
    return predicted_by_hand(
        name,
        TEXT,
        record(
            TEXT, "612", "612", unit="件", indicator="专利申请量", year="2018年",
            year_value="2018", base="件", confidence={"indicator": 0.9, "year": 0.5},
        ),
        record(
            TEXT, "88", "88", unit="项", indicator="发明专利", base="项",
            confidence={"indicator": 0.4}, notes=("没有找到限定它的年份",),
        ),
        record(
            TEXT, "3.5", "350000000", unit="亿元", indicator="产值", base="元",
            subject=("恒川机电有限公司",),
        ),
    )  # fmt: skip


def posted(*edits: dict[str, Any], name: str = "甲.docx") -> dict[str, Any]:
    """A report as the page posts it, with what was typed over its first records."""
    data = predicted(name).to_dict(MODEL)
    for one, typed in zip(data["records"], edits, strict=False):
        one["edited"] = typed
    return data


def export(format: str, *reports: Any, **more: Any) -> httpx.Response:
    return ask("POST", f"/v1/export?format={format}", json={"reports": reports, **more})


def sheet(answer: httpx.Response, name: str = "记录") -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    book = load_workbook(io.BytesIO(answer.content))
    heads, *rows = book[name].iter_rows(values_only=True)
    return [dict(zip(map(str, heads), row, strict=True)) for row in rows]


def refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "invalid"
    message: str = error["message"]
    assert "\n" not in message
    return message


def test_the_page_may_run_only_its_own_files() -> None:
    answer = ask("GET", "/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    (nonce,) = re.findall(r"'nonce-([\w-]+)'", policy)
    assert f'<meta name="nonce" content="{nonce}">' in answer.text
    assert nonce not in ask("GET", "/").text
    # Neither code nor style stands in the page itself.
    assert (
        re.findall(r"<style|<script(?![^>]*(?:src=|application/json))| on\w+=| style=", answer.text)
        == []
    )


def test_everything_that_the_page_names_is_served() -> None:
    html = ask("GET", "/").text
    names = re.findall(r'(?:src|href)="(page/[^"]+)"', html)
    assert len(names) == 6
    imported = {
        f"page/{name}"
        for path in OWN.values()
        for name in re.findall(r'from "\./([\w.]+)"', path.read_text(encoding="utf-8"))
    }
    fonts = [f"page/vendor/{name}" for name in VENDOR if "/fonts/" in name]
    for name in {*names, *imported, *fonts}:
        answer = ask("GET", f"/{name}")
        assert answer.status_code == 200, name
        assert answer.content
        assert answer.headers["x-content-type-options"] == "nosniff"
        if name.endswith(".js"):
            assert "javascript" in answer.headers["content-type"]


def test_own_files_name_no_other_server() -> None:
    for path in OWN.values():
        assert "//" not in re.sub(r"^\s*//.*|\s// .*", "", path.read_text("utf-8"), flags=re.M), (
            path
        )


@pytest.mark.parametrize(
    "address",
    ["/page/routes.py", "/page/..%2froutes.py", "/page/vendor/../../etc/passwd", "/page/vendor/x"],
)
def test_nothing_else_is_served(address: str) -> None:
    assert ask("GET", address).status_code == 404


def test_labels_look_like_those_of_the_written_pages(root: Path) -> None:
    written = (root / "inference" / "templates" / "style.css").read_text(encoding="utf-8")
    looks = re.findall(r"^\.l\d .*$", written, flags=re.MULTILINE)
    assert len(looks) == 6
    assert re.findall(r"^\.l\d .*$", OWN["page.css"].read_text("utf-8"), re.MULTILINE) == looks


def test_a_report_comes_back_as_it_went() -> None:
    first, second, third = sheet(export("xlsx", posted()))
    assert (first["报告"], first["年份"], first["指标"]) == ("甲.docx", 2018, "专利申请量")
    assert (second["数值"], second["单位"], second["置信度"]) == (88, "项", 0.4)
    assert second["说明"] == "没有找到限定它的年份"
    assert (third["主体"], third["数值"], third["基本单位"]) == (
        "恒川机电有限公司",
        350000000,
        "元",
    )


def test_typed_cells_stand_in_the_workbook_and_say_so() -> None:
    typed = {"indicator": "发明专利授权量", "year": "2018", "unit": "万件", "measure": "change"}
    answer = export("xlsx", posted({}, typed))
    first, second, _ = sheet(answer)
    assert first["说明"] is None
    assert (second["指标"], second["年份"], second["单位"]) == ("发明专利授权量", 2018, "万件")
    # The number is what the words now say, and the model is not sure of what a person typed.
    assert (second["数值"], second["基本单位"], second["置信度"]) == (880000, "件", None)
    assert second["性质"] == "变化"
    assert second["说明"] == (
        "没有找到限定它的年份；人工修改：年份（原为空）、指标（原为“发明专利”）、"
        "单位（原为“项”）、性质（原为“水平”）"
    )
    cells = list(load_workbook(io.BytesIO(answer.content))["记录"].iter_rows())
    heads = [cell.value for cell in cells[0]]
    blue = {
        heads[number]
        for number, cell in enumerate(cells[2])
        if cell.fill.fill_type and cell.fill.start_color.rgb == "FFD6E6F7"
    }
    assert blue == {"年份", "指标", "单位", "基本单位", "性质"}
    # The sentence is the report's, and what a person typed is not taken for its words.
    source = sheet(answer, "来源")[1]
    assert source["原句"] == "全县专利申请量612件，其中发明专利88项。"
    assert source["句外依据"] is None


def test_a_typed_value_keeps_its_place() -> None:
    _, second, _ = sheet(export("xlsx", posted({}, {"value": "89"})))
    assert (second["数值原文"], second["数值"], second["起始"]) == ("89", 89, TEXT.index("88"))


def test_typing_what_was_there_is_no_edit() -> None:
    same = {"indicator": " 专利申请量\n", "status": "actual", "subject": ""}
    assert sheet(export("xlsx", posted(same))) == sheet(export("xlsx", posted()))


def test_cells_can_be_emptied_and_subjects_be_several() -> None:
    typed = {"unit": "", "year": "", "subject": "甲公司、乙公司"}
    first, *_ = sheet(export("xlsx", posted(typed)))
    assert (first["单位"], first["年份"], first["主体"]) == (None, None, "甲公司、乙公司")
    assert first["说明"] == "人工修改：主体（原为空）、年份（原为“2018”）、单位（原为“件”）"


def test_a_csv_has_no_formulas() -> None:
    answer = export("csv", posted({"indicator": EVIL, "subject": "+1", "year": "@x"}))
    assert answer.headers["content-disposition"] == 'attachment; filename="records.csv"'
    first, *_ = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert (first["指标"], first["主体"], first["年份"]) == (f"'{EVIL}", "'+1", "'@x")


def test_a_workbook_has_no_formulas() -> None:
    answer = export("xlsx", posted({"indicator": EVIL}), failures=[f"=1 {EVIL}"])
    book = load_workbook(io.BytesIO(answer.content))
    kinds = {cell.data_type for one in book for row in one.iter_rows() for cell in row}
    assert "f" not in kinds
    assert sheet(answer)[0]["指标"] == EVIL


def test_pages_come_as_a_zip() -> None:
    evil = posted({"indicator": EVIL}, {}, name="../../a<b>.docx")
    answer = export("html", posted(name="甲.docx"), evil, failures=["坏.pdf：打不开"])
    assert answer.headers["content-disposition"] == 'attachment; filename="records-html.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        pages = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(pages) == [
        "records-html/0001-甲-docx.html",
        "records-html/0002-a-b-docx.html",
        "records-html/index.html",
    ]
    assert "坏.pdf：打不开" in pages["records-html/index.html"]
    page = pages["records-html/0002-a-b-docx.html"]
    assert "<script>alert" not in page
    assert "人工修改：指标（原为“专利申请量”）" in page
    # A typed word stands nowhere: the row frames the unit and the year only.
    starts = (TEXT.index("件"), TEXT.index("2018年"))
    assert 'data-parts="{}"'.format(" ".join(f"s{start}" for start in starts)) in page


def test_deleted_rows_stay_out() -> None:
    report = posted()
    del report["records"][1]
    assert [row["数值原文"] for row in sheet(export("xlsx", report))] == ["612", "3.5"]


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    report = posted()
    change(report)
    return report


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ([], "第 1 份报告：应是 JSON 对象"),
        (changed(lambda r: r.pop("text")), "第 1 份报告"),
        (changed(lambda r: r.update(id="")), "第 1 份报告"),
        (changed(lambda r: r.update(id="长" * 301)), "不超过 300 字"),
        (changed(lambda r: r.update(source=5)), "id 和 source 应是"),
        (changed(lambda r: r.update(source="\ud800")), "代理字符"),
        (changed(lambda r: r.update(text="\ud800" + r["text"])), "surrogate"),
        (changed(lambda r: r.update(records={})), "records 应是列表"),
        (changed(lambda r: r["spans"][0].update(end=10**9)), "第 1 份报告"),
        (changed(lambda r: r["spans"][0].update(score=2)), "score"),
        (changed(lambda r: r["spans"][0].update(score=True)), "score"),
        (changed(lambda r: r["records"][2].update(value=None)), "第 1 份报告第 3 条记录"),
        (changed(lambda r: r["records"][0]["value"].update(text="613")), "第 1 条记录"),
        (changed(lambda r: r["records"][0].update(year_value="1" * 5000)), "year_value"),
        (changed(lambda r: r["records"][0].update(notes=["\udfff"])), "代理字符"),
        (posted({"value": " "}), "数值不能为空"),
        (posted({"colour": "红"}), "没有可以修改的栏 'colour'"),
        (posted({"measure": "水平"}), "性质 '水平' 不认识；可用：level、change、share"),
        (posted({"unit": 5}), "单位应是文字"),
        (posted({"indicator": "长" * 201}), "指标超过 200 字"),
        (changed(lambda r: r["records"][0].update(edited=[])), "edited 应是对象"),
    ],
)
def test_bad_reports_are_refused(report: Any, reason: str) -> None:
    # httpx would not encode half a surrogate pair; json.dumps spells it in ASCII.
    assert reason in refusal(ask("POST", "/v1/export", content=as_json({"reports": [report]})))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "reports 应是非空的列表"),
        (b'{"reports": []}', "reports 应是非空的列表"),
        (b'{"reports": "x"}', "reports 应是非空的列表"),
        (b'{"reports": [' + b"1," * 2000 + b"1]}", "一次最多导出 2000 份"),
    ],
)
def test_bad_bodies_are_refused(body: bytes, reason: str) -> None:
    assert reason in refusal(ask("POST", "/v1/export", content=body))


def test_two_reports_of_one_id_are_refused() -> None:
    assert "已经用过" in refusal(export("html", posted(), posted()))


@pytest.mark.parametrize("failures", ["x", [5], ["\ud800"], ["x"] * 2001])
def test_bad_failures_are_refused(failures: Any) -> None:
    body = as_json({"reports": [posted()], "failures": failures})
    assert "failures" in refusal(ask("POST", "/v1/export", content=body))


def test_an_unknown_format_is_refused() -> None:
    assert "没有格式 'exe'；可用：xlsx、csv、html" in refusal(export("exe", posted()))


def as_json(data: Any) -> bytes:
    return json.dumps(data).encode("ascii")

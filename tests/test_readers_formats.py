"""Reading html, docx and pdf: order, tables, page furniture, joined paragraphs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from docx.document import Document as Docx
from reportlab.pdfgen.canvas import Canvas

from tests.documents import FONT, docx_bytes, pdf_bytes, repacked, text_pdf, wrapped
from tests.test_readers import check_places
from zhibiao.readers import Document, read_bytes, read_document

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
LONG = "全年专利申请量813件，授权量521件，其中发明专利36件，技术合同成交额1.8亿元，" * 8


def shown(document: Document) -> list[str]:
    check_places(document)
    return [document.text[place.start : place.end] for place in document.places]


# html


def page(body: str, encoding: str = "utf-8", head: str = "") -> bytes:
    return f"<html><head>{head}</head><body>{body}</body></html>".encode(encoding)


def test_government_page_without_its_boilerplate() -> None:
    document = read_document(SAMPLES / "kaifaqu-2021.html")
    lines = shown(document)
    assert document.encoding == "gb18030"
    assert "星堃新能源" in document.text  # not in gb2312, which the page declares
    assert "澜桥经济技术开发区管委会2021年工作总结" in lines
    assert "发布机构： | 澜桥经济技术开发区管委会 | 发文日期： | 2022-01-18" in lines
    assert "高新技术企业 | 家 | 96 | 124 | 29.2" in lines
    assert lines[-1].startswith("五、2022年工作目标。")
    for boilerplate in ("政务服务", "主办单位", "备案号", "分享到", "siteId", "三季度"):
        assert boilerplate not in document.text


def test_keep_boilerplate_keeps_all_visible_text() -> None:
    main = read_document(SAMPLES / "kaifaqu-2021.html")
    full = read_document(SAMPLES / "kaifaqu-2021.html", keep_boilerplate=True)
    for boilerplate in ("政务服务", "主办单位", "备案号", "分享到", "三季度"):
        assert boilerplate in full.text
    assert "siteId" not in full.text
    assert [line for line in shown(main) if line not in shown(full)] == []


def test_short_page_falls_back_to_all_visible_text() -> None:
    document = read_bytes(page("<ul><li>首页</li><li>专利813件</li></ul>"), "a.html")
    assert "专利813件" in document.text
    assert shown(document)


def test_lost_heading_is_put_in_front_once() -> None:
    body = (
        f"<div><h1>青潭县2016年工作总结</h1></div><div id='zoom'><p>{LONG}</p><p>{LONG}</p></div>"
    )
    lines = shown(read_bytes(page(body), "a.html"))
    assert lines[0] == "青潭县2016年工作总结"
    assert lines.count("青潭县2016年工作总结") == 1


def test_html_encodings() -> None:
    body = f"<h1>标题四个字</h1><p>{LONG}</p>"
    declared = '<meta http-equiv="Content-Type" content="text/html; charset={}">'
    for name, codec in (
        ("gb2312", "gb18030"),
        ("GBK", "gb18030"),
        ("utf-8", "utf-8"),
        ("gb2312", "utf-8"),  # wrong on many pages
        ("utf-8", "gb18030"),
        ("big5", "big5"),
    ):
        text = body if codec != "big5" else "<p>" + "本縣專利申請量813件，比上年增加。" * 9
        source = page(text, codec, declared.format(name))
        document = read_bytes(source, "a.html")
        assert document.encoding == codec
        assert "813件" in document.text
    broken = page(body, "gb18030", declared.format("gb2312")) + b"\x81"
    document = read_bytes(broken, "a.html")
    assert "全年专利申请量813件" in document.text
    assert document.warnings


def test_html_white_space_hidden_text_and_entities() -> None:
    body = (
        "<p>&nbsp;&nbsp;全年专利\n    申请量<b>813</b>件，R&amp;D经费<br>第二行</p>"
        "<p style='display: none'>隐藏</p><!-- 注释 --><p>上年 2015</p>"
    )
    document = read_bytes(page(body), "a.html", keep_boilerplate=True)
    assert shown(document) == ["全年专利申请量813件，R&D经费", "第二行", "上年 2015"]


def test_html_layout_table_and_deep_nesting() -> None:
    body = (
        f"<table><tr><td>栏目</td><td><p>{LONG}</p><p>第二段</p>"
        "<table><tr><td>甲</td><td></td><td>3</td></tr></table></td></tr></table>"
    )
    lines = shown(read_bytes(page(body), "a.html", keep_boilerplate=True))
    assert lines == ["栏目", LONG, "第二段", "甲 |  | 3"]
    deep = page("<font>" * 400 + "专利813件")
    assert "813" in read_bytes(deep, "a.html", keep_boilerplate=True).text


# docx


def test_docx_sample_in_reading_order() -> None:
    document = read_document(SAMPLES / "jiaoyu-2023.docx")
    lines = shown(document)
    kinds = [place.kind for place in document.places]
    assert kinds[0] == "heading"
    table = kinds.index("table")
    assert lines[table - 1].endswith("学校建设情况见下表：")
    assert lines[table : table + 5] == [
        "建设类别 | 单位 | 2022年 | 2023年 | 完成投资（万元）",
        "新建学校 | 所 | 3 | 4 | 31200",
        "改扩建学校 | 所 | 4 | 5 | 17300",
        "合计 | 所 | 7 | 9 | 48500",
        "新增公办学位 | 个 | 5120 | 7350 |",
    ]
    assert lines[table + 5] == "（二）教师队伍建设得到加强"
    assert kinds.count("table") == 5


def test_docx_merged_nested_and_layout_tables() -> None:
    def fill(document: Docx) -> None:
        table = document.add_table(3, 3)
        for row, texts in enumerate(
            (("指标", "x", "2016年"), ("专利", "件", "813"), ("", "家", "5"))
        ):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text
        table.cell(0, 0).merge(table.cell(0, 1)).text = "指标名称"
        table.cell(1, 0).merge(table.cell(2, 0)).text = "专利"
        outer = document.add_table(1, 2)
        outer.cell(0, 0).text = "附表"
        inner = outer.cell(0, 1).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "论文", "7"
        document.add_paragraph("结尾")

    assert shown(read_bytes(docx_bytes(fill), "a.docx")) == [
        "指标名称 | 2016年",
        "专利 | 件 | 813",
        "| 家 | 5",
        "附表",
        "论文 | 7",
        "结尾",
    ]


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
PIECES = (
    "<w:p><w:r><w:t>甲</w:t><w:tab/><w:t>乙</w:t><w:br/></w:r><w:ins><w:r><w:t>插入</w:t></w:r></w:ins>"
    "<w:del><w:r><w:delText>删除</w:delText></w:r></w:del>"
    "<w:hyperlink><w:r><w:t>链接</w:t></w:r></w:hyperlink>"
    f"<w:r><mc:AlternateContent {MC}><mc:Choice Requires='wps'><w:txbxContent><w:p><w:r><w:t>文本框"
    "</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>文本框"
    "</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    "<w:sdt><w:sdtContent><w:p><w:r><w:t>控件</w:t></w:r></w:p></w:sdtContent></w:sdt>"
)
NOTES = (
    f"<w:footnotes {W}><w:footnote w:type='separator' w:id='-1'>"
    "<w:p><w:r><w:separator/></w:r></w:p>"
    "</w:footnote><w:footnote w:id='1'><w:p><w:r><w:t>脚注：不含研发机构</w:t></w:r></w:p>"
    "</w:footnote></w:footnotes>"
)
RELATION = (
    '<Relationship Id="rIdN" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/footnotes" Target="footnotes.xml"/></Relationships>'
)
CONTENT = (
    '<Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.wordprocessingml.footnotes+xml"/></Types>'
)


def rich_docx() -> bytes:
    def fill(document: Docx) -> None:
        document.add_paragraph("正文")
        document.sections[0].header.paragraphs[0].text = "页眉"
        document.sections[0].footer.paragraphs[0].text = "页脚"

    return repacked(
        docx_bytes(fill),
        {
            "word/document.xml": lambda xml: xml.replace("<w:sectPr", PIECES + "<w:sectPr", 1),
            "word/footnotes.xml": lambda _: NOTES,
            "word/_rels/document.xml.rels": lambda xml: xml.replace("</Relationships>", RELATION),
            "[Content_Types].xml": lambda xml: xml.replace("</Types>", CONTENT),
        },
    )


def test_docx_loses_no_text() -> None:
    document = read_bytes(rich_docx(), "a.docx")
    assert shown(document) == ["正文", "甲\t乙\n插入链接", "文本框", "控件", "脚注：不含研发机构"]


def test_docx_headers_are_kept_on_demand() -> None:
    lines = shown(read_bytes(rich_docx(), "a.docx", keep_boilerplate=True))
    assert lines[0] == "页眉"
    assert lines[-1] == "页脚"


# pdf


def test_pdf_sample() -> None:
    document = read_document(SAMPLES / "nianbao-2022.pdf")
    lines = shown(document)
    assert lines[:2] == ["泓川装备股份有限公司2022年年度报告摘要", "一、经营情况概述"]
    assert document.places[0].kind == document.places[1].kind == "heading"
    assert "净利润 | 亿元 | 3.71 | 4.07" in lines
    assert {place.page for place in document.places} == {1, 2, 3}
    for furniture in ("- 1 -", "- 2 -", "- 3 -", "公司  2022"):
        assert furniture not in document.text
    sentence = "“小巨人”企业，江州泓川液压件有限公司被认定为高新技术企业。"
    at = document.text.index(sentence)
    first, last = document.place(at), document.place(at + len(sentence) - 1)
    assert (first.page, last.page) == (1, 2)
    assert first.paragraph == last.paragraph


def test_pdf_sample_with_its_boilerplate() -> None:
    main = read_document(SAMPLES / "nianbao-2022.pdf")
    full = read_document(SAMPLES / "nianbao-2022.pdf", keep_boilerplate=True)
    lines = shown(full)
    assert [line for line in lines if line.startswith("- ")] == ["- 1 -", "- 2 -", "- 3 -"]
    assert lines.count("泓川装备股份有限公司  2022年年度报告摘要") == 3
    for line in shown(main):
        assert line in full.text


@pytest.mark.parametrize(
    "footer", ["- {} -", "—{}—", "第{}页 共3页", "{}", "{}/3", "Page {} of 3", "科技局工作总结 {}"]
)
def test_pdf_paragraph_over_pages_with_any_page_number(footer: str) -> None:
    text = (
        "".join(f"第{n}项指标完成{n * 37}件，同比增长{n}.{n % 10}%；" for n in range(90)) + "完。"
    )
    lines = wrapped(text)
    pages = [lines[:30], lines[30:60], lines[60:]]
    document = read_bytes(text_pdf(pages, header="青潭县文件", footer=footer), "a.pdf")
    check_places(document)
    assert document.text == text
    assert [place.page for place in document.places] == [1, 2, 3][: len([p for p in pages if p])]
    assert {place.paragraph for place in document.places} == {1}


def test_pdf_paragraphs_by_indent_short_line_number_and_size() -> None:
    first = "全县高新技术企业达到58家，比上年增加17家，增长四成以上，其中省级“小巨人”企业2家。"
    second = "全县研发经费支出2.37亿元，占地区生产总值的比重为1.52%，兑现研发后补助资金316万元。"
    lines = [
        "一、主要工作",
        *wrapped(first),
        *wrapped(second),
        "1.力争专利申请量突破700件；",
        "2.新建平台3家。",
    ]
    document = read_bytes(text_pdf([lines]), "a.pdf")
    assert shown(document) == ["一、主要工作", first, second, *lines[-2:]]
    assert document.places[0].kind == "heading"
    assert document.places[1].kind == "paragraph"


def test_pdf_numbers_in_the_text_are_no_page_numbers() -> None:
    pages = [["指标情况", *[f"指标{p * n}完成情况" for n in range(30)], "813"] for p in (1, 2)]
    document = read_bytes(text_pdf(pages), "a.pdf")
    assert document.text.count("813") == 2


def test_pdf_repeated_first_row_of_a_table_stays() -> None:
    def draw(canvas: Canvas) -> None:
        for number in (1, 2, 3):
            canvas.setFont(FONT, 12)
            for row in range(20):
                texts = (
                    (f"指标{number}{row}", "件", f"{number * row}")
                    if row
                    else ("指标", "单位", "数值")
                )
                for column, text in enumerate(texts):
                    canvas.drawString(90 + column * 120, 770 - row * 22, text)
            canvas.showPage()

    lines = shown(read_bytes(pdf_bytes(draw), "a.pdf"))
    assert lines.count("指标 | 单位 | 数值") == 3
    assert "指标37 | 件 | 21" in lines


def test_pdf_order_watermark_shadow_and_page_without_text() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont(FONT, 12)
        canvas.drawString(90, 600, "第二段，专利36件。")
        canvas.drawString(90, 700, "第一段，专利813件。")
        canvas.drawString(90.3, 700, "第一段，专利813件。")  # drawn twice to look bold
        canvas.saveState()
        canvas.translate(300, 400)
        canvas.rotate(45)
        canvas.setFont(FONT, 40)
        canvas.drawString(0, 0, "内部资料")
        canvas.restoreState()
        canvas.showPage()
        canvas.rect(50, 50, 300, 300, fill=1)
        canvas.showPage()

    document = read_bytes(pdf_bytes(draw), "a.pdf")
    assert shown(document) == ["第一段，专利813件。", "第二段，专利36件。"]
    assert len(document.warnings) == 2
    full = read_bytes(pdf_bytes(draw), "a.pdf", keep_boilerplate=True)
    assert shown(full)[-1] == "内部资料"


def test_pdf_turned_page() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont(FONT, 12)
        canvas.translate(595, 0)
        canvas.rotate(90)
        canvas.drawString(90, 500, "指标")
        canvas.drawString(300, 500, "数值")
        canvas.drawString(90, 470, "专利申请量")
        canvas.drawString(300, 470, "813")
        canvas.showPage()

    assert shown(read_bytes(pdf_bytes(draw), "a.pdf")) == ["指标 | 数值", "专利申请量 | 813"]


def test_pdf_latin_words_keep_their_spaces() -> None:
    lines = [
        "The bureau granted 813 patents in the year 2016, 97 more than a year before, and",
        "spent more than ever.",
    ]
    document = read_bytes(text_pdf([lines]), "a.pdf")
    assert document.text == " ".join(lines)


def test_pdf_in_many_threads() -> None:
    path = SAMPLES / "nianbao-2022.pdf"
    expected = read_document(path)
    with ThreadPoolExecutor(4) as pool:
        assert all(document == expected for document in pool.map(read_document, [path] * 12))


def test_reading_prints_nothing() -> None:
    code = (
        "import sys\n"
        "from zhibiao.readers import read_bytes, read_document\n"
        "for path in sys.argv[1:]:\n"
        "    read_document(path)\n"
        "read_bytes(b'<p>x</p>', 'a.html')\n"
    )
    paths = sorted(str(path) for path in SAMPLES.iterdir())
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout + result.stderr == ""

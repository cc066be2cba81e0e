"""The labelling interface: what annotators see and press in Label Studio."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from annotation.record_controls import CHOICES, NO_YEAR, RELATIONS, TITLES, YEAR_NAME
from annotation.regions import FROM_NAME, QUALIFIER, QUALIFIER_NAME, TO_NAME
from zhibiao.spans import LABELS

__all__ = ["COLOURS", "asks_for_records", "label_style", "labelling_interface"]

COLOURS: dict[str, str] = dict(
    zip(LABELS, ("#384394", "#389475", "#c8a32a", "#5c3523", "#666600", "#428df0"), strict=True)
)
"""A colour a label, for names, lines and selected spans.

Found by a search within a hue a label for the largest smallest distance (Oklab) of any two, to
normal eyes and to eyes without green or red receptors (matrices of Machado and others, 2009).
"""

# What fills a span and what underlines it: the shapes and hues of the pages that inference
# writes, softer because annotators look at them all day. Shapes tell apart what colours cannot.
_FILLS = dict(
    zip(LABELS, ("#9db3ff", "#5fca91", "#ffc73a", "#f6d6bd", "#bdc571", "#c2dbff"), strict=True)
)
_LINES = dict(
    zip(
        LABELS,
        ("2px solid", "2px dashed", "2px solid", "2px dotted", "3px double", "2px dashed"),
        strict=True,
    )
)

_HINTS = {
    "机构": "有专名或能唯一认定的组织，不以经营为身份：县科技局、市委、江岭大学",
    "指标": "被度量、被计数的东西的名称：专利授权量、省级农业科技园区、横幅",
    "数值": "用来计数或度量的数：426、1.2万余、三分之一、2-3",
    "单位": "紧跟数值的单位或量词，连数量级：件、%、个百分点、亿元",
    "年份": "指明某一年度或五年规划期：2018年、去年、十四五；月日不要",
    "企业名": "具体的公司、工厂、银行、合作社，全称简称都标",
}

_KEYS = (
    "数字键选标签，再划字 ｜ 点片段选中它：数字键改标签，Backspace 删除，Alt+R 连关系，Esc 取消 ｜ "
    "Ctrl+Z 撤销 ｜ Ctrl+Enter 提交"
)

_QUALIFIERS = f"""\
    <View className="zhibiao-qualifier">
      <Labels name="{QUALIFIER_NAME}" toName="{TO_NAME}" showInline="true">
        <Label value="{QUALIFIER}" background="#777777" hotkey="7"
          hint="指标的子集限定词：其中省级 9 家的“省级”；连到数值"/>
      </Labels>
    </View>
"""

_YEAR_HINT = f"这是哪一年：2016、2016-2020；推不出写“{NO_YEAR}”（原文已写明年份的不用填）"

# Fonts are named because a browser's own choice for Chinese may be thin or serif; Label Studio sets
# its font on every element, so the rule must reach every element too. The rules hold no ">": it
# would arrive escaped.
_STYLE = """
    .zhibiao-text *, .zhibiao-head * {
      font-family: "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei",
        "WenQuanYi Micro Hei", sans-serif !important;
    }
    .zhibiao-text .lsf-htx-richtext {
      max-width: 44em; font-size: 18px; line-height: 1.9; overflow-wrap: anywhere;
    }
    .zhibiao-text .lsf-richtext__line { margin-bottom: .3em; }
    .zhibiao-text .htx-highlight.__active { outline: 2px solid currentColor; }
    .zhibiao-text .htx-highlight area { display: inline-block; }
    .zhibiao-head {
      position: sticky; top: 0; z-index: 5; padding-top: 6px; margin-bottom: 8px;
      background: var(--color-neutral-background, #fff);
      border-bottom: 1px solid var(--color-neutral-border, #ddd);
    }
    .zhibiao-head h4 {
      margin: 0 0 6px !important; font-size: 13px; line-height: 1.5; font-weight: 400;
    }
    .zhibiao-head .lsf-labels { margin: 0 !important; }
    .zhibiao-head .lsf-label {
      font-size: 16px; line-height: 24px; color: #1b1b1b; border-left: 0;
    }
    .zhibiao-head .lsf-label__hotkey { color: #1b1b1b; }
    .zhibiao-head .lsf-label_selected { outline: 3px solid #1b1b1b; }
    .zhibiao-head .lsf-label_selected * { font-weight: 700; }
"""

# The questions stand at the bottom, so that the text does not move when they appear and go. A
# report has hundreds of relations: lines are faint and run between wider lines of text, and what
# their labels say the ends say too.
_RECORDS_STYLE = """
    .zhibiao-text .lsf-htx-richtext { line-height: 2.5; }
    .zhibiao-head, .zhibiao-questions { z-index: 101; }
    .relations-overlay g g { display: none; }
    .relations-overlay path[opacity="0.6"] { opacity: .35; }
    .zhibiao-head .zhibiao-qualifier .lsf-label:nth-child(1) {
      background-color: #ddd; border-bottom: 2px solid #777;
    }
    .zhibiao-questions {
      position: sticky; bottom: 0; padding: 4px 0;
      background: var(--color-neutral-background, #fff);
      border-top: 1px solid var(--color-neutral-border, #ddd);
    }
    .zhibiao-question { display: flex; align-items: center; gap: 12px; font-size: 14px; }
    .zhibiao-question h4 { margin: 0 !important; font-size: 13px; }
    .zhibiao-question .lsf-choices { margin: 0 !important; }
"""


def label_style(label: str) -> str:
    """CSS declarations for a span of a label: a fill, and an underline of a shape of its own."""
    return (
        f"background-color: {_FILLS[label]}; color: #1b1b1b; border-bottom: {_LINES[label]} #333b"
    )


def labelling_interface(*, records: bool = False) -> str:
    """The labelling config (XML): six labels with hotkeys 1 to 6, the text, the relations.

    With ``records`` also the label of qualifiers, hotkey 7, and the questions about a selected
    数值 or 年份 (:mod:`annotation.record_controls`).
    """
    labels = "\n".join(
        f'      <Label value={quoteattr(label)} background="{COLOURS[label]}" hotkey="{key}"'
        f" hint={quoteattr(_HINTS[label])}/>"
        for key, label in enumerate(LABELS, start=1)
    )
    relations = "\n".join(f'    <Relation value="{TITLES[field]}"/>' for field in RELATIONS)
    style = _STYLE + (_RECORDS_STYLE if records else "") + _span_rules()
    # Without valueType a text that looks like an address would be fetched; without
    # granularity="symbol" a drawn region may jump to word borders, which Chinese has not.
    return f"""<View>
  <Style>{escape(style)}  </Style>
  <View className="zhibiao-head">
    <Header value="$report_id" size="6"/>
    <Labels name="{FROM_NAME}" toName="{TO_NAME}" showInline="true">
{labels}
    </Labels>
{_QUALIFIERS if records else ""}    <Header value={quoteattr(_KEYS)} size="6"/>
  </View>
  <View className="zhibiao-text">
    <Text name="{TO_NAME}" value="$text" valueType="text" granularity="symbol" saveTextResult="no"/>
  </View>
{_questions() if records else ""}  <Relations>
{relations}
  </Relations>
</View>
"""


def asks_for_records(config: str) -> bool:
    """Whether a labelling config has what records need."""
    return f'<Labels name="{QUALIFIER_NAME}" toName="{TO_NAME}"' in config


def _questions() -> str:
    """What is asked about a selected value or year, at the bottom of the window."""
    choices = "\n".join(
        f'''    <View className="zhibiao-question">
      <Header value={quoteattr(TITLES[name])} size="6"/>
      <Choices name="{name}" toName="{TO_NAME}" perRegion="true" choice="single" showInline="true">
{_options(name)}
      </Choices>
    </View>'''
        for name in CHOICES
    )
    return f"""  <View className="zhibiao-questions" {_about("数值")}>
{choices}
  </View>
  <View className="zhibiao-questions" {_about("年份")}>
    <View className="zhibiao-question">
      <Header value={quoteattr(_YEAR_HINT)} size="6"/>
      <TextArea name="{YEAR_NAME}" toName="{TO_NAME}" perRegion="true" editable="true"
        maxSubmissions="1" rows="1"/>
    </View>
  </View>
"""


def _about(label: str) -> str:
    return f'visibleWhen="region-selected" whenTagName="{FROM_NAME}" whenLabelValue="{label}"'


def _options(name: str) -> str:
    return "\n".join(
        f'        <Choice value="{words}" alias="{stored}"/>'
        for stored, words in CHOICES[name].items()
    )


def _span_rules() -> str:
    """Rules for spans in the text and for the label buttons above it.

    Label Studio paints a span with its own important rule; a selected or hidden one is left to it.
    """
    rules = []
    for number, label in enumerate(LABELS, start=1):
        style = label_style(label)
        rules.append(
            f'    .zhibiao-text .htx-highlight[data-label$="{label}"]'
            f":not(.__active):not(.__hidden) {{ {style.replace(';', ' !important;', 1)} }}\n"
            f"    .zhibiao-head .lsf-label:nth-child({number}) {{ {style} }}\n"
        )
    return "".join(rules)

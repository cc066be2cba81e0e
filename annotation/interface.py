"""The labelling interface: what annotators see and press in Label Studio."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from annotation.regions import FROM_NAME, TO_NAME
from zhibiao.spans import LABELS

__all__ = ["COLOURS", "RELATION", "label_style", "labelling_interface"]

COLOURS: dict[str, str] = dict(
    zip(LABELS, ("#384394", "#389475", "#c8a32a", "#5c3523", "#666600", "#428df0"), strict=True)
)
"""A colour a label, for names, lines and selected spans.

Found by a search within a hue a label for the largest smallest distance (Oklab) of any two, to
normal eyes and to eyes without green or red receptors (matrices of Machado and others, 2009).
"""

RELATION = "取值"
"""The relation from 指标 to its 数值."""

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


def label_style(label: str) -> str:
    """CSS declarations for a span of a label: a fill, and an underline of a shape of its own."""
    return (
        f"background-color: {_FILLS[label]}; color: #1b1b1b; border-bottom: {_LINES[label]} #333b"
    )


def labelling_interface() -> str:
    """The labelling config (XML): six labels with hotkeys 1 to 6, the text, one relation."""
    labels = "\n".join(
        f'      <Label value={quoteattr(label)} background="{COLOURS[label]}" hotkey="{key}"'
        f" hint={quoteattr(_HINTS[label])}/>"
        for key, label in enumerate(LABELS, start=1)
    )
    # Without valueType a text that looks like an address would be fetched; without
    # granularity="symbol" a drawn region may jump to word borders, which Chinese has not.
    return f"""<View>
  <Style>{escape(_STYLE + _span_rules())}  </Style>
  <View className="zhibiao-head">
    <Header value="$report_id" size="6"/>
    <Labels name="{FROM_NAME}" toName="{TO_NAME}" showInline="true">
{labels}
    </Labels>
    <Header value={quoteattr(_KEYS)} size="6"/>
  </View>
  <View className="zhibiao-text">
    <Text name="{TO_NAME}" value="$text" valueType="text" granularity="symbol" saveTextResult="no"/>
  </View>
  <Relations>
    <Relation value="{RELATION}"/>
  </Relations>
</View>
"""


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

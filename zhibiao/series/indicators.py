"""Indicator names: which spellings name the same indicator.

A name becomes a key: a head noun, the actions around it in any order (授权发明专利 and
发明专利授权量 are 发明专利 + 授权), and its levels (国家级, 省级). Only a closed list of words is
ever dropped or replaced; whatever else a name says stays in its head, so that names that differ
in any other word (专利 and 发明专利, 产值 and 增加值, 人均 and 户均) never meet.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["indicator_key", "plain_name"]

_NOISE = re.compile(r"[\s\"“”'‘’「」『』《》〈〉·()]")

_SYNONYMS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # One statistical term and its translation.
        (r"研究与试验发展(?:r&d)?|研究与开发|研究开发|研发", "r&d"),
        # 《全国科技经费投入统计公报》: R&D经费 is what society as a whole spends, 投入 or 支出.
        (r"^全社会(?=r&d)", ""),
        (r"r&d(?:经费支出|经费投入|支出|投入)(?!强度)", "r&d经费"),
        # The same yearbook defines the intensity as the ratio to GDP.
        (r"r&d(?:经费)?(?:投入)?强度", "r&d经费强度"),
        (r"(?:地区|国内)?生产总值", "gdp"),
        (r"r&d经费占gdp的?(?:比重|比例|比)", "r&d经费强度"),
        # Abbreviations with one reading.
        (r"高企", "高新技术企业"),
        (r"规模以上|规模(?=工业)", "规上"),
        (r"限额以上", "限上"),
        (r"技术改造", "技改"),
        (r"高等学校|高等院校", "高校"),
        # PCT is the international application.
        (r"pct国际", "pct"),
        (r"有效期内", "有效"),
        # 每万人口发明专利拥有量 counts the patents in force per 10,000 inhabitants.
        (r"^每?万人口?(?=(?:有效|高价值)?(?:发明)?专利)", "万人均"),
        (r"保有", "拥有"),
        # 科技进步贡献率 is short for it.
        (r"科技进步对经济增长的贡献率", "科技进步贡献率"),
        # Trade over the border is foreign trade.
        (r"外贸(?=进出口|出口|进口)", ""),
        # The technology market is where technology contracts are registered.
        (r"技术市场(?:技术)?合同", "技术合同"),
        (r"认定登记", "登记"),
        # 总产值 is the full name of 产值, 总资产 of 资产总额; 利润总额 is not 利润, see below.
        (r"总产值", "产值"),
        (r"总资产", "资产"),
        # 商务部's statistic under its old and its new name.
        (r"实际使用外资", "实际利用外资"),
        (r"相当于", "占"),
    )
)
_SCOPE = re.compile(r"^[全我](?:省|自治区|市|州|盟|县|区|旗|镇|乡|村)(?=..)|^全年(?=..)")

# Endings that only say that the thing is counted or summed.
_COUNTED = re.compile(
    r"(?:总人数|人数|头数|件数|项数|个数|总数量|数量|总数|总量|总额|总值|金额|数|量|额)$"
)
# Endings that look the same and are part of the measure.
_MEASURING = re.compile(r"(?:[指系倍分天次基参岁]数|[质产销容增存流含]量|[余差限份]额|利润总额)$")
_ACTIONS = r"申请|授权|受理|登记|拥有|备案|立项|验收|结题|入库|签订"
_LEADING = re.compile(rf"^(?:{_ACTIONS}|有效)")
_TRAILING = re.compile(rf"(?:{_ACTIONS})$")

_UNITS_OF_STATE = "国家|省部|自治区|省|市|州|盟|县|区|旗|乡镇|乡|镇|村"
_LEVEL = re.compile(rf"({_UNITS_OF_STATE})级(?:及?(以[上下]))?的?")
# 省科技计划项目 is 省级科技计划项目, but 省外, 市场 and 县城 are other words.
_BARE_LEVEL = re.compile(
    r"^(国家|省|市|县)(?:及?(以[上下])|(?![场外内域直际管区长容辖属本城政委府级和与及、省市县]|民(?!营))(?=..))"
)
_ONLY_LEVEL = re.compile(rf"({_UNITS_OF_STATE})级?(?:及?(以[上下]))?的?")

_RATIO = re.compile(r"(.*?)占(.+?)的?(?:比重|比例|百分比|份额|比)")
_AND = re.compile(r"[、和与]")

_VAGUE = re.compile(
    rf"{_ACTIONS}|发明|企业|公司|单位|部门|项目|工程|活动|问题|任务|指标|主要指标|成果|团队|产品|商品|设备|资料"
    r"|人员|干部|职工|群众|农民|农户|学生|乡镇|镇|乡|村|行政村|社区|县|县区|国家"
    r"|资金|经费|投资|总投资|计划投资|投入|贷款|损失|合同|成交|产值|销售|销售收入|面积|规模|期限"
    r"|比例|比重|占比|投入强度|权重|分值|得分|目标值|数量|总数|位次"
    r"|总量|增速|增幅|总面积|总长|合计|中心|组|平台|基地|会议|协议|订单"
)
"""Names that mean something else each time they are written: they cannot join two rows."""


def plain_name(name: str) -> str:
    """A name in the form that names are compared in: NFKC, small letters, no spaces or quotes."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", name).casefold())


@lru_cache(maxsize=65536)
def indicator_key(name: str, qualifier: str = "") -> str | None:
    """The key that all spellings of an indicator share, or None where the name identifies nothing.

    ``qualifier`` is a record's subset qualifier: a mere level joins the name's own levels
    (工程中心 with 省级 is 省级工程中心), anything else stays apart. None is the answer for an empty
    name and for names such as 项目 or 资金 that mean something else each time.
    """
    text = _SCOPE.sub("", plain_name(name))
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    part = plain_name(qualifier)
    level = _ONLY_LEVEL.fullmatch(part)
    levels = [level[1] + (level[2] or "")] if level else []
    if ratio := _RATIO.fullmatch(text):
        above, below = _noun_key(ratio[1], levels), _noun_key(ratio[2], [])
        # 占GDP比重 does not say of what.
        key = f"{above}÷{below}" if ratio[1] else None
    else:
        key = _noun_key(text, levels)
        if _VAGUE.fullmatch(key) or not text:
            key = None
    return key if key is None or level or not part else f"{key}[{part}]"


def _noun_key(text: str, levels: list[str]) -> str:
    """``head+action@level`` with actions and levels in their order of code points."""
    found = list(levels)

    def take(match: re.Match[str]) -> str:
        found.append(match[1] + (match[2] or ""))
        return ""

    if not _LEVEL.fullmatch(text):
        text = _LEVEL.sub(take, text)
        text = _BARE_LEVEL.sub(take, text)
    prefix, text = ("万人均", text[3:]) if text.startswith("万人均") else ("", text)
    text, actions = _split_actions(_uncounted(text))
    if "专利" in text and actions & {"有效", "拥有"}:
        # A patent is owned as long as it is in force: the office counts one thing by two words.
        actions = actions - {"有效"} | {"拥有"}
    if "之比" not in text:
        text = "、".join(sorted(_AND.split(text)))
    key = "+".join([prefix + text, *sorted(actions)])
    return "@".join([key, *sorted(set(found))])


def _uncounted(text: str) -> str:
    """The name without endings that only say that it is counted."""
    while not _MEASURING.search(text):
        ending = _COUNTED.search(text)
        if ending is None or ending.start() < 2:
            break
        text = text[: ending.start()]
    return text


def _split_actions(text: str) -> tuple[str, set[str]]:
    """The head noun, and the actions before and after it; an action alone is a head."""
    actions: set[str] = set()
    for pattern in (_TRAILING, _LEADING):
        while (match := pattern.search(text)) and len(text) - len(match[0]) >= 2:
            text = _uncounted(text[: match.start()] + text[match.end() :])
            actions.add(match[0])
    return text, actions

"""Reports that are nearly the same: leaks between splits, and work done twice."""

from __future__ import annotations

from collections.abc import Iterator

from annotation.audit.evidence import Evidence
from annotation.audit.finding import Signal
from zhibiao.duplicates import near_duplicates

__all__ = ["copy_signals"]


def copy_signals(evidence: Evidence) -> Iterator[Signal]:
    """One signal a pair: ``leak`` across splits, ``copy`` within one or where none are known.

    It stands at the audited report; of two audited ones at the one outside the training split,
    which is the one to look at, else at the later one.
    """
    documents = evidence.documents
    for pair in near_duplicates(evidence.texts):
        # False sorts first: an audited one, of two such the one outside train, else the later.
        here, there = sorted(
            (pair.second, pair.first),
            key=lambda number: (documents[number].reference, documents[number].split == "train"),
        )
        one, other = documents[here], documents[there]
        if one.reference:
            continue
        leak = one.split != other.split and one.split is not None and other.split is not None
        named = f"{other.report.id}（{other.where(0)}）"
        told = f"与 {named} 的五字片段有 {pair.similarity:.0%} 相同"
        if leak:
            told += f"，而这份在 {one.split}、那份在 {other.split}：评测会虚高"
        yield Signal(
            "重复",
            "leak" if leak else "copy",
            here,
            0,
            len(one.report.text),
            "",
            told,
            "放进同一划分，或删去一份" if leak else "只留一份，或确认两份都要",
            (pair.similarity,),
        )

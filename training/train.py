"""Fine-tune a token classifier on tagged reports.

    python -m training.train --config configs/compact.yaml [key=value ...]

Training stops when whole-report F1 on the validation reports has not risen for ``patience``
epochs, and the best epoch is kept. ``resume=true`` goes on from the last checkpoint in the
output folder.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from training.augment import AugmentConfig, Augmenter
from training.config import Config, load_config
from training.dataset import WindowDataset, collate, data_hash, lost_spans
from training.evaluate_model import score_extractor
from training.weights import TOKENIZER_FILES, save_weights, tiny_encoder
from zhibiao.backends import TorchBackend
from zhibiao.characters import CharacterEncoder
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.extractor import Extractor
from zhibiao.metrics import Scores
from zhibiao.model_directory import ModelDirectory
from zhibiao.reports import Report
from zhibiao.spans import LABELS
from zhibiao.tagging import tags_of

__all__ = ["TrainConfig", "train"]

_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "seqeval")


class TrainConfig(Config):
    """What ``training.train`` does; ``encoder: null`` makes a tiny random one, for tests."""

    name: str
    encoder: str | None
    output: str
    train: list[str]
    validation: list[str]
    labels: list[str] = Field(default=list(LABELS), min_length=1)
    version: str = "0.1.0"
    window: int = Field(default=254, ge=8, le=510)
    overlap: int = Field(default=32, ge=0)
    epochs: int = Field(default=12, ge=1)
    batch_windows: int = Field(default=24, ge=1)
    learning_rate: float = 3e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    dropout: float = 0.1
    label_smoothing: float = 0.0
    augment: AugmentConfig | None = AugmentConfig()
    patience: int = Field(default=4, ge=1)
    seed: int = 13
    bf16: bool = True
    device: str | None = None
    resume: bool = False

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.overlap > self.window // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of window {self.window}")
        return self


class _ReportTrainer(Trainer):
    """transformers' Trainer, scored on whole reports, with a faster head."""

    def __init__(
        self,
        *,
        config: TrainConfig,
        network: nn.Module,
        extractor: Extractor,
        reports: list[Report],
        **arguments: Any,
    ) -> None:
        super().__init__(model=network, **arguments)
        self._network = network
        self._config = config
        self._extractor = extractor
        self._reports = reports

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self._network.eval()
        scores = score_extractor(self._extractor, self._reports)
        self._network.train()
        metrics = {f"eval_{label}": counts.f1 for label, counts in scores.labels.items()}
        metrics |= {"eval_f1": scores.micro.f1, "epoch": self.state.epoch or 0.0}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        if self.optimizer is None:
            config = self._config
            groups: dict[tuple[float, float], list[nn.Parameter]] = {}
            for name, parameter in self._network.named_parameters():
                head = name.startswith("classifier")
                rate = config.head_learning_rate if head else config.learning_rate
                # Biases and norms are left out of the decay, as BERT's authors do.
                decay = 0.0 if parameter.ndim < 2 else config.weight_decay
                groups.setdefault((rate, decay), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [
                    {"params": parameters, "lr": rate, "weight_decay": decay}
                    for (rate, decay), parameters in groups.items()
                ],
                betas=(0.9, 0.98),
            )
        return self.optimizer


class _EpochSetter(TrainerCallback):
    """Tells the dataset which epoch it is, for windows that are cut anew each time."""

    def __init__(self, dataset: WindowDataset) -> None:
        self._dataset = dataset

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._dataset.epoch = round(state.epoch or 0)


def train(config: TrainConfig) -> tuple[Path, Scores]:
    """Train as configured; returns the model directory and its scores on the validation reports.

    Raises:
        FormatError: data that breaks its format, a report in training and validation, gold spans
            lost to windows, or a loss that is not a number.
    """
    set_seed(config.seed)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    labels = tuple(config.labels)
    tags = tags_of(labels)
    reports = [report for source in config.train for report in read_reports(source, labels)]
    validation = [r for source in config.validation for r in read_reports(source, labels)]
    shared = {r.id for r in reports} & {r.id for r in validation}
    if shared:
        raise FormatError(f"report {min(shared)!r} is in training and validation; split by report")
    lost = lost_spans([*reports, *validation], config.window, config.overlap)
    if lost:
        raise FormatError(f"{lost} gold spans do not fit window {config.window}; raise the window")

    if not config.resume:
        shutil.rmtree(output / "checkpoints", ignore_errors=True)
    encoder = config.encoder or tiny_encoder(output / "tiny", (r.text for r in reports))
    _copy_tokenizer(encoder, output)
    characters = CharacterEncoder.from_directory(output)
    model = AutoModelForTokenClassification.from_pretrained(
        encoder,
        num_labels=len(tags),
        id2label=dict(enumerate(tags)),
        label2id={tag: number for number, tag in enumerate(tags)},
        # A model of another label set gives its encoder, not its head.
        ignore_mismatched_sizes=True,
        classifier_dropout=config.dropout,
        dtype=torch.float32,
    )
    positions = model.config.max_position_embeddings
    if config.window + 2 > positions:
        raise FormatError(
            f"window {config.window} does not fit the encoder's {positions} positions"
        )
    augmenter = Augmenter(config.augment, reports) if config.augment else None
    dataset = WindowDataset(reports, characters, config.window, config.seed, augmenter)
    settings = ModelDirectory(
        path=output,
        name=config.name,
        window=config.window,
        overlap=config.overlap,
        labels=labels,
    )
    cuda = config.device != "cpu" and torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(output / "checkpoints"),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_windows,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup,
        label_smoothing_factor=config.label_smoothing,
        bf16=config.bf16,
        use_cpu=not cuda,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        logging_steps=20,
        report_to=[],
        seed=config.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=cuda,
        # Patience must survive an interruption too.
        restore_callback_states_from_checkpoint=True,
        # The default hides losses that are not numbers.
        logging_nan_inf_filter=False,
    )
    backend = TorchBackend(model, "cuda" if cuda else "cpu")
    extractor = Extractor(backend, characters, settings, threads=1, gpu=cuda)
    trainer = _ReportTrainer(
        config=config,
        extractor=extractor,
        reports=validation,
        network=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=dataset,  # Trainer wants one; evaluate() scores whole reports instead
        data_collator=lambda items: collate(items, characters.padding),
        callbacks=[_EpochSetter(dataset), EarlyStoppingCallback(config.patience)],
    )
    resume = config.resume and (output / "checkpoints").is_dir()
    result = trainer.train(resume_from_checkpoint=resume or None)
    if not math.isfinite(result.training_loss):
        raise FormatError("the loss is not a number; lower learning_rate or set bf16=false")
    model.eval()
    scores = score_extractor(extractor, validation)
    _save(config, model, output, reports, validation, scores, trainer.state.log_history)
    shutil.rmtree(output / "checkpoints", ignore_errors=True)
    return output, scores


def _copy_tokenizer(encoder: str | Path, output: Path) -> None:
    if str(encoder).startswith((".", "/", "runs/")) and not Path(encoder).is_dir():
        raise FormatError(
            f"{encoder}: no such encoder folder; make it with training.encoder or adapt"
        )
    if Path(encoder).is_dir():
        for name in TOKENIZER_FILES:
            if (Path(encoder) / name).is_file():
                shutil.copyfile(Path(encoder) / name, output / name)
    else:
        AutoTokenizer.from_pretrained(encoder).save_pretrained(output)


def _save(
    config: TrainConfig,
    model: nn.Module,
    output: Path,
    reports: list[Report],
    validation: list[Report],
    scores: Scores,
    history: list[dict[str, Any]],
) -> None:
    # An int8 graph of an earlier run would go on answering for the new weights.
    (output / "model.onnx").unlink(missing_ok=True)
    save_weights(model, output)
    settings = {
        "name": config.name,
        "version": config.version,
        "window": config.window,
        "overlap": config.overlap,
        "temperature": 1.0,
        "thresholds": {},
        "transitions": None,
        "seed": config.seed,
        "config": config.model_dump(),
        "data": {
            "train": {"reports": len(reports), "hash": data_hash(reports)},
            "validation": {"reports": len(validation), "hash": data_hash(validation)},
        },
        "packages": {name: version(name) for name in _PACKAGES}
        | {"python": platform.python_version()},
        "metrics": {"validation": scores.to_dict()},
    }
    _write_json(output / "zhibiao.json", settings)
    _write_json(output / "history.json", history)


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args(argv)
    try:
        output, scores = train(load_config(TrainConfig, options.config, options.overrides))
    except (ZhibiaoError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{output}: validation F1 {scores.micro.f1:.4f}, macro {scores.macro_f1:.4f}")


if __name__ == "__main__":
    main()

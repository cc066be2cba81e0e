"""Distil a smaller student from a larger teacher, and compare models of any size.

    python -m training.distil --config configs/distil.yaml [key=value ...]
    python -m training.distil --compare DIR DIR ... --data SOURCE ... [--backend onnx]

The student learns the teacher's tag distributions on unlabelled text and on the gold reports
(soft targets at temperature T, their loss times T squared: Hinton et al. 2015), and the gold tags
themselves. It begins with some of the teacher's layers (DistilBERT: Sanh et al. 2019) or as
another encoder. Several teachers stand for their mean. They run once: the log-probabilities are
kept on disk in half precision, under a hash of teachers and text. The end is a table of size,
speed and F1 of all.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import nn
from transformers import (
    Trainer,
    TrainingArguments,
    set_seed,
)

from training.augment import Augmenter
from training.config import load_config, options_of
from training.distillation.comparison import compare_models, comparison_table, score
from training.distillation.settings import DistilConfig
from training.distillation.student import make_student
from training.distillation.targets import TargetWindows, distillation_loss, pack, soft_targets
from training.program import one_line_errors
from training.provenance import git_state, packages
from training.sources import describe_data
from training.teacher import paragraphs
from training.weights import save_weights
from zhibiao.backends import TorchBackend
from zhibiao.characters import CharacterEncoder
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError, ModelError
from zhibiao.extractor import Extractor
from zhibiao.files import replacing
from zhibiao.metrics import Scores
from zhibiao.model_directory import ModelDirectory
from zhibiao.reports import Report
from zhibiao.tagging import spans_to_tags

__all__ = ["DistilConfig", "distil"]


class _DistilTrainer(Trainer):
    """transformers' Trainer with the distillation loss, scored on whole reports."""

    def __init__(
        self,
        *,
        config: DistilConfig,
        network: nn.Module,
        extractor: Extractor,
        reports: list[Report],
        **arguments: Any,
    ) -> None:
        super().__init__(model=network, **arguments)
        self._network = network
        self._config, self._extractor, self._reports = config, extractor, reports

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        return distillation_loss(
            outputs.logits,
            inputs["gold"],
            inputs["teacher"],
            temperature=self._config.temperature,
            soft_weight=self._config.soft_weight,
            gold_weight=self._config.gold_weight,
        )

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        config = self._config
        if self.optimizer is None:
            groups: dict[tuple[float, float], list[nn.Parameter]] = {}
            for name, parameter in self._network.named_parameters():
                rate = (
                    config.head_learning_rate
                    if name.startswith("classifier")
                    else config.learning_rate
                )
                decay = 0.0 if parameter.ndim < 2 else config.weight_decay
                groups.setdefault((rate, decay), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                {"params": held, "lr": rate, "weight_decay": decay}
                for (rate, decay), held in groups.items()
            )
        return self.optimizer

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self._network.eval()
        scores = score(self._extractor, self._reports)
        self._network.train()
        metrics = {"eval_f1": scores.micro.f1, "epoch": self.state.epoch or 0.0}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def distil(config: DistilConfig, console: Console | None = None) -> tuple[Path, Scores]:
    """Train a student; returns its model directory and its scores on the validation reports.

    Raises:
        FormatError: broken data, a report in training and validation, or a loss that is no number.
        ModelError: a teacher without the wanted layers or weights, or teachers of two label sets.
    """
    console = console or Console(emoji=False, stderr=True)
    set_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    cuda = config.device != "cpu" and torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    teachers = _teachers(config, device)
    labels = teachers[0].labels
    reports = [r for source in config.train for r in read_reports(source, labels)]
    validation = [r for source in config.validation for r in read_reports(source, labels)]
    shared = {r.id for r in reports} & {r.id for r in validation}
    if shared:
        raise FormatError(f"report {min(shared)!r} is in training and validation; split by report")
    copies = _copies(config, reports)
    gold = reports + copies
    texts = [report.text for report in gold]
    tags: list[npt.NDArray[np.int64] | None] = [
        spans_to_tags(len(report.text), report.spans, labels) for report in gold
    ]
    source = config.student or config.teachers[0]
    model = make_student(
        source,
        labels,
        output,
        layers=config.layers,
        intermediate=config.intermediate,
        dropout=config.dropout,
    )
    positions = model.config.max_position_embeddings
    if config.window + 2 > positions:
        raise FormatError(
            f"window {config.window} does not fit the student's {positions} positions"
        )
    lines = paragraphs(config.unlabelled) if config.unlabelled else []
    unlabelled = pack(lines, config.window, config.characters)
    texts, tags = texts + unlabelled, tags + [None] * len(unlabelled)
    soft = soft_targets(teachers, texts, Path(config.cache), console)
    characters = CharacterEncoder.from_directory(output)
    windows = TargetWindows(texts, tags, soft, characters, config.window)
    settings = ModelDirectory(
        path=output,
        name=config.name,
        window=config.window,
        overlap=config.overlap,
        # The student imitates the teacher's log-probabilities, its temperature in them.
        transitions=teachers[0].settings.decoder.transitions,
        touching=teachers[0].settings.touching,
        lone=teachers[0].settings.lone,
        labels=labels,
    )
    extractor = Extractor(TorchBackend(model, device), characters, settings, threads=1, gpu=cuda)
    if not config.resume:
        shutil.rmtree(output / "checkpoints", ignore_errors=True)
    trainer = _DistilTrainer(
        config=config,
        extractor=extractor,
        reports=validation,
        network=model,
        args=_training_arguments(config, output, cuda=cuda),
        train_dataset=windows,
        eval_dataset=windows,  # Trainer wants one; evaluate() scores whole reports instead
        data_collator=windows.collate,
    )
    resume = config.resume and any((output / "checkpoints").glob("checkpoint-*"))
    result = trainer.train(resume_from_checkpoint=resume or None)
    if not math.isfinite(result.training_loss):
        raise FormatError("the loss is not a number; lower learning_rate or set bf16=false")
    model.eval()
    scores = score(extractor, validation)
    # An int8 graph of an earlier student would go on answering for the new weights.
    (output / "model.onnx").unlink(missing_ok=True)
    save_weights(model, output)
    _write_json(output / "history.json", trainer.state.log_history)
    record = _record(config, teachers, scores)
    record["data"] = {
        "train": describe_data(config.train, reports),
        "validation": describe_data(config.validation, validation),
    }
    record["distillation"] = {
        "copies": {"reports": len(copies), "characters": sum(len(r.text) for r in copies)},
        "unlabelled": {"characters": sum(map(len, unlabelled))},
    }
    _write_json(output / "zhibiao.json", record)
    shutil.rmtree(output / "checkpoints", ignore_errors=True)
    rows = compare_models([*config.teachers, config.output], validation, backend="torch")
    _write_json(output / "comparison.json", rows)
    console.print(comparison_table(rows))
    return output, scores


def _teachers(config: DistilConfig, device: str) -> list[Extractor]:
    teachers = [
        Extractor.from_pretrained(path, backend="torch", device=device, labels=None)
        for path in config.teachers
    ]
    for teacher in teachers[1:]:
        path = teacher.settings.path
        if teacher.labels != teachers[0].labels:
            raise ModelError(f"{path}: labels differ from those of {teachers[0].settings.path}")
        if teacher.settings.transitions is not None or teachers[0].settings.transitions is not None:
            raise ModelError(f"{path}: several teachers have a mean only with head=softmax")
    return teachers


def _copies(config: DistilConfig, reports: list[Report]) -> list[Report]:
    """Varied copies of whole reports: more names and numbers for teacher and student."""
    vary = Augmenter(config.augment, reports)
    copies = []
    for number in range(config.copies):
        for report in reports:
            rng = random.Random(f"{config.seed} {number} {report.id}")
            text, spans = vary(report.text, report.spans, rng)
            copies.append(Report(f"{report.id}+{number}", text, tuple(spans), {}, report.labels))
    return copies


def _training_arguments(config: DistilConfig, output: Path, *, cuda: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(output / "checkpoints"),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_windows,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup,
        bf16=config.bf16,
        use_cpu=not cuda,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        logging_steps=config.log_every,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=cuda,
        logging_nan_inf_filter=False,
    )


def _record(config: DistilConfig, teachers: list[Extractor], scores: Scores) -> dict[str, Any]:
    decoder = teachers[0].settings.decoder
    transitions = decoder.transitions
    return {
        "name": config.name,
        "version": config.version,
        "window": config.window,
        "overlap": config.overlap,
        "temperature": 1.0,
        "thresholds": {},
        "touching": decoder.touching,
        "lone": dict(decoder.lone),
        "transitions": None if transitions is None else transitions.tolist(),
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "teachers": [teacher.info for teacher in teachers],
        "git": git_state(),
        "packages": packages(),
        "metrics": {"validation": scores.to_dict()},
    }


def _write_json(path: Path, data: Any) -> None:
    with replacing(path) as stream:
        stream.write(json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _arguments(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"keys of the config and their defaults:\n{options_of(DistilConfig)}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, help="distil as this YAML file says")
    what.add_argument("--compare", nargs="+", metavar="DIR", help="only compare models")
    parser.add_argument("--data", nargs="+", default=[], metavar="SOURCE", help="for --compare")
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    return parser, parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    parser, options = _arguments(argv)
    if options.compare and not options.data:
        parser.error("--compare needs --data SOURCE")
    with one_line_errors(parser):
        if options.compare:
            labels = ModelDirectory.open(options.compare[0], labels=None).labels
            reports = [r for source in options.data for r in read_reports(source, labels)]
            rows = compare_models(options.compare, reports, backend=options.backend)
            Console(emoji=False).print(comparison_table(rows))
            return
        config = load_config(DistilConfig, options.config, options.overrides)
        output, scores = distil(config, Console(emoji=False))
    print(f"{output}: validation F1 {scores.micro.f1:.4f}, macro {scores.macro_f1:.4f}")


if __name__ == "__main__":
    main()

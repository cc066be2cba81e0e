"""Fine-tune a token classifier on tagged reports.

    python -m training.train --config configs/compact.yaml [key=value ...]
    torchrun --nproc_per_node 4 -m training.train --config configs/roberta-wwm-ext-large.yaml

Training stops when whole-report F1 on the validation reports has not risen for ``patience``
epochs, and the best epoch is kept. ``resume=true`` goes on from the last checkpoint in the
output folder, after whatever interruption, and ends with the weights it would have ended with.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    set_seed,
)
from transformers.utils import logging as transformers_logging

from training.augment import Augmenter
from training.averaging import AverageUpdater, WeightAverage
from training.config import load_config, options_of
from training.dataset import WindowDataset, collate
from training.failures import TrainingError, explain_memory, explain_writing
from training.heads import CrfHead, SoftmaxHead, tag_weights
from training.launch import arguments_of, precision_of
from training.pretrained import fetch_tokenizer, token_classifier
from training.program import one_line_errors
from training.progress import ProgressReport
from training.provenance import compute, git_state, packages
from training.settings import TrainConfig
from training.sources import describe_data, read_data
from training.trainer import EpochSetter, ReportTrainer, last_checkpoint, transitions_of
from training.weights import save_weights, tiny_encoder
from zhibiao.backends import TorchBackend
from zhibiao.characters import CharacterEncoder
from zhibiao.extractor import Extractor
from zhibiao.metrics import Scores
from zhibiao.model_directory import ModelDirectory
from zhibiao.reports import Report
from zhibiao.tagging import tags_of

__all__ = ["TrainConfig", "train"]

# They change what is shown or how fast, not what is learnt.
_WITHOUT_EFFECT = {"output", "resume", "version", "name"}
_WITHOUT_EFFECT |= {"log_every", "tensorboard", "threads", "workers"}


def train(config: TrainConfig) -> tuple[Path, Scores]:
    """Train as configured; returns the model directory and its scores on the validation reports.

    Under torchrun or accelerate every process calls this; the first one writes.

    Raises:
        FormatError: data that breaks its format, an empty split, a label that is not in the
            config, a report in training and validation, or gold spans lost to windows.
        ModelError: the encoder cannot be had, or is too short for the window.
        TrainingError: no memory left, a loss that is not a number, no such device, or a
            checkpoint of other settings.
        OutputError: a checkpoint or the model could not be written; earlier ones are whole.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    set_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    reports, validation = read_data(config)
    output = Path(config.output)
    work = output / "checkpoints"
    arguments = arguments_of(config, work)
    checkpoint = last_checkpoint(work) if config.resume else None
    with arguments.main_process_first(local=False):
        if arguments.process_index == 0:
            _prepare(config, work, checkpoint, reports)
    characters = CharacterEncoder.from_directory(work / "tokenizer")
    set_seed(config.seed)
    network = token_classifier(config.encoder or work / "tiny", config, characters.size)
    head = _head(config, network, reports)
    device = arguments.device
    network.to(device)
    average = WeightAverage(network, config.ema_decay) if config.ema_decay else None
    labels = tuple(config.labels)
    settings = ModelDirectory(
        path=output,
        name=config.name,
        window=config.window,
        overlap=config.overlap,
        labels=labels,
        touching=config.touching,
        lone=config.lone,
    )
    extractor = Extractor(
        TorchBackend(average.network if average else network, str(device)),
        characters,
        settings,
        threads=1,
        gpu=device.type == "cuda",
    )
    augmenter = Augmenter(config.augment, reports) if config.augment else None
    dataset = WindowDataset(reports, characters, config.window, config.seed, augmenter)
    data = {"train": describe_data(config.train, reports)}
    data["validation"] = describe_data(config.validation, validation)
    progress = ProgressReport()
    callbacks: list[TrainerCallback] = [
        EpochSetter(dataset),
        EarlyStoppingCallback(config.patience),
        progress,
    ]
    if average:
        callbacks.append(AverageUpdater(average))
    if config.tensorboard and arguments.process_index == 0:
        callbacks.append(_tensorboard(output / "tensorboard", checkpoint))
    trainer = ReportTrainer(
        config=config,
        network=network,
        head=head,
        average=average,
        extractor=extractor,
        reports=validation,
        facts={
            **config.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            "processes": arguments.world_size,
            **{f"{split} data": facts["hash"] for split, facts in data.items()},
        },
        args=arguments,
        train_dataset=dataset,
        eval_dataset=dataset,  # Trainer wants one; evaluate() scores whole reports instead
        data_collator=lambda items: collate(items, characters.padding),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    try:
        with explain_memory(config):
            trainer.resume(checkpoint)
    finally:
        progress.close()
    best = trainer.best_network
    for parameter in best.parameters():  # as the file will hold them, so that scores are its own
        parameter.data = parameter.data.half().float()
    scores = trainer.score()
    transitions = transitions_of(best)
    record = {
        "name": config.name,
        "version": config.version,
        "window": config.window,
        "overlap": config.overlap,
        "temperature": 1.0,
        "thresholds": {},
        "touching": config.touching,
        "lone": config.lone,
        "transitions": None if transitions is None else transitions.tolist(),
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "data": data,
        "git": git_state(),
        "packages": packages(),
        "compute": compute(
            device, arguments.world_size, trainer.effort(), resumed=checkpoint is not None
        ),
        "training": {
            "precision": precision_of(config, device),
            "steps": trainer.state.global_step,
            "best_step": trainer.state.best_global_step,
        },
        "metrics": {"validation": scores.to_dict()},
    }
    if arguments.process_index == 0:
        _save(best, output, record, trainer.state.log_history)
    if arguments.world_size > 1:
        torch.distributed.barrier()
    return output, scores


def _prepare(
    config: TrainConfig, work: Path, checkpoint: Path | None, reports: Sequence[Report]
) -> None:
    """Make the working folder: whole checkpoints only, the tokenizer, the tiny encoder."""
    for path in work.glob("checkpoint-*") if checkpoint else [work]:
        if path != checkpoint and not (checkpoint and (path / "progress.json").is_file()):
            shutil.rmtree(path, ignore_errors=True)
    encoder = config.encoder or tiny_encoder(work / "tiny", (r.text for r in reports))
    fetch_tokenizer(encoder, work / "tokenizer")


def _head(config: TrainConfig, network: Any, reports: Sequence[Report]) -> CrfHead | SoftmaxHead:
    if config.head == "crf":
        # A part of the network: checkpoints, averages and other processes take it along.
        network.crf = CrfHead(len(tags_of(config.labels)))
        crf: CrfHead = network.crf
        return crf
    weights = None
    if config.class_weights:
        weights = tag_weights(config.class_weights, reports, config.labels)
    return SoftmaxHead(config.label_smoothing, weights)


def _tensorboard(folder: Path, checkpoint: Path | None) -> TrainerCallback:
    """Curves: train/loss, grad_norm, learning_rate, characters_per_second; eval/f1, eval/LABEL."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            "tensorboard: true needs the package tensorboard: pip install 'zhibiao[train]'"
        ) from error
    from transformers.integrations.integration_utils import TensorBoardCallback

    step = None
    if checkpoint:  # what came after it comes again
        step = int(checkpoint.name.rpartition("-")[2]) + 1
    else:
        shutil.rmtree(folder, ignore_errors=True)
    writer = SummaryWriter(folder, purge_step=step)
    return TensorBoardCallback(writer)  # type: ignore[no-untyped-call]


def _save(
    network: Any, output: Path, record: dict[str, Any], history: list[dict[str, Any]]
) -> None:
    """Put the model together beside the checkpoints, then move it into place file by file."""
    work = output / "checkpoints"
    folder = work / "model"
    if hasattr(network, "crf"):
        del network.crf  # its transitions are in zhibiao.json
    with explain_writing(output, "make room there, then run again with resume=true"):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work / "tokenizer", folder)
        save_weights(network, folder)
        _write_json(folder / "history.json", history)
        _write_json(folder / "zhibiao.json", record)
        # An int8 graph of an earlier run would go on answering for the new weights.
        (output / "model.onnx").unlink(missing_ok=True)
        for path in sorted(folder.iterdir()):
            os.replace(path, output / path.name)
    shutil.rmtree(work, ignore_errors=True)


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"keys of the config and their defaults:\n{options_of(TrainConfig)}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args(argv)
    with one_line_errors(parser):
        config = load_config(TrainConfig, options.config, options.overrides)
        output, scores = train(config)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{output}: validation F1 {scores.micro.f1:.4f}, macro {scores.macro_f1:.4f}")
        for name, percent in config.published.items():
            difference = 100 * scores.micro.f1 - percent
            print(f"{name}, published: {percent:.1f}; {config.name} differs by {difference:+.1f}")


if __name__ == "__main__":
    main()

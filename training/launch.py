"""A config as transformers' TrainingArguments: device, precision, processes, schedule."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from transformers import TrainingArguments

from training.failures import TrainingError
from training.settings import Precision, TrainConfig

__all__ = ["arguments_of", "precision_of"]


def precision_of(config: TrainConfig, device: torch.device) -> Precision:
    """What half precision, if any, the config means on this device.

    Raises:
        TrainingError: fp16 without a GPU.
    """
    cuda = device.type == "cuda"
    if config.precision == "auto":
        if not config.bf16:
            return "fp32"
        slow = cuda and not torch.cuda.is_bf16_supported(including_emulation=False)
        return "fp16" if slow else "bf16"
    if config.precision == "fp16" and not cuda:
        raise TrainingError("precision fp16 needs a GPU; set precision=bf16 or fp32")
    return config.precision


def arguments_of(config: TrainConfig, work: Path) -> TrainingArguments:
    """The Trainer's arguments; under torchrun this is where the processes meet.

    Raises:
        TrainingError: the device is not there, or cannot have the precision.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda: torch sees no GPU; leave device out, or set device=cpu")
    cuda = config.device != "cpu" and torch.cuda.is_available()
    precision = precision_of(config, torch.device("cuda" if cuda else "cpu"))
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_windows,
        gradient_accumulation_steps=config.gradient_accumulation,
        activation_checkpointing=config.gradient_checkpointing,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not cuda,
        ddp_backend="gloo" if several and not cuda else None,
        # Every weight has its part in every loss; looking for idle ones would miss the CRF.
        ddp_find_unused_parameters=False,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        logging_steps=config.log_every,
        disable_tqdm=True,  # training.progress shows more, and less where nobody looks
        report_to=[],
        seed=config.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=cuda,
        dataloader_num_workers=config.workers,
        # Patience must survive an interruption too.
        restore_callback_states_from_checkpoint=True,
        # The default hides losses that are not numbers.
        logging_nan_inf_filter=False,
    )
    if arguments.n_gpu > 1:
        # Threads in one process would be slower and would not average as processes do.
        print(f"{arguments.n_gpu} GPUs, one is used; for all: torchrun --nproc_per_node gpu -m ...")
        arguments._n_gpu = 1
    return arguments

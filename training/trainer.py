"""transformers' Trainer, scored on whole reports, with whole checkpoints."""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback

from training.adversarial import Adversary
from training.averaging import WeightAverage
from training.dataset import WindowDataset
from training.failures import TrainingError, explain_writing
from training.heads import CrfHead, SoftmaxHead
from training.settings import TrainConfig
from zhibiao.errors import ModelError
from zhibiao.extractor import Extractor
from zhibiao.files import replacing
from zhibiao.metrics import Counts, Scores, score_reports
from zhibiao.reports import Report

__all__ = ["EpochSetter", "ReportTrainer", "last_checkpoint", "rate_of", "transitions_of"]

_PROGRESS = "progress.json"  # the last file of a checkpoint: with it the checkpoint is whole
_AVERAGE = "ema.safetensors"
_LAYER = re.compile(r"\.layers?\.(\d+)\.")


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a folder, or None."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{_PROGRESS}")]
    return max(whole, key=_step, default=None)


def rate_of(name: str, config: TrainConfig, layers: int) -> float:
    """Peak learning rate of a parameter: lower for lower layers (Howard and Ruder 2018)."""
    if name.startswith(("classifier", "crf.")):
        return config.head_learning_rate
    if match := _LAYER.search(name):
        below_top = layers - 1 - int(match[1])
    else:
        below_top = layers if "embedding" in name else 0
    return config.learning_rate * config.layer_decay**below_top


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


class EpochSetter(TrainerCallback):
    """Tells the dataset which epoch it is, for windows that are cut anew each time."""

    def __init__(self, dataset: WindowDataset) -> None:
        self._dataset = dataset

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._dataset.epoch = round(state.epoch or 0)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # So that a loss that is not a number is seen before the checkpoint is written.
        control.should_log = True


class ReportTrainer(Trainer):
    """Trains a token classifier; evaluates, early-stops and keeps the best by whole-report F1.

    ``head`` gives the loss; ``average``, where there is one, is what is evaluated. ``facts`` are
    written into checkpoints: a run resumes only from one whose facts are its own.
    """

    def __init__(
        self,
        *,
        config: TrainConfig,
        network: nn.Module,
        head: SoftmaxHead | CrfHead,
        average: WeightAverage | None,
        extractor: Extractor,
        reports: Sequence[Report],
        facts: dict[str, Any],
        **arguments: Any,
    ) -> None:
        super().__init__(model=network, compute_loss_func=self._sum_to_mean, **arguments)
        self._network = network
        self._config = config
        self._head = head
        self._average = average
        self._extractor = extractor
        self._reports = reports
        self._facts = facts
        self._mask: Tensor | None = None
        self._adversary: Adversary | None = None
        if config.fgm_epsilon:
            embeddings = network.get_input_embeddings()  # type: ignore[operator]
            self._adversary = Adversary(embeddings, config.fgm_epsilon)
        self._characters = torch.zeros((), dtype=torch.int64, device=self.args.device)
        self._earlier = {"characters": 0, "seconds": 0.0}
        self._started = time.monotonic()

    @property
    def best_network(self) -> Any:
        """What is evaluated: the network, or its average where there is one."""
        return self._average.network if self._average else self._network

    def resume(self, checkpoint: Path | None) -> None:
        """Train, from a checkpoint or from the start, and load the weights of the best epoch.

        Raises:
            TrainingError: the checkpoint is of other settings or data; the loss or the weights
                are not numbers.
            OutputError: a checkpoint could not be written.
        """
        self._started = time.monotonic()
        stopped = False
        if checkpoint:
            self._earlier = self._check_facts(checkpoint)
            if self._average:
                self._average.load(checkpoint / _AVERAGE)
            self.state = type(self.state).load_from_json(str(checkpoint / "trainer_state.json"))
            control: Any = self.state.stateful_callbacks
            stopped = bool(control["TrainerControl"]["args"]["should_training_stop"])
        # A run that was killed after its last epoch has nothing left to train.
        if not stopped:
            result = self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            self._check_loss(result.training_loss)
        best = Path(self.args.output_dir or "") / f"checkpoint-{self.state.best_global_step}"
        if self._average:
            self._average.load(best / _AVERAGE)
        else:
            self._network.load_state_dict(load_file(best / "model.safetensors"))

    def effort(self) -> dict[str, Any]:
        """Characters seen and seconds passed, over all processes and sessions of this run."""
        seen = self._characters.clone()
        if self.args.world_size > 1:
            torch.distributed.all_reduce(seen)
        seconds = self._earlier["seconds"] + time.monotonic() - self._started
        return {
            "characters": self._earlier["characters"] + int(seen),
            "seconds": round(seconds, 1),
        }

    def score(self) -> Scores:
        """Strict scores on the validation reports, each process taking its part."""
        self._extractor.settings = replace(
            self._extractor.settings, transitions=transitions_of(self.best_network)
        )
        labels = self._extractor.labels
        own = self._reports[self.args.process_index :: self.args.world_size]
        self.best_network.eval()
        found = self._extractor.extract_many(report.text for report in own)
        pairs = ((r.spans, spans) for r, spans in zip(own, found, strict=True))
        scores = score_reports(pairs, labels)
        if self.args.world_size == 1:
            return scores
        table = torch.tensor(
            [[c.right, c.predicted, c.gold] for c in scores.labels.values()],
            device=self.args.device,
        )
        torch.distributed.all_reduce(table)
        rows = zip(labels, table.tolist(), strict=True)
        return Scores({label: Counts(*row) for label, row in rows})

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        if not all(torch.isfinite(p).all() for p in self.best_network.parameters()):
            raise self._diverged("the weights are not numbers")
        scores = self.score()
        self._network.train()
        metrics = {f"eval_{label}": counts.f1 for label, counts in scores.labels.items()}
        metrics |= {"eval_f1": scores.micro.f1, "epoch": self.state.epoch or 0.0}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def compute_loss(self, model: nn.Module, inputs: Any, *rest: Any, **named: Any) -> Any:
        self._mask = inputs["attention_mask"]
        return super().compute_loss(model, inputs, *rest, **named)

    def _sum_to_mean(self, outputs: Any, labels: Tensor, num_items_in_batch: Any) -> Tensor:
        """Mean over the step's characters: of all micro-batches, and of all processes."""
        assert self._mask is not None
        total: Tensor = self._head(outputs["logits"], labels, self._mask)
        # A step may hold nothing but cut spans.
        return total / torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        mask = inputs["attention_mask"]
        self._characters += (mask.sum() - 2 * len(mask)).to(self._characters.device)
        if not self._adversary:
            return super().training_step(model, inputs, num_items_in_batch)
        # Both gradients are summed; processes exchange them once, after the second.
        quiet = self.accelerator.no_sync(model) if self.args.world_size > 1 else nullcontext()
        with quiet, self._adversary.watching():
            loss = super().training_step(model, inputs, num_items_in_batch)
        with self._adversary.attacking():
            super().training_step(model, inputs, num_items_in_batch)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self._check_loss(logs["loss"])
            seconds = time.monotonic() - self._started
            seen = int(self._characters) * self.args.world_size
            logs["characters_per_second"] = round(seen / seconds, 1)
        super().log(logs, start_time)

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        if self.optimizer is None:
            config = self._config
            layers = int(self._network.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
            groups: dict[tuple[float, float], list[nn.Parameter]] = {}
            for name, parameter in self._network.named_parameters():
                # Biases and norms are left out of the decay, as BERT's authors do.
                plain = parameter.ndim < 2 or name.startswith("crf.")
                key = (rate_of(name, config, layers), 0.0 if plain else config.weight_decay)
                groups.setdefault(key, []).append(parameter)
            # The first group's rate is the one that is logged.
            ordered = sorted(groups.items(), key=lambda item: item[0][0] != config.learning_rate)
            self.optimizer = torch.optim.AdamW(
                [
                    {"params": parameters, "lr": rate, "weight_decay": decay}
                    for (rate, decay), parameters in ordered
                ],
                betas=(0.9, 0.98),
                fused=True if self.args.device.type == "cuda" else None,
            )
        return self.optimizer

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint; it counts only with its last file, which all others precede.

        Earlier ones are removed after that, so that the folder always holds a whole one.
        """
        folder = Path(self.args.output_dir or "")
        checkpoint = folder / f"checkpoint-{self.state.global_step}"
        before = last_checkpoint(folder)
        advice = "make room there, then go on with resume=true"
        advice += f": {before.name} is whole" if before else ""
        try:
            with explain_writing(checkpoint, advice):
                super()._save_checkpoint(model, trial)
                effort = self.effort()  # processes wait for each other here
                if not self.args.should_save:
                    return
                if self._average:
                    self._average.save(checkpoint / _AVERAGE)
                with replacing(checkpoint / _PROGRESS) as stream:
                    json.dump({**effort, "facts": self._facts}, stream, ensure_ascii=False)
        except Exception:
            if self.args.should_save:
                shutil.rmtree(checkpoint, ignore_errors=True)
            raise
        keep = {self.state.global_step, self.state.best_global_step}
        for path in folder.glob("checkpoint-*"):
            if _step(path) not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def _check_facts(self, checkpoint: Path) -> dict[str, Any]:
        try:
            progress: dict[str, Any] = json.loads((checkpoint / _PROGRESS).read_text("utf-8"))
            facts = progress["facts"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{checkpoint / _PROGRESS}: cannot be read ({error})") from error
        # As JSON has them: tuples and the like compare unequal otherwise.
        own = json.loads(json.dumps(self._facts))
        changed = [key for key in {**own, **facts} if own.get(key) != facts.get(key)]
        if changed:
            shown = ", ".join(f"{k} was {facts.get(k)!r}, is {own.get(k)!r}" for k in changed[:3])
            raise TrainingError(
                f"{checkpoint}: made with other settings or data ({shown}); set them back, or "
                "start again without resume=true"
            )
        return progress

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")

    def _diverged(self, what: str) -> TrainingError:
        config = self._config
        advice = [f"lower learning_rate ({config.learning_rate:g})"]
        advice.append(f"head_learning_rate ({config.head_learning_rate:g})")
        if config.fgm_epsilon:
            advice.append(f"fgm_epsilon ({config.fgm_epsilon:g})")
        half = "" if config.precision == "fp32" else "; or set precision=fp32"
        return TrainingError(
            f"{what} at step {self.state.global_step}, epoch {self.state.epoch or 0:.1f}: "
            f"{' or '.join(advice)}, or raise warmup ({config.warmup:g}){half}"
        )


def transitions_of(network: Any) -> Any:
    """Transition scores (tags from, tags to) of a network with a CRF, else None."""
    crf = getattr(network, "crf", None)
    return None if crf is None else crf.transitions.detach().float().cpu().numpy()

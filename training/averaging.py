"""A running average of weights that is evaluated and saved instead of the last ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from transformers import TrainerCallback

__all__ = ["AverageUpdater", "WeightAverage"]


class WeightAverage:
    """Exponential moving average of a network (Polyak and Juditsky 1992; torch's AveragedModel).

    The decay of the n-th update is the smaller of ``decay`` and ``(1 + n) / (10 + n)``, so that
    short runs do not average in their random start (as TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        def blend(averages: Any, current: Any, updates: Tensor | int) -> None:
            seen = int(updates)
            rate = min(decay, (1 + seen) / (10 + seen))
            torch._foreach_lerp_(averages, current, 1 - rate)

        self._average = AveragedModel(network, multi_avg_fn=blend).requires_grad_(False)

    @property
    def network(self) -> Any:
        """The network with averaged weights, of the class of the one given."""
        return self._average.module

    def update(self, network: nn.Module) -> None:
        """Take in the weights after one optimiser step."""
        self._average.update_parameters(network)

    def save(self, path: Path) -> None:
        """Write average and number of updates, in full precision."""
        state = {k: v.detach().cpu().contiguous() for k, v in self._average.state_dict().items()}
        save_file(state, path)

    def load(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote."""
        self._average.load_state_dict(load_file(path))


class AverageUpdater(TrainerCallback):
    """Updates an average after every optimiser step of a Trainer."""

    def __init__(self, average: WeightAverage) -> None:
        self._average = average

    def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        self._average.update(named["model"])

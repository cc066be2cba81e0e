"""Adversarial training on embeddings: the fast gradient method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Adversary"]


class Adversary:
    """FGM (Miyato et al. 2017): the step along the gradient that hurts a window most.

    In ``watching()`` a forward and backward pass are observed; in ``attacking()`` the next forward
    pass gets ``epsilon * g / |g|`` added to its word embeddings, where g is the gradient of the
    loss by the embeddings of a whole window. The weights are never touched, so nothing is to be
    put back when a step fails. Unlike the paper, embeddings are not normalised first: epsilon is
    in the encoder's own units.
    """

    def __init__(self, embeddings: nn.Module, epsilon: float) -> None:
        self._embeddings = embeddings
        self._epsilon = epsilon
        self._seen: Tensor | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The clean pass, forward and backward."""

        def remember(_: nn.Module, __: Any, output: Tensor) -> None:
            output.retain_grad()
            self._seen = output

        handle = self._embeddings.register_forward_hook(remember)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def attacking(self) -> Iterator[None]:
        """The pass on the same windows with the perturbation added.

        Raises:
            RuntimeError: nothing was watched, or it had no backward pass.
        """
        if self._seen is None or self._seen.grad is None:
            raise RuntimeError("watch a forward and backward pass first")
        step = self._step(self._seen.grad)
        self._seen = None

        def perturb(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            return output + step.to(output.dtype)

        handle = self._embeddings.register_forward_hook(perturb)
        try:
            yield
        finally:
            handle.remove()

    def _step(self, gradient: Tensor) -> Tensor:
        """Perturbation (windows, length, hidden); each window's has length epsilon."""
        gradient = gradient.detach().float()
        length = gradient.flatten(1).norm(dim=1)[:, None, None]
        step = self._epsilon * gradient / length
        # No gradient, or one that fp16 could not hold: leave that window as it is.
        usable = torch.isfinite(length) & (length > 0)
        return torch.where(usable, step, 0.0)

"""Losses over tag scores: softmax of every character, and a linear-chain CRF.

Both take tag scores (windows, length, tags) from the classifier and return the summed loss of the
batch, so that whoever divides by the number of characters of all micro-batches and processes gets
the mean over characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.dataset import IGNORED
from zhibiao.reports import Report
from zhibiao.tagging import spans_to_tags, tags_of

__all__ = ["CrfHead", "SoftmaxHead", "tag_weights"]

# As good as minus infinity beside tag scores, and without its NaN gradients: exp gives 0.
_NEVER = -1e4


def tag_weights(
    wanted: str | Mapping[str, float], reports: Iterable[Report], labels: Sequence[str]
) -> Tensor:
    """Weights of the tags, shape (tags,), whose mean over the characters of ``reports`` is 1.

    ``"balanced"`` gives each label, and O, the same total (inverse frequency; King and Zeng 2001);
    a mapping gives weights by label, 1 where it has none. ``B-`` and ``I-`` share their label's.
    The mean of 1 keeps the loss on the scale of the unweighted one.
    """
    counts = np.zeros(len(tags_of(labels)), dtype=np.int64)
    for report in reports:
        tags = spans_to_tags(len(report.text), report.spans, labels)
        counts += np.bincount(tags, minlength=len(counts))
    groups = np.array([counts[0], *(counts[1::2] + counts[2::2])], dtype=np.float64)
    if isinstance(wanted, str):
        weights = np.divide(1.0, groups, out=np.zeros_like(groups), where=groups > 0)
    else:
        weights = np.array([wanted.get(name, 1.0) for name in ("O", *labels)])
    weights *= groups.sum() / (weights * groups).sum()
    weights[groups == 0] = 1.0
    return torch.tensor(np.concatenate((weights[:1], np.repeat(weights[1:], 2)))).float()


class SoftmaxHead(nn.Module):
    """Cross-entropy of every character by itself, with label smoothing (Szegedy et al. 2016)."""

    def __init__(self, smoothing: float = 0.0, weights: Tensor | None = None) -> None:
        super().__init__()
        self._smoothing = smoothing
        self._weights = weights

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Sum over characters; scores (windows, length, tags), targets (windows, length)."""
        weights = self._weights
        if weights is not None and weights.device != scores.device:
            weights = self._weights = weights.to(scores.device)
        return functional.cross_entropy(
            scores.float().flatten(0, 1),
            targets.flatten(),
            weight=weights,
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self._smoothing,
        )


class CrfHead(nn.Module):
    """Negative log-likelihood of tag sequences under IOB2 constraints (Lafferty et al. 2001).

    The score of a sequence is the sum of its tags' scores and of ``transitions[from, to]`` between
    neighbours; sequences in which an ``I-`` continues nothing have none. There are no start and
    end scores, so that ``transitions`` is all that decoding needs: Viterbi over a whole report
    is then exactly the CRF's. Characters whose target is ignored (what is left of a span that the
    window's edge cuts) may have any tag: they are summed out, in numerator and denominator
    (Tsuboi et al. 2008). A window may begin inside a span only there.

    Own code because no kept library does this: pytorch-crf had its last release in 2019, TorchCRF
    in 2020, torch-struct in 2021, and none knows partial targets or constraints.
    """

    _forbidden: Tensor
    _not_first: Tensor

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        inside = torch.arange(2, tags, 2)
        allowed = torch.ones(tags, tags, dtype=torch.bool)
        allowed[:, inside] = False
        allowed[inside - 1, inside] = True
        allowed[inside, inside] = True
        start = torch.ones(tags, dtype=torch.bool)
        start[inside] = False
        # Not persistent: they follow from the number of tags.
        self.register_buffer("_forbidden", (~allowed).float() * _NEVER, persistent=False)
        self.register_buffer("_not_first", (~start).float() * _NEVER, persistent=False)

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Sum over windows.

        Scores (windows, length, tags); targets and attention mask (windows, length). The first and
        the last token of a window are special and belong to no sequence.
        """
        scores = scores[:, 1:-1].float()
        targets = targets[:, 1:-1]
        # The last attended token is [SEP]: a character is attended and so is what follows it.
        inside = mask[:, 2:].bool()
        known = (targets != IGNORED) & inside
        count = scores.shape[-1]
        others = functional.one_hot(targets.clamp(min=0), count) == 0
        gold = scores + (others & known[..., None]).float() * _NEVER
        # Numerator and denominator in one pass: both are sums over sequences.
        both = self._log_sums(torch.cat((gold, scores)), torch.cat((inside, inside)), targets)
        numerator, denominator = both.chunk(2)
        return (denominator - numerator).sum()

    def _log_sums(self, scores: Tensor, inside: Tensor, targets: Tensor) -> Tensor:
        """Log of the summed exponentials of all sequences' scores, shape (2 windows,)."""
        first_unknown = (targets[:, :1] == IGNORED).repeat(2, 1)
        steps = self.transitions.float() + self._forbidden  # (from, to)
        # A window that begins with a cut span begins inside it: any tag may come first there.
        sums = scores[:, 0] + torch.where(first_unknown, 0.0, self._not_first)
        for position in range(1, scores.shape[1]):
            following = (sums[:, :, None] + steps).logsumexp(1) + scores[:, position]
            sums = torch.where(inside[:, position, None], following, sums)
        return torch.where(inside[:, 0], sums.logsumexp(1), 0.0)

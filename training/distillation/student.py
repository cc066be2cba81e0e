"""The student before training: some of the teacher's layers, or another encoder; narrower or not.

Layers of the teacher as a start: DistilBERT (Sanh et al. 2019). Whole neurons cut by the size of
their weights: structured magnitude pruning (Li et al. 2017).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from training.pretrained import fetch_tokenizer
from zhibiao.errors import ModelError
from zhibiao.tagging import tags_of

__all__ = ["make_student", "narrowed", "with_layers"]

_LAYER = re.compile(r"(.*encoder\.layer\.)(\d+)(\..*)")


def make_student(
    source: str,
    labels: Sequence[str],
    output: Path,
    *,
    layers: int | list[int] | None = None,
    intermediate: int | None = None,
    dropout: float = 0.1,
) -> Any:
    """A token classifier of ``source``, or of some of its layers; ``output`` gets its tokenizer.

    Raises:
        ModelError: no such encoder, or one without the wanted layers or neurons.
    """
    tags = tags_of(labels)
    naming = {
        "num_labels": len(tags),
        "id2label": dict(enumerate(tags)),
        "label2id": {tag: number for number, tag in enumerate(tags)},
        "classifier_dropout": dropout,
    }
    fetch_tokenizer(source, output)
    model = AutoModelForTokenClassification.from_pretrained(
        source, dtype=torch.float32, ignore_mismatched_sizes=True, **naming
    )
    student = model if layers is None else with_layers(model, layers)
    if intermediate is not None:
        student = narrowed(student, intermediate)
    # On a CPU the backward of fused attention takes nearly half of a step.
    if not torch.cuda.is_available():
        student.set_attn_implementation("eager")
    return student


def with_layers(teacher: Any, wanted: int | list[int]) -> Any:
    """A copy of a token classifier with only some of its layers, in their order.

    Raises:
        ModelError: it has fewer layers, or keeps them under other names than BERT does.
    """
    count = teacher.config.num_hidden_layers
    chosen = wanted if isinstance(wanted, list) else []
    if isinstance(wanted, int) and 0 < wanted <= count:
        # Evenly spaced, the last included: 3 of 6 are 1, 3 and 5.
        chosen = [(number + 1) * count // wanted - 1 for number in range(wanted)]
    if not chosen or chosen != sorted(set(chosen)) or not 0 <= chosen[0] <= chosen[-1] < count:
        raise ModelError(
            f"layers: {wanted} cannot be taken from a teacher of {count}; "
            "give a number up to that, or positions from 0 in rising order"
        )
    place = {str(layer): number for number, layer in enumerate(chosen)}
    weights = {}
    for name, value in teacher.state_dict().items():
        if match := _LAYER.fullmatch(name):
            if match[2] in place:
                weights[f"{match[1]}{place[match[2]]}{match[3]}"] = value
        else:
            weights[name] = value
    return _rebuilt(teacher, "layers", weights, num_hidden_layers=len(chosen))


def narrowed(model: Any, neurons: int) -> Any:
    """A copy of a token classifier whose feed-forward parts keep only ``neurons`` neurons.

    Those stay whose incoming and outgoing weights are largest (the product of their norms), in
    their order.

    Raises:
        ModelError: it has fewer neurons, or keeps them under other names than BERT does.
    """
    size = model.config.intermediate_size
    if not 0 < neurons <= size:
        raise ModelError(f"intermediate: {neurons} cannot be taken from {size}; give 1 to {size}")
    weights = model.state_dict()
    for name in [name for name in weights if name.endswith(".intermediate.dense.weight")]:
        layer = name.removesuffix("intermediate.dense.weight")
        bias, after = f"{layer}intermediate.dense.bias", f"{layer}output.dense.weight"
        strength = weights[name].norm(dim=1) * weights[after].norm(dim=0)
        kept = strength.topk(neurons).indices.sort().values
        weights[name], weights[bias] = weights[name][kept], weights[bias][kept]
        weights[after] = weights[after][:, kept]
    return _rebuilt(model, "intermediate", weights, intermediate_size=neurons)


def _rebuilt(model: Any, what: str, weights: dict[str, Any], **changes: int) -> Any:
    settings = model.config.to_dict() | changes
    settings.pop("layer_types", None)
    student = type(model)(type(model.config)(**settings))
    try:
        student.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(
            f"{what}: a {model.config.model_type} keeps its layers elsewhere; use student"
        ) from error
    return student.float()

"""What a training run is told: ``TrainConfig``, one field an option."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from training.augment import AugmentConfig
from training.config import Config
from zhibiao.spans import LABELS

__all__ = ["Precision", "TrainConfig"]

Precision = Literal["bf16", "fp16", "fp32"]


class TrainConfig(Config):
    """What ``training.train`` does. Options that are off by default say so."""

    name: str
    """Name of the model."""

    encoder: str | None
    """Folder or Hugging Face name of the encoder; null makes a tiny random one, for tests."""

    output: str
    """Folder of the trained model."""

    train: list[str] = Field(min_length=1)
    """Training reports: FILE.jsonl or CORPUS:SPLIT."""

    validation: list[str] = Field(min_length=1)
    """Reports whose F1 picks the best epoch."""

    labels: list[str] = Field(default=list(LABELS), min_length=1)
    """The label set, in the order of the tags."""

    published: dict[str, float] = Field(default_factory=dict)
    """Published validation F1 of other models, in percent, to print beside this one's."""

    version: str = "0.1.0"
    """Version of the model."""

    window: int = Field(default=254, ge=8, le=510)
    """Characters that the model sees at once."""

    overlap: int = Field(default=32, ge=0)
    """Characters that neighbouring windows share in prediction."""

    touching: bool = True
    """Whether two predicted spans of one label may meet without anything between them."""

    lone: dict[str, float] = Field(default_factory=dict)
    """Least scores of predicted spans of one character, by label; others 0."""

    epochs: int = Field(default=12, ge=1)
    """Most epochs."""

    patience: int = Field(default=4, ge=1)
    """Stop when F1 has not risen for so many epochs."""

    batch_windows: int = Field(default=24, ge=1)
    """Windows of one forward pass of one process."""

    gradient_accumulation: int = Field(default=1, ge=1)
    """Forward passes of one step; a step sees batch_windows x this x processes windows."""

    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: slower, far less memory."""

    learning_rate: float = Field(default=3e-4, gt=0)
    """Peak rate of the encoder."""

    head_learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of the output layer and the CRF."""

    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Rate of each encoder layer as a part of the layer's above; 1 is off."""

    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decay of matrices."""

    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Part of all steps in which the rate rises."""

    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout before the output layer."""

    encoder_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout in the encoder's hidden states and attention; null keeps what its config says."""

    head: Literal["softmax", "crf"] = "softmax"
    """Output layer: characters one by one, or a linear-chain CRF."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability spread over all tags; 0 is off."""

    class_weights: Literal["balanced"] | dict[str, float] | None = None
    """Weights in the loss by label, and O: balanced, or a mapping (others 1); null is off."""

    fgm_epsilon: float = Field(default=0.0, ge=0)
    """Length of FGM's adversarial step on a window's embeddings; 0 is off, doubles the cost."""

    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the running average of weights that is evaluated and saved; 0 is off."""

    augment: AugmentConfig | None = AugmentConfig()
    """Variation of the training text, see training.augment; null is off."""

    seed: int = Field(default=13, ge=0)
    """Seed of everything random."""

    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """auto is what bf16 says: bf16, or fp16 on a GPU that has no bf16; fp32 where it is false."""

    bf16: bool = True
    """Half precision in training, where precision is auto."""

    device: Literal["cpu", "cuda"] | None = None
    """null takes the GPU when there is one."""

    threads: int | None = Field(default=None, ge=1)
    """CPU threads; null leaves it to torch."""

    workers: int = Field(default=0, ge=0)
    """Processes that prepare windows beside the training process."""

    log_every: int = Field(default=20, ge=1)
    """Steps between two log lines."""

    tensorboard: bool = False
    """Write curves to OUTPUT/tensorboard."""

    resume: bool = False
    """Go on from the last whole checkpoint in the output folder, where there is one."""

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.overlap > self.window // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of window {self.window}")
        labels = self.labels
        if len(set(labels)) < len(labels) or any(not x or x != x.strip() for x in labels):
            raise ValueError("labels: give each once, without blanks at its ends")
        if "O" in labels:
            raise ValueError("labels: O is the tag of what has no label; choose another name")
        if self.augment and not self.augment.swap_mention and not set(labels) <= set(LABELS):
            raise ValueError(
                "augment varies the project's six labels; "
                "set augment: null, or augment: {swap_mention: 0.3} for others"
            )
        if self.head == "crf" and (self.label_smoothing or self.class_weights):
            raise ValueError("label_smoothing and class_weights are for head: softmax")
        if isinstance(self.class_weights, dict):
            for label, weight in self.class_weights.items():
                if label not in (*labels, "O"):
                    raise ValueError(f"class_weights: {label!r} is none of {', '.join(labels)}, O")
                if weight <= 0:
                    raise ValueError(f"class_weights: {label} must be above 0, not {weight}")
        return self

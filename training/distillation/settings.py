"""What a distillation is told: ``DistilConfig``, one field an option."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from training.augment import AugmentConfig
from training.config import Config

__all__ = ["DistilConfig"]


class DistilConfig(Config):
    """What ``training.distil`` does.

    The loss is ``gold_weight`` x cross-entropy on gold tags + ``soft_weight`` x T squared x
    KL(teacher || student) on all text.
    """

    name: str
    """Name of the student."""

    teacher: str | list[str]
    """Model directory with model.safetensors, or several, whose mean is then learned."""

    output: str
    """Folder of the student."""

    train: list[str] = Field(min_length=1)
    """Gold reports: FILE.jsonl or CORPUS:SPLIT."""

    validation: list[str] = Field(min_length=1)
    """Reports whose F1 picks the best epoch."""

    version: str = "0.1.0"
    """Version of the student."""

    layers: int | list[int] | None = None
    """How many of the (first) teacher's layers to take, evenly spaced, or which (from 0)."""

    student: str | None = None
    """Folder or hub name of another encoder, in place of layers."""

    intermediate: int | None = Field(default=None, ge=1)
    """Neurons that the student keeps in each feed-forward part; null keeps all."""

    unlabelled: str | None = None
    """Text, one paragraph a line, plain or xz, or a folder of such files."""

    characters: int = Field(default=4_000_000, ge=0)
    """How much of it to use."""

    cache: str = "runs/distil-cache"
    """Folder of the teacher's probabilities: 2 bytes a character and tag."""

    temperature: float = Field(default=2.0, gt=0)
    """T: how much both distributions are softened."""

    soft_weight: float = Field(default=0.7, ge=0)
    """Weight of the teacher's loss."""

    gold_weight: float = Field(default=0.3, ge=0)
    """Weight of the gold loss."""

    copies: int = Field(default=0, ge=0)
    """Varied copies of each gold report that are learned beside it, each with its tags."""

    augment: AugmentConfig = AugmentConfig()
    """How the copies are varied, see training.augment."""

    window: int = Field(default=254, ge=8, le=510)
    """Characters that the student sees at once."""

    overlap: int = Field(default=32, ge=0)
    """Characters that neighbouring windows share in prediction."""

    epochs: int = Field(default=4, ge=1)
    """Epochs; the best is kept."""

    batch_windows: int = Field(default=24, ge=1)
    """Windows of a step."""

    learning_rate: float = Field(default=3e-4, gt=0)
    """Peak rate of the encoder."""

    head_learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of the output layer."""

    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decay of matrices."""

    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Part of all steps in which the rate rises."""

    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout before the output layer."""

    seed: int = Field(default=13, ge=0)
    """Seed of everything random."""

    bf16: bool = True
    """Half precision in training."""

    device: Literal["cpu", "cuda"] | None = None
    """null takes the GPU when there is one."""

    threads: int | None = Field(default=None, ge=1)
    """CPU threads; null leaves it to torch."""

    log_every: int = Field(default=20, ge=1)
    """Steps between two log lines."""

    resume: bool = False
    """Go on from the last checkpoint in the output folder."""

    @property
    def teachers(self) -> list[str]:
        """All of them."""
        return [self.teacher] if isinstance(self.teacher, str) else self.teacher

    @model_validator(mode="after")
    def _one_student(self) -> Self:
        if not self.teacher:
            raise ValueError("teacher: give at least one model directory")
        if (self.layers is None) == (self.student is None):
            raise ValueError("give layers (of the teacher) or student (another encoder), not both")
        if not self.soft_weight + self.gold_weight:
            raise ValueError("soft_weight and gold_weight are both 0: nothing to learn")
        if self.overlap > self.window // 2:
            raise ValueError(f"overlap {self.overlap} is more than half of window {self.window}")
        return self

"""What runs the network: ONNX Runtime by default, torch when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from zhibiao.errors import ModelError

__all__ = ["Backend", "OnnxBackend", "TorchBackend"]

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Backend(Protocol):
    """Tag scores for padded windows; must be callable from several threads at once."""

    def __call__(self, input_ids: Ids, attention_mask: Ids) -> Floats:
        """(windows, length) token ids and mask to (windows, length, 13) logits."""
        ...


class OnnxBackend:
    """``model.onnx`` of a model directory on ONNX Runtime's CPU provider.

    Each call uses one thread; the extractor calls it from several. Windows are many and small,
    so whole windows side by side use the cores better than matrix rows do.
    """

    def __init__(self, directory: Path) -> None:
        import onnxruntime

        path = directory / "model.onnx"
        if not path.is_file():
            raise ModelError(
                f"{path}: missing; run python -m training.export {directory} or use backend='torch'"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise ModelError(f"{path}: ONNX Runtime cannot load it ({error})") from error
        inputs = {node.name for node in self._session.get_inputs()}
        outputs = {node.name for node in self._session.get_outputs()}
        if inputs != {"input_ids", "attention_mask"} or "logits" not in outputs:
            raise ModelError(f"{path}: other inputs or outputs; export it with training.export")

    def __call__(self, input_ids: Ids, attention_mask: Ids) -> Floats:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        logits: Floats = self._session.run(["logits"], inputs)[0]
        return logits


class TorchBackend:
    """A transformers token classifier, in single precision on a CPU, bfloat16 on a GPU."""

    def __init__(self, model: Any, device: str = "cpu") -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self._half = self._device.type == "cuda"
        self._model = model.to(self._device).eval()

    @classmethod
    def from_directory(cls, directory: Path, device: str = "cpu") -> TorchBackend:
        """Load a model directory's weights.

        Raises:
            ModelError: torch or transformers is not installed, or the weights do not load.
        """
        try:
            import torch
            from transformers import AutoModelForTokenClassification
        except ImportError as error:
            raise ModelError(
                "backend 'torch' needs the train extra: pip install 'zhibiao[train]'"
            ) from error
        try:
            model = AutoModelForTokenClassification.from_pretrained(
                directory,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,  # a pickle would run whatever it holds
            )
            return cls(model, device)
        except Exception as error:  # safetensors, torch and transformers share no base class
            raise ModelError(f"{directory}: cannot be loaded on {device} ({error})") from error

    def __call__(self, input_ids: Ids, attention_mask: Ids) -> Floats:
        torch = self._torch
        ids = torch.from_numpy(input_ids).to(self._device)
        mask = torch.from_numpy(attention_mask).to(self._device)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._half),
        ):
            logits = self._model(input_ids=ids, attention_mask=mask).logits
        result: Floats = logits.float().cpu().numpy()
        return result

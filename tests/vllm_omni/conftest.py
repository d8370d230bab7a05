"""Makes the released vLLM-Omni importable without a GPU. Its environment is made by `make test-vllm`."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def importable_torchvision() -> None:
    """It is had as a CUDA build only; beside a torch without CUDA it imports once its operators are declared."""
    if torch.version.cuda is None:
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )

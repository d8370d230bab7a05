"""Stand-ins for guardrails that pipelines insist on and that are too large to make here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class OpenGuard(torch.nn.Module):
    """Lets every prompt and every video pass, with the methods that Cosmos pipelines call."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("anchor", torch.zeros(1))

    def check_text_safety(self, prompt: str) -> bool:
        return True

    def check_video_safety(self, video: Any) -> Any:
        return video

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32


BUILDERS: dict[str, Callable[[], Any]] = {"CosmosSafetyChecker": OpenGuard}

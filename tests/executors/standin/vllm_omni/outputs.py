"""The part of a result that is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class OmniRequestOutput:
    request_id: str = ""
    final_output_type: str = "text"
    images: list[Any] = field(default_factory=list)
    multimodal_output: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    finished: bool = True

"""Checkpoints of the simulated device: whose a pretended run is, and how far it has come."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from workers.engine.calls import Resumed
from workers.engine.request import OmniDiffusionRequest


@dataclass(frozen=True)
class SimulatedCheckpoint:
    """All that a pretended run is; `tensors` are pretended ones."""

    step: int
    fingerprint: str
    tensors: bytes = b""

    def to_bytes(self) -> bytes:
        """The checkpoint's file: a line of JSON, then the tensors."""
        return json.dumps({"step": self.step, "fingerprint": self.fingerprint}).encode() + b"\n" + self.tensors


def resumed_at(request: OmniDiffusionRequest) -> Resumed:
    """Where a request with a checkpoint begins."""
    try:
        saved = SimulatedCheckpoint(**json.loads((request.checkpoint or b"").partition(b"\n")[0]))
    except (ValueError, TypeError):
        return Resumed(0, "it is no checkpoint")
    if saved.fingerprint != fingerprint_of(request):
        return Resumed(0, "request differs")
    return Resumed(saved.step)


def fingerprint_of(request: OmniDiffusionRequest) -> str:
    """What must be equal for a run to go on."""
    sampling = request.sampling_params
    asked = [request.prompt, sampling.seed, sorted(sampling.to_arguments().items())]
    return hashlib.sha256(json.dumps(asked, default=str).encode()).hexdigest()

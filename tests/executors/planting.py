"""A worker extension as an operator would write it: it looks at the runner, and here also plants faults in it."""

from __future__ import annotations

import os
from typing import Any

import torch


class Planting:
    """Reads and changes the worker it is added to."""

    def place(self: Any) -> tuple[int, int]:
        """This rank and its process."""
        return self.rank, os.getpid()

    def random_state(self) -> torch.Tensor:
        """Of torch's global generator."""
        return torch.get_rng_state()

    def forwards_run(self: Any) -> int:
        """Forwards of the denoiser, proofs included."""
        return int(self.model_runner.pipeline.denoiser.runs)

    def plant(self: Any, fault: str, rank: int) -> None:
        """From now on this rank's denoiser has this fault in company."""
        denoiser = self.model_runner.pipeline.denoiser
        if rank != self.rank:
            return

        def faulty(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if len(hidden_states) > 1 and fault == "no room":
                raise torch.OutOfMemoryError("planted")
            if len(hidden_states) > 1 and fault == "refuses":
                raise ValueError("planted")
            if fault == "kill":
                os.abort()
            result: torch.Tensor = type(denoiser).forward(denoiser, hidden_states, *args, **kwargs)
            # Enough to refute a merge on this rank, had it a say.
            return result * 1.01 if len(hidden_states) > 1 else result

        denoiser.forward = faulty

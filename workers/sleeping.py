"""Puts a loaded model's weights to sleep in host memory, and wakes them on their device. Used by the workers.

Modules keep their identity, so proofs, measured caps and adapters hold over a sleep; what is on the device besides
(encodings that were remembered) is dropped.
"""

from __future__ import annotations

import gc

import torch

from omni_jobs.errors import ExecutionFailed, Misconfigured
from workers.engine.config import OmniDiffusionConfig
from workers.footprint import modules_of, why_sleepless
from workers.runner import DiffusionModelRunner


def put_to_sleep(runner: DiffusionModelRunner, od_config: OmniDiffusionConfig) -> None:
    """Move the weights to host memory.

    Raises:
        Misconfigured: its weights must stay where they are.
        ExecutionFailed: requests are in flight.
    """
    reason = why_sleepless(od_config)
    if reason is not None:
        raise Misconfigured(f"`{od_config.name or od_config.model}` cannot sleep: {reason}.", field="sleep")
    if runner.request_ids:
        raise ExecutionFailed(f"{len(runner.request_ids)} requests are in flight.", remedy="Let them end first.")
    runner.encodings.clear()
    for module in modules_of(runner.pipeline):
        module.to("cpu")
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def wake_up(runner: DiffusionModelRunner) -> None:
    """Move the weights back to the device that they came from."""
    for module in modules_of(runner.pipeline):
        module.to(runner.device)

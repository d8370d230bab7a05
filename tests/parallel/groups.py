"""Groups of real ranks that take one model after another, and what their outputs are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from benchmarks.zoo import UNEQUAL_PROMPTS, Case, flatten_output
from tests.executors.processes import children
from workers import Omni

STEPS = (2, 3)
#: Greatest difference between spread and alone, on outputs in [0, 1], fp32.
BOUND = 1e-4


@contextmanager
def group_of(ranks: int) -> Iterator[Omni]:
    """So many ranks, joined by gloo on a CPU, with nothing loaded; none of them is left afterwards."""
    before = children()
    omni = Omni(
        model="nothing",
        num_gpus=ranks,
        load_format="dummy",
        worker_extension_cls="tests.parallel.spreading.Spreading",
        executor_options={"reply_seconds": 120},
    )
    yield omni
    omni.close()
    assert children() == before


def rpc(omni: Omni, method: str, *args: Any, **kwargs: Any) -> list[Any]:
    """What each rank answers."""
    replies: list[Any] = omni._engine.collective_rpc(method, 300, args, kwargs)
    return replies


def calls(member: Case, **others: Any) -> list[dict[str, Any]]:
    """Two requests that can share forwards for as long as both run."""
    return [member.inputs(index, UNEQUAL_PROMPTS[index], steps) | others for index, steps in enumerate(STEPS)]


def difference(mine: Sequence[Any], theirs: Sequence[Any]) -> float:
    pairs = zip(flatten_output(list(mine)), flatten_output(list(theirs)), strict=True)
    return max((torch.as_tensor(a) - torch.as_tensor(b)).abs().max().item() for a, b in pairs)

"""Token counts that ranks cannot share evenly: divided unevenly where diffusers can, refused otherwise."""

from __future__ import annotations

import pytest
from diffusers.models._modeling_parallel import ContextParallelConfig
from torch import nn

from omni_jobs.errors import ExecutionFailed
from workers.parallel.context import UNEVEN, EvenOrNot


class Uneven(nn.Module):
    """Has a length that divides evenly among nobody."""

    def __init__(self, context: ContextParallelConfig) -> None:
        super().__init__()
        self._context = context

    def forward(self, fault: str = f"47 {UNEVEN} 2") -> str:
        if not (self._context.ulysses_anything or self._context.ring_anything):
            raise AssertionError(fault)
        return "ulysses" if self._context.ulysses_anything else "ring"


@pytest.mark.parametrize("kind", ["ulysses", "ring"])
def test_one_way_takes_any_length_for_that_call_only(kind: str) -> None:
    context = ContextParallelConfig(**{f"{kind}_degree": 2})
    forward = EvenOrNot(Uneven(context), context)
    assert forward() == kind
    assert not context.ulysses_anything
    assert not context.ring_anything
    with pytest.raises(AssertionError, match="something else"):
        forward("something else")


def test_both_ways_together_take_even_lengths_alone() -> None:
    context = ContextParallelConfig(ring_degree=2, ulysses_degree=2)
    with pytest.raises(ExecutionFailed, match=r"no multiple of 4.*Ask for another size"):
        EvenOrNot(Uneven(context), context)()

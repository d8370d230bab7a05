"""What one rank makes of its share of a forward: refused on all ranks alike, before any waits for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import torch
from torch import nn

from workers.parallel.rows import SpreadForward
from workers.stepping.lockstep import Lockstep

Value = TypeVar("Value")


class Denoiser(nn.Module):
    """Doubles its rows, and gives something beside them."""

    def __init__(self, beside: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._beside = beside
        self.rows_seen = list[int]()

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor) -> Any:
        self.rows_seen.append(len(hidden_states))
        return hidden_states * 2, self._beside(hidden_states)


class Group:
    """The first of two ranks; the other is not there to be waited for."""

    def size(self) -> int:
        return 2

    def rank(self) -> int:
        return 0


class Watching(Lockstep):
    """Knows what failed, and says of itself that it is the second rank: what is decided comes from `first`."""

    def __init__(self, first: list[int] | None = None) -> None:
        self.failed = list[str]()
        self._first = first

    def decide(self, value: Value) -> Value:
        return self._first if isinstance(value, list) and self._first is not None else value  # type: ignore[return-value]

    def attempt(self, what: str, run: Callable[[], Value]) -> Value:
        try:
            return run()
        except Exception:
            self.failed.append(what)
            raise


@pytest.mark.parametrize(
    ("beside", "rows", "first", "failed"),
    [
        (lambda rows: rows.sum(), 4, None, "rows"),
        (lambda _rows: torch.zeros(3, 5), 4, None, "rows"),
        # One row here and two there: three rows beside would fit the one rank and not the other.
        (lambda _rows: torch.zeros(3, 5), 3, [1, 1], "outputs"),
    ],
)
@torch.no_grad()
def test_outputs_that_do_not_follow_the_rows_are_refused_where_all_ranks_learn_of_it(
    monkeypatch: pytest.MonkeyPatch, beside: Any, rows: int, first: list[int] | None, failed: str
) -> None:
    monkeypatch.setattr("torch.distributed.all_gather", lambda *_args, **_kwargs: pytest.fail("it waits"))
    module, lockstep = Denoiser(beside), Watching(first)
    forward = SpreadForward(module, Group(), lockstep)  # type: ignore[arg-type]
    sample, times = torch.randn(rows, 4, 8, 8), torch.full((rows,), 500.0)
    for _ in range(2):
        mine, _ = forward(hidden_states=sample, timestep=times)
        assert torch.equal(mine, sample * 2)
    assert lockstep.failed == [failed]
    assert module.rows_seen[-1] == rows, "whole from then on"

"""What calls leave behind in a request's own attention processors: maps that its pipeline reads afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from workers.stepping.checkpoint.kinds import Kind, Kinds, children
from workers.stepping.contents import version_of


class Traces:
    """The tensors that processors hold before a call, to tell afterwards whether it left others."""

    def __init__(self, processors: Sequence[Any], kinds: Kinds) -> None:
        self._processors = processors
        self._kinds = kinds
        self._before = self._found()

    def have_changed(self) -> bool:
        """Whether a tensor came, went or was written to."""
        now = self._found()
        return len(now) != len(self._before) or any(
            mine is not theirs or version != then
            for (mine, version), (theirs, then) in zip(now, self._before, strict=True)
        )

    def _found(self) -> list[tuple[torch.Tensor, int | None]]:
        seen: set[int] = set()
        return [found for processor in self._processors for found in self._walk(processor, seen)]

    def _walk(self, value: Any, seen: set[int]) -> Iterator[tuple[torch.Tensor, int | None]]:
        kind = self._kinds.of(value)
        if kind is Kind.TENSOR:
            yield value, version_of(value)
        if kind in (Kind.SCALAR, Kind.CONSTANT) or id(value) in seen:
            return
        seen.add(id(value))
        for _key, child in children(value, kind):
            yield from self._walk(child, seen)

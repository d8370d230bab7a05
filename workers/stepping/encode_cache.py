"""Remembers what text and image encoders returned: fifty seeds of one prompt encode it once.

Bounded by bytes, least recently used goes first. What was computed in company is never given to a request that
wants to be bit-identical to one alone.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import nn

from workers.engine.calls import Lane
from workers.stepping.adapters import OUR_ADAPTERS
from workers.stepping.contents import content
from workers.stepping.lockstep import ALONE, Lockstep
from workers.stepping.plan import STRICTEST, PendingCall
from workers.stepping.weights import Weights

DEFAULT_LIMIT_BYTES = 256 * 2**20
#: Calls with larger inputs are not looked up: hashing them would cost what it saves.
GREATEST_INPUT_BYTES = 16 * 2**20


class Uncopyable(Exception):
    """An output holds something that two requests must not share."""


@dataclass(frozen=True, slots=True)
class Entry:
    output: Any
    alone: bool
    size_bytes: int


class EncodeCache:
    """Outputs of encode calls by the full content of their arguments."""

    def __init__(self, lockstep: Lockstep = ALONE, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._lockstep = lockstep
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._limit_bytes = limit_bytes
        self._keys: dict[int, Hashable] = {}
        self._weights = Weights()
        self.size_bytes = 0

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._weights = Weights()
        self.size_bytes = 0

    def key(self, call: PendingCall) -> Hashable | None:
        """The key of a call that may be remembered, as it was when it was about to run; None for all others."""
        return self._keys.get(call.call_id)

    def _key(self, call: PendingCall, weights_of: Callable[[nn.Module], Hashable]) -> Hashable | None:
        if call.lane is not Lane.ENCODE or call.description.opaque:
            return None
        values = [leaf.value for leaf in call.description.leaves]
        sizes = [value.nbytes for value in values if isinstance(value, torch.Tensor)]
        if sum(sizes) > GREATEST_INPUT_BYTES:
            return None
        if any(not name.startswith(OUR_ADAPTERS) for name in getattr(call.call.module, "peft_config", {})):
            return None  # others' adapters change what it computes without a trace in its parameters
        samples = [leaf for leaf in call.description.leaves if leaf.path[:1] == call.description.primary[:1]]
        if not all(isinstance(leaf.value, torch.Tensor) for leaf in samples):
            return None
        everything = tuple(content(value) for value in values if isinstance(value, torch.Tensor))
        return (call.structure, call.unshared_key(STRICTEST), everything, weights_of(call.call.module))

    def without_repeats(self, batch: Sequence[PendingCall]) -> tuple[list[PendingCall], list[PendingCall]]:
        """The calls that must run, and those that will find their output remembered once these have run."""
        seen: set[Hashable] = set()
        originals: list[PendingCall] = []
        repeats: list[PendingCall] = []
        weights_of = functools.cache(self._weights.of)
        self._keys = {call.call_id: self._key(call, weights_of) for call in batch}
        for call in batch:
            key = self.key(call)
            known = key is not None and self._lockstep.everywhere(
                key in seen or (key in self._entries and call.solo is None)
            )
            (repeats if known else originals).append(call)
            seen.add(key)
        return originals, repeats

    def get(self, key: Hashable, alone: bool) -> Any:
        """A fresh copy of the output, or None. `alone`: only what was computed alone will do."""
        entry = self._entries.get(key)
        fits = entry is not None and (entry.alone or not alone)
        if not self._lockstep.everywhere(fits) or entry is None:
            return None
        self._entries.move_to_end(key)
        return fresh_copy(entry.output)

    def put(self, key: Hashable, output: Any, alone: bool) -> None:
        """Remember an output; one that holds unknown objects is left out."""
        try:
            copied = fresh_copy(output)
        except Uncopyable:
            return
        size_bytes = _size_bytes(copied)
        if size_bytes > self._limit_bytes // 4:
            return
        if key in self._entries:
            self.size_bytes -= self._entries.pop(key).size_bytes
        self._entries[key] = Entry(copied, alone, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._limit_bytes:
            self.size_bytes -= self._entries.popitem(last=False)[1].size_bytes


def fresh_copy(value: Any) -> Any:
    """The same output in new tensors and containers; pipelines edit embeddings in place.

    Raises:
        Uncopyable: it holds an object of another kind, such as a cache.
    """
    if isinstance(value, torch.Tensor):
        return value.clone()
    if value is None or isinstance(value, int | float | str | bool):
        return value
    if isinstance(value, DiagonalGaussianDistribution):
        return type(value)(value.parameters.clone(), value.deterministic)
    if isinstance(value, dict):
        copied = {key: fresh_copy(item) for key, item in value.items()}
        return copied if type(value) is dict else type(value)(**copied)
    if type(value) in (list, tuple):
        return type(value)(fresh_copy(item) for item in value)
    raise Uncopyable(type(value).__name__)


def _size_bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, DiagonalGaussianDistribution):
        return 4 * int(value.parameters.nbytes)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(_size_bytes(item) for item in items)

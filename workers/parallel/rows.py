"""The rows of a forward shared out among ranks, and every rank given all of the output.

The rows may be the two of a guided step or whole requests that share the forward. As with merging, nothing is
assumed: the first forward of a kind runs whole as well and is compared, one in AUDIT_PERIOD is for ever, and what
differs runs whole on every rank from then on: slower, never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from workers.stepping.ambient import RandomState
from workers.stepping.deviation import Deviation, bound, coarsest, deviation
from workers.stepping.faults import REFUSALS, is_out_of_memory
from workers.stepping.fiber import ComponentCall, own_containers
from workers.stepping.forwards import nudged_arguments
from workers.stepping.leaves import Description, Leaf, Role
from workers.stepping.lockstep import Lockstep
from workers.stepping.merging import Unmergeable, call_arguments, substituted
from workers.stepping.plan import described
from workers.stepping.records import is_record, rebuild

#: Every so many forwards of a kind one runs whole as well.
AUDIT_PERIOD = 1000


@dataclass(frozen=True)
class Share:
    """One rank's rows of a forward of `rows` rows, which are dealt out in order and as evenly as can be."""

    rows: int
    ranks: int
    rank: int

    @property
    def bounds(self) -> list[int]:
        """Where each rank's rows begin, and the end."""
        return [self.rows * rank // self.ranks for rank in range(self.ranks + 1)]

    @property
    def own(self) -> slice:
        return slice(self.bounds[self.rank], self.bounds[self.rank + 1])

    @property
    def own_rows(self) -> int:
        return self.bounds[self.rank + 1] - self.bounds[self.rank]

    def of(self, description: Description) -> Description:
        """The call with this rank's rows alone."""
        leaves = tuple(leaf._replace(value=self._part(leaf)) for leaf in description.leaves)
        return replace(description, rows=self.own_rows, leaves=leaves)

    def _part(self, leaf: Leaf) -> Any:
        if leaf.value is None or leaf.role not in (Role.ROWS, Role.TEXT, Role.MASK, Role.SAMPLES, Role.TABLE):
            return leaf.value
        times = leaf.rows_per_row
        return leaf.value[self.own.start * times : self.own.stop * times]


class SpreadForward:
    """Takes the place of a module's `forward`. `group` are the ranks that share its rows."""

    def __init__(self, module: nn.Module, group: dist.ProcessGroup, lockstep: Lockstep) -> None:
        self._module = module
        self._forward = module.forward
        self._group = group
        self._lockstep = lockstep
        self._allowed: dict[Hashable, Deviation | None] = {}
        self.shared = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        description = described(ComponentCall("", self._module, "__call__", args, kwargs))
        share = Share(description.rows, self._group.size(), self._group.rank())
        if description.opaque is not None or share.rows < share.ranks:
            return self._forward(*args, **kwargs)
        kind = _kind(description)
        if kind not in self._allowed or self.shared % AUDIT_PERIOD == AUDIT_PERIOD - 1:
            return self._proved(kind, description, share, args, kwargs)
        if self._allowed[kind] is None:
            return self._forward(*args, **kwargs)
        return self._spread(description, share)

    def _spread(self, description: Description, share: Share) -> Any:
        self.shared += 1
        mine = self._lockstep.attempt("share", lambda: call_arguments(substituted(share.of(description))))
        samples = any(leaf.role is Role.SAMPLES for leaf in description.leaves)
        found: list[int] = []  # of each tensor, its rows per row of the call

        def measured(part: torch.Tensor) -> torch.Tensor:
            found.append(rows_per_row(part, share))
            return part

        def forward() -> Any:
            return mapped(self._forward(*mine[0], **mine[1]), share, samples, measured)

        # What cannot be joined is known on all ranks before any of them waits for the others.
        output = self._lockstep.attempt("rows", forward)
        if share.rows % share.ranks:
            first = self._lockstep.decide(found)
            self._lockstep.attempt("outputs", lambda: check_alike(found, first))
        return mapped(output, share, samples, lambda part: self._gathered(part, share))

    def _proved(
        self,
        kind: Hashable,
        description: Description,
        share: Share,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """The output of the whole forward; whether its rows may be shared out is known after it."""
        random = RandomState.capture()
        tried = self._tried(description, share)
        nudged = self._nudged(description)
        random.install()
        whole = self._forward(*own_containers(args), **own_containers(dict(kwargs)))
        allowed = bound(self._between(whole, nudged), coarsest(leaf.value for leaf in description.leaves))
        fits = tried is not None and self._between(whole, tried).within(allowed) and not self._leaves_traces()
        self._allowed[kind] = allowed if self._lockstep.decide(fits) else None
        return whole

    def _tried(self, description: Description, share: Share) -> Any:
        try:
            return self._spread(description, share)
        except (Unmergeable, *REFUSALS) as error:
            if is_out_of_memory(error):
                raise
            return None

    def _nudged(self, description: Description) -> Any:
        """What rounding alone changes: the sample moved by half a unit in the last place."""
        arguments = nudged_arguments(description)
        return None if arguments is None else self._forward(*arguments[0], **arguments[1])

    def _between(self, whole: Any, other: Any) -> Deviation:
        return self._lockstep.decide(Deviation() if other is None else deviation(whole, other))

    def _leaves_traces(self) -> bool:
        """Whether attention keeps tensors for its pipeline to read: they would be of some rows only."""
        processors = [getattr(part, "processor", None) for part in self._module.modules()]
        kept = [vars(processor).values() for processor in processors if processor is not None]
        return any(isinstance(value, torch.Tensor) for values in kept for value in values)

    def _gathered(self, part: torch.Tensor, share: Share) -> torch.Tensor:
        times = rows_per_row(part, share)
        sizes = [(end - start) * times for start, end in zip(share.bounds, share.bounds[1:], strict=False)]
        # Ranks exchange equal sizes: the shorter parts are filled up and cut again.
        filled = part.new_zeros(max(sizes), *part.shape[1:])
        filled[: part.shape[0]] = part
        parts = [torch.empty_like(filled) for _ in sizes]
        dist.all_gather(parts, filled, group=self._group)
        return torch.cat([given[:size] for given, size in zip(parts, sizes, strict=True)])


def mapped(output: Any, share: Share, samples: bool, act: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """An output of any nesting with `act` done to each of its tensors, in order.

    With `samples` a list with an entry for each of this rank's rows is one tensor.

    Raises:
        Unmergeable: something in it is neither a tensor nor a plain value.
    """
    if isinstance(output, torch.Tensor):
        return act(output)
    if output is None or isinstance(output, int | float | str | bool):
        return output
    if samples and isinstance(output, list) and len(output) == share.own_rows:
        return list(act(torch.stack(output)).unbind())
    if isinstance(output, dict):
        parts = {key: mapped(value, share, samples, act) for key, value in output.items()}
        return parts if type(output) is dict else type(output)(**parts)
    if isinstance(output, list | tuple):
        items = [mapped(item, share, samples, act) for item in output]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    if is_record(output):
        return rebuild(output, mapped(dict(vars(output)), share, samples, act))
    raise Unmergeable(f"an output of type {type(output).__name__} cannot be joined")


def rows_per_row(part: torch.Tensor, share: Share) -> int:
    """How many rows of an output there are for each row of the call; raises Unmergeable if it is no number."""
    if part.ndim == 0 or part.shape[0] == 0 or part.shape[0] % share.own_rows:
        raise Unmergeable(f"an output of shape {tuple(part.shape)} has no batch dimension")
    return part.shape[0] // share.own_rows


def check_alike(found: Sequence[int], first: Sequence[int]) -> None:
    """Raises Unmergeable where uneven shares of a forward gave outputs that are not uneven alike."""
    if list(found) != list(first):
        raise Unmergeable("the sizes of the outputs do not follow the rows")


def _kind(description: Description) -> Hashable:
    """What a proof is about: which leaves are what, and how many rows there are."""
    return description.rows, tuple((leaf.path, leaf.role, leaf.rows_per_row) for leaf in description.leaves)

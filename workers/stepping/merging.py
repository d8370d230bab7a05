"""Merging: from several described calls one set of arguments, and from one output each call's part of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

from workers.stepping.leaves import Description, Leaf, Role
from workers.stepping.records import is_record, rebuild


class Unmergeable(Exception):
    """These calls cannot share a forward; the message is the reason that `stats.solo_reasons` shows."""


@dataclass(frozen=True)
class Order:
    """How the rows of several calls lie in the merged batch.

    `roles` is 1 for call after call; R for models that split the batch by role (unconditional, conditional, ...):
    then the r-th part of every call comes before the next part of any. `samples`: the batch is a list with
    one element per row, and so may be the output.
    """

    rows: tuple[int, ...]
    roles: int = 1
    samples: bool = False

    @property
    def total(self) -> int:
        return sum(self.rows)

    def join(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Concatenate the calls' tensors along dimension 0 in this order."""
        if self.roles == 1:
            return torch.cat(list(tensors))
        parts = [tensor.chunk(self.roles) for tensor in tensors]
        return torch.cat([part[role] for role in range(self.roles) for part in parts])

    def part(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """The calls' parts of a tensor that has a multiple of `total` rows."""
        times = tensor.shape[0] // self.total
        if self.roles == 1:
            return list(torch.split(tensor, [rows * times for rows in self.rows]))
        sizes = [rows * times // self.roles for rows in self.rows]
        pieces = [torch.split(role, sizes) for role in tensor.chunk(self.roles)]
        return [torch.cat([piece[index] for piece in pieces]) for index in range(len(self.rows))]


def merge(calls: Sequence[Description], order: Order) -> inspect.BoundArguments:
    """One set of arguments for all calls, whose leaves have equal paths and roles.

    Raises:
        Unmergeable: the arguments do not fit together after all.
    """
    merged: dict[Any, Any] = {}
    columns = zip(*(call.leaves for call in calls), strict=True)
    for column in columns:
        merged[column[0].path] = _merge_leaves(column, calls, order)
    first = calls[0].bound
    arguments = {name: _rebuild((name,), value, merged) for name, value in first.arguments.items()}
    for leaf in calls[0].leaves:
        if leaf.role is Role.MASK and leaf.path[0] not in arguments and merged[leaf.path] is not None:
            arguments[str(leaf.path[0])] = merged[leaf.path]
    ordered = {name: arguments[name] for name in first.signature.parameters if name in arguments}
    # BoundArguments keeps its place in the signature; names in its order make args and kwargs come out right.
    return inspect.BoundArguments(first.signature, type(first.arguments)(ordered))


def substituted(call: Description) -> inspect.BoundArguments:
    """The call's own arguments, with the values that its leaves hold now."""
    values: dict[Any, Any] = {leaf.path: leaf.value for leaf in call.leaves}
    arguments = {name: _rebuild((name,), value, values) for name, value in call.bound.arguments.items()}
    return inspect.BoundArguments(call.bound.signature, type(call.bound.arguments)(arguments))


def call_arguments(bound: inspect.BoundArguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments; everything that may be named is, since gaps cannot be positional."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, parameter in bound.signature.parameters.items():
        if name not in bound.arguments:
            continue
        value = bound.arguments[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            args.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs.update(value)
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            args.append(value)
        else:
            kwargs[name] = value
    return tuple(args), kwargs


def _merge_leaves(column: Sequence[Leaf], calls: Sequence[Description], order: Order) -> Any:
    values = [leaf.value for leaf in column]
    match column[0].role:
        case Role.ROWS:
            return order.join(values)
        case Role.COLUMNS:
            return order.join([value.transpose(0, 1) for value in values]).transpose(0, 1)
        case Role.TEXT:
            return order.join(_padded(values))
        case Role.MASK:
            return _merge_masks(values, calls, order)
        case Role.SCALAR:
            return _merge_scalars(values, calls, order)
        case Role.SAMPLES | Role.TABLE:
            if order.roles != 1:
                parts = [_chunk_list(value, order.roles) for value in values]
                return [item for role in range(order.roles) for part in parts for item in part[role]]
            return [item for value in values for item in value]
        case _:
            return values[0]


def _chunk_list(value: list[Any], count: int) -> list[list[Any]]:
    size = len(value) // count
    return [value[index * size : (index + 1) * size] for index in range(count)]


def _padded(values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    longest = max(value.shape[1] for value in values)
    return [
        value
        if value.shape[1] == longest
        else torch.cat([value, value.new_zeros(value.shape[0], longest - value.shape[1], *value.shape[2:])], dim=1)
        for value in values
    ]


def _merge_masks(values: Sequence[Any], calls: Sequence[Description], order: Order) -> torch.Tensor | None:
    """Masks padded with zeros. When no call has one and all lengths are equal, none is made: the fast path."""
    lengths = {call.text_length for call in calls}
    if len(lengths) == 1 and all(value is None for value in values):
        return None
    given = next((value for value in values if value is not None), None)
    device = next(leaf.value.device for leaf in calls[0].leaves if leaf.role is Role.TEXT)
    dtype = torch.bool if given is None else given.dtype
    masks = [
        torch.ones(call.rows, call.text_length, dtype=dtype, device=device) if value is None else value
        for value, call in zip(values, calls, strict=True)
    ]
    return order.join(_padded(masks))


def _merge_scalars(values: Sequence[Any], calls: Sequence[Description], order: Order) -> torch.Tensor | Any:
    if not isinstance(values[0], torch.Tensor):
        if all(value == values[0] for value in values):
            return values[0]
        device = next(leaf.value.device for leaf in calls[0].leaves if isinstance(leaf.value, torch.Tensor))
        dtype = torch.int64 if all(isinstance(value, int) for value in values) else torch.float32
        values = [torch.tensor(value, dtype=dtype, device=device) for value in values]
    return order.join([value.expand(call.rows) for value, call in zip(values, calls, strict=True)])


def _rebuild(path: tuple[Any, ...], value: Any, merged: dict[Any, Any]) -> Any:
    """The container tree of the first call with merged leaves; new lists and dicts, since models empty them."""
    if isinstance(value, dict) and path in merged:
        return type(value)({key: _rebuild((*path, key), item, merged) for key, item in value.items()})
    if isinstance(value, list | tuple) and path in merged and merged[path] is value:
        items = [_rebuild((*path, index), item, merged) for index, item in enumerate(value)]
        if not any((*path, index) in merged for index in range(len(value))):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if path in merged and merged[path] is value and is_record(value):
        return rebuild(value, {key: _rebuild((*path, key), item, merged) for key, item in vars(value).items()})
    return merged.get(path, value)


def split(output: Any, order: Order) -> list[Any]:
    """Each call's part of the merged output, of any nesting.

    Raises:
        Unmergeable: some part of it has no dimension that could be the batch.
    """
    count = len(order.rows)
    if isinstance(output, torch.Tensor):
        if output.ndim == 0 or output.shape[0] % order.total:
            raise Unmergeable(f"an output of shape {tuple(output.shape)} has no batch dimension")
        return list(order.part(output))
    if isinstance(output, DiagonalGaussianDistribution):
        return [type(output)(part, output.deterministic) for part in order.part(output.parameters)]
    if output is None or isinstance(output, int | float | str | bool):
        return [output] * count
    if isinstance(output, dict):
        return _split_mapping(output, order)
    if order.samples and isinstance(output, list) and len(output) == order.total:
        ends = [sum(order.rows[: index + 1]) for index in range(count)]
        return [output[end - rows : end] for end, rows in zip(ends, order.rows, strict=True)]
    if isinstance(output, list | tuple):
        parts = [split(item, order) for item in output]
        columns = [[part[index] for part in parts] for index in range(count)]
        build: Callable[[list[Any]], Any] = type(output)
        return [build(*column) if hasattr(output, "_fields") else build(column) for column in columns]
    if is_record(output):
        return [rebuild(output, part) for part in _split_mapping(dict(vars(output)), order)]
    raise Unmergeable(f"an output of type {type(output).__name__} cannot be split")


def _split_mapping(output: dict[Any, Any], order: Order) -> list[Any]:
    parts = {key: split(value, order) for key, value in output.items()}
    columns = [{key: part[index] for key, part in parts.items()} for index in range(len(order.rows))]
    kind = type(output)
    return columns if kind is dict else [kind(**column) for column in columns]

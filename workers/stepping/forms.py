"""The form of a call: all of its description that hangs on shapes and plain values, worked out once.

A request makes the same call at every step with other tensors in it. `describe` takes a hundred microseconds for
one of ten leaves; filling its form takes a fifth of that. Called by `plan` for every parked call.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from workers.stepping.contents import digest
from workers.stepping.fiber import ComponentCall
from workers.stepping.interface import Interface, interface_of, kind_of
from workers.stepping.leaves import PLAIN_TYPES, Description, Leaf, Path, describe, used

#: Forms remembered for a method; one that makes more than this is forgotten and learned anew.
FORMS_KEPT = 512
#: The place of a leaf that the call does not give.
ABSENT = -1


@dataclass(frozen=True, slots=True)
class Form:
    """A description whose leaves hold no values: `places` says which of a call's parts each is to hold.

    `by_content` are the leaves whose feature ends with the digest of their value.
    """

    description: Description
    places: tuple[int, ...]
    by_content: tuple[int, ...]

    @classmethod
    def of(cls, description: Description) -> Form:
        """What stays of a description when its tensors are taken away."""
        arguments = description.bound.arguments
        order = [path for name, value in arguments.items() for path in _paths((name,), value)]
        place_of = {path: index for index, path in enumerate(order)}
        places = tuple(place_of.get(leaf.path, ABSENT) for leaf in description.leaves)
        by_content = tuple(index for index, leaf in enumerate(description.leaves) if leaf.is_by_content)
        bound = inspect.BoundArguments(description.bound.signature, type(arguments)())
        leaves = tuple(leaf._replace(value=None) for leaf in description.leaves)
        return cls(replace(description, bound=bound, leaves=leaves, digests=()), places, by_content)

    def filled(self, bound: inspect.BoundArguments, parts: list[Any]) -> Description:
        """The description of a call of this form."""
        parts.append(None)
        leaves = [
            Leaf(path, role, feature, parts[place], times)
            for (path, role, feature, _, times), place in zip(self.description.leaves, self.places, strict=True)
        ]
        for index in self.by_content:
            leaf = leaves[index]
            leaves[index] = leaf._replace(feature=(*leaf.feature[:-1], digest(leaf.value)))  # type: ignore[index]
        digests = tuple((leaves[index].path, leaves[index].feature) for index in self.by_content)
        known = self.description
        equal = (known.text_length, known.opaque, known.plan, known.features, digests)
        return Description(bound, known.rows, known.primary, tuple(leaves), *equal)


def description_of(call: ComponentCall) -> Description:
    """What `describe` says of a call.

    Raises:
        TypeError: the method does not take these arguments.
    """
    interface = interface_of(kind_of(call.module), call.method)
    bound = used(interface.bind(call), call)
    facts: list[Any] = list(bound.arguments)
    parts: list[Any] = []
    for value in bound.arguments.values():
        if not _look(value, facts, parts):
            return describe(call)
    return _form(interface, tuple(facts), call).filled(bound, parts)


def _form(interface: Interface, facts: tuple[Any, ...], call: ComponentCall) -> Form:
    form = interface.forms.get(facts)
    if form is None:
        if len(interface.forms) >= FORMS_KEPT:
            interface.forms.clear()
        form = interface.forms[facts] = Form.of(describe(call))
    return form


def _look(value: Any, facts: list[Any], parts: list[Any]) -> bool:
    """Add an argument's facts and parts, outermost first; False for one that holds an object of another kind."""
    kind = type(value)
    parts.append(value)
    if isinstance(value, torch.Tensor):
        facts += (value.shape, value.dtype, value.device)
        return True
    if kind in PLAIN_TYPES:
        facts += (kind, value)
        return True
    if kind is dict:
        facts += (kind, tuple(value))
        return all(_look(item, facts, parts) for item in value.values())
    if kind is list or kind is tuple:
        facts += (kind, len(value))
        return all(_look(item, facts, parts) for item in value)
    return False


def _paths(path: Path, value: Any) -> Iterator[Path]:
    """The paths of an argument's parts in the order of `_look`."""
    yield path
    if type(value) is dict:
        for key, item in value.items():
            yield from _paths((*path, key), item)
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):
            yield from _paths((*path, index), item)

"""What a group of calls is to a merge: descriptions under a variation, their order, what they are made of."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from workers.stepping.leaves import Description, Role, describe
from workers.stepping.merging import Order
from workers.stepping.plan import PendingCall, Variation


def tensors_of(call: PendingCall) -> list[Any]:
    """What the call's leaves hold."""
    return [leaf.value for leaf in call.description.leaves]


def descriptions_of(group: Sequence[PendingCall], variation: Variation) -> list[Description]:
    """The calls as this variation reads them."""
    if not variation.roles:
        return [call.description for call in group]
    return [describe(call.call, dict(variation.roles)) for call in group]


def order_of(descriptions: Sequence[Description], variation: Variation) -> Order:
    """How their rows lie in the merged batch."""
    samples = any(leaf.role is Role.SAMPLES for leaf in descriptions[0].leaves)
    return Order(tuple(item.rows for item in descriptions), variation.order_roles, samples)


def composition_of(group: Sequence[PendingCall]) -> Hashable:
    """How many rows of which sizes come together: a merge is audited anew for each."""
    return tuple(sorted(call.description.rows for call in group))

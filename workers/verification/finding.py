"""The registry of checks: a check looks at a loaded model and says what it found.

A part of the product that models may or may not hold adds a module to MODULES; its checks then stand in every
verification card. `doctor` runs the groups that find faults.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from workers.verification.subject import Subject

State = Literal["ok", "warning", "wrong", "skipped"]

#: Modules whose import adds checks.
MODULES = (
    "workers.verification.output",
    "workers.verification.memory",
    "workers.verification.speed",
    "workers.verification.parallel",
    "workers.verification.caches",
)


class Group(StrEnum):
    """What a check is about, in the order in which cards show them."""

    OUTPUT = "output"
    SPEED = "speed"
    MEMORY = "memory"
    PARALLEL = "parallel"
    CACHE = "cache"


@dataclass(frozen=True)
class Finding:
    """One fact, what to do if it is not as it should be, and the figures behind it."""

    name: str
    state: State
    text: str
    remedy: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


Look = Callable[["Subject"], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """One look at a model, and the group it belongs to."""

    name: str
    group: Group
    look: Look


CHECKS: dict[str, Check] = {}


def check(name: str, group: Group) -> Callable[[Look], Look]:
    """Add a function to the registry under a name of its own."""

    def add(look: Look) -> Look:
        CHECKS[name] = Check(name, group, look)
        return look

    return add


def run_checks(subject: Subject, groups: Iterable[Group] = tuple(Group)) -> Iterator[tuple[Group, Finding]]:
    """Every finding of these groups, as it is found; a check that raises is a finding too."""
    for module in MODULES:
        importlib.import_module(module)
    for group in groups:
        for one in [one for one in CHECKS.values() if one.group is group]:
            try:
                yield from ((group, finding) for finding in one.look(subject))
            except Exception as error:  # noqa: BLE001  whatever a pipeline raises is what was found
                yield group, subject.failure(one.name, error)

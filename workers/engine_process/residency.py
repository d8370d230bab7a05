"""Which model has to make room for which: pure decisions, carried out by `residents`.

A model is on the device, asleep in host memory, or unloaded. The budget bounds the weights on the device; what was
used longest ago goes first, and nothing that has requests in flight goes at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Place(StrEnum):
    """Where a model's weights are."""

    DEVICE = "device"
    HOST = "host"
    NOWHERE = "nowhere"


class Action(StrEnum):
    """What can be done with one model; also the words in which it is asked for."""

    LOAD = "load"
    WAKE = "wake"
    SLEEP = "sleep"
    UNLOAD = "unload"
    RELOAD = "reload"


@dataclass(frozen=True)
class Budget:
    """Bytes of weights that may be on the device, and asleep in host memory. None: no bound."""

    device_bytes: int | None = None
    host_bytes: int | None = None

    def shared_by(self, processes: int) -> Budget:
        """The budget of each of so many engine processes, with a device each and one host."""
        return Budget(
            self.device_bytes, self.host_bytes if self.host_bytes is None else self.host_bytes // processes
        )


@dataclass(frozen=True)
class Holding:
    """One model. `size_bytes` is None until it was loaded once; `last_used` is on any monotonic clock.

    `can_sleep` says whether sleeping frees the device: not where the device is the host itself.
    """

    name: str
    place: Place
    size_bytes: int | None
    last_used: float = 0.0
    is_busy: bool = False
    can_sleep: bool = True


@dataclass(frozen=True)
class Move:
    """One step of a plan."""

    action: Action
    name: str


@dataclass(frozen=True)
class Plan:
    """Moves to make now, in order; or models that must come to rest before that can be known; or a refusal."""

    moves: tuple[Move, ...] = ()
    waits_for: frozenset[str] = field(default_factory=frozenset)
    refusal: str | None = None

    @property
    def leaving(self) -> frozenset[str]:
        """Who is about to leave the device, now or when it has come to rest."""
        leave = (Action.SLEEP, Action.UNLOAD, Action.RELOAD)
        gone = (move.name for move in self.moves if move.action in leave)
        return self.waits_for.union(gone)


def plan(action: Action, name: str, holdings: Sequence[Holding], budget: Budget) -> Plan:
    """How to do what is asked with the model of this name."""
    wanted = next(one for one in holdings if one.name == name)
    others = [one for one in holdings if one is not wanted]
    if action in (Action.LOAD, Action.WAKE):
        arrival = Action.WAKE if wanted.place is Place.HOST else Action.LOAD
        return Plan() if wanted.place is Place.DEVICE else _bring(wanted, others, budget, arrival)
    if action is Action.RELOAD and not wanted.is_busy:
        return _bring(wanted, others, budget, action)
    if wanted.place is Place.NOWHERE or (action is Action.SLEEP and wanted.place is Place.HOST):
        return Plan()
    if wanted.is_busy:
        return Plan(waits_for=frozenset({name}))
    if action is Action.UNLOAD:
        return Plan((Move(Action.UNLOAD, name),))
    return Plan(tuple(_put_to_sleep([wanted], holdings, budget.host_bytes)))


def trim(holdings: Sequence[Holding], budget: Budget) -> Plan:
    """What must leave the device because more is there than was foreseen."""
    resident = [one for one in holdings if one.place is Place.DEVICE]
    lacking = sum(map(_size, resident)) - (budget.device_bytes or sum(map(_size, resident)))
    victims = [one for one in _least_recent(resident, lacking) if not one.is_busy]
    return Plan(tuple(_evict(victims, [one for one in holdings if one not in victims], budget)))


def fill(holdings: Sequence[Holding], budget: Budget) -> Plan:
    """What of the rest fits onto the device without anybody leaving, in the given order."""
    free = None if budget.device_bytes is None else budget.device_bytes
    used = sum(_size(one) for one in holdings if one.place is Place.DEVICE)
    moves = []
    for one in holdings:
        if one.place is Place.DEVICE or one.size_bytes is None:
            continue
        if free is None or used + one.size_bytes <= free:
            used += one.size_bytes
            moves.append(Move(Action.WAKE if one.place is Place.HOST else Action.LOAD, one.name))
    return Plan(tuple(moves))


def _bring(wanted: Holding, others: Sequence[Holding], budget: Budget, by: Action) -> Plan:
    """Get a model onto the device by this action, as if it were not there."""
    arrival = Move(by, wanted.name)
    if budget.device_bytes is None:
        return Plan((arrival,))
    # A model that was never loaded may need all there is.
    need = budget.device_bytes if wanted.size_bytes is None else wanted.size_bytes
    if need > budget.device_bytes:
        return Plan(refusal=f"it needs {need} bytes, and the memory budget is {budget.device_bytes}")
    resident = [one for one in others if one.place is Place.DEVICE]
    lacking = need + sum(map(_size, resident)) - budget.device_bytes
    victims = _least_recent(resident, lacking)
    busy = frozenset(one.name for one in victims if one.is_busy)
    if busy:
        return Plan(waits_for=busy)
    return Plan((*_evict(victims, others, budget), arrival))


def _least_recent(resident: Iterable[Holding], lacking: int) -> list[Holding]:
    """Whom to evict to gain so many bytes: those at rest first, the longest unused first, none without need."""
    chosen: list[Holding] = []
    for one in sorted(resident, key=lambda one: (one.is_busy, one.last_used)):
        if sum(map(_size, chosen)) >= lacking:
            break
        chosen.append(one)
    for one in reversed(chosen[:-1]):
        if sum(map(_size, chosen)) - _size(one) >= lacking:
            chosen.remove(one)
    return chosen


def _evict(victims: Sequence[Holding], holdings: Sequence[Holding], budget: Budget) -> list[Move]:
    """Sleep where that frees the device, else unload."""
    unloaded = [Move(Action.UNLOAD, one.name) for one in victims if not one.can_sleep]
    return unloaded + _put_to_sleep([one for one in victims if one.can_sleep], holdings, budget.host_bytes)


def _put_to_sleep(sleepers: Sequence[Holding], holdings: Sequence[Holding], host_bytes: int | None) -> list[Move]:
    """Sleep as far as host memory allows: whoever slept longest is unloaded for it, and who does not fit."""
    if host_bytes is None:
        return [Move(Action.SLEEP, one.name) for one in sleepers]
    asleep = sorted((one for one in holdings if one.place is Place.HOST), key=lambda one: one.last_used)
    moves: list[Move] = []
    for one in sleepers:
        while asleep and _size(one) + sum(map(_size, asleep)) > host_bytes:
            moves.append(Move(Action.UNLOAD, asleep.pop(0).name))
        fits = _size(one) + sum(map(_size, asleep)) <= host_bytes
        moves.append(Move(Action.SLEEP if fits else Action.UNLOAD, one.name))
        asleep += [one] if fits else []
    return moves


def _size(holding: Holding) -> int:
    return holding.size_bytes or 0

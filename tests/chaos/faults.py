"""Every fault of the matrix as one row: what it does, and how it is undone. Drawn at random from a seed."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from omni_jobs import queue
from omni_jobs.names import model_queue, new_id
from omni_jobs.store import Ref
from omni_jobs.store.scripts import script_text
from tests.chaos.fleet import LEASE_SECONDS, Fleet, Member, send
from tests.chaos.proxy import Mode, Proxy, Tripwire
from tests.chaos.roles import MODEL

Undo = Callable[[], object]
#: A fault strikes and says whom it struck and how it ends, or None if there was nobody to strike.
Strike = Callable[[Fleet, Random], "Struck | None"]


@dataclass(frozen=True)
class Struck:
    """Whom a fault struck, for how many seconds at most, and what ends it. A trap may never spring."""

    target: str
    seconds: float = 0.0
    undo: Undo = lambda: None
    trap: Tripwire | None = None

    @property
    def is_real(self) -> bool:
        return self.trap is None or self.trap.has_sprung.is_set()


@dataclass(frozen=True)
class Fault:
    """`weight`: how often it is drawn. `touches_redis`: only one such fault at a time."""

    weight: float
    strike: Strike
    touches_redis: bool = False


def _member(fleet: Fleet, random: Random, *roles: str) -> Member:
    return random.choice([member for role in roles for member in fleet.of_role(role)])


def _kill(*roles: str) -> Strike:
    def strike(fleet: Fleet, random: Random) -> Struck | None:
        member = _member(fleet, random, *roles)
        return Struck(member.name) if member.kill() else None

    return strike


def _drain(fleet: Fleet, random: Random) -> Struck | None:
    member = _member(fleet, random, "worker")
    return Struck(member.name) if member.signal(signal.SIGTERM) else None


def _freeze(*roles: str) -> Strike:
    def strike(fleet: Fleet, random: Random) -> Struck | None:
        member = _member(fleet, random, *roles)
        if not member.signal(signal.SIGSTOP):
            return None
        return Struck(member.name, random.uniform(0.3, 2.5) * LEASE_SECONDS, lambda: member.signal(signal.SIGCONT))

    return strike


def _engine(number: signal.Signals) -> Strike:
    def strike(fleet: Fleet, random: Random) -> Struck | None:
        member = _member(fleet, random, "worker")
        pid = member.engine
        if pid is None or not send(pid, number):
            return None
        seconds = random.uniform(0.3, 2.0) * LEASE_SECONDS if number is signal.SIGSTOP else 0.0
        return Struck(f"engine of {member.name}", seconds, lambda: send(pid, signal.SIGCONT))

    return strike


def _net(side: Literal["redis", "storage"], mode: Mode, longest_seconds: float) -> Strike:
    """A path between one process and a server is bad for a while."""

    def strike(fleet: Fleet, random: Random) -> Struck | None:
        proxy: Proxy | None = getattr(_side(fleet, random, side), side)
        if proxy is None:
            return None
        proxy.set(mode, random.uniform(0.02, 0.3))
        if mode is Mode.REFUSE:
            proxy.reset()
        return Struck(proxy.name, random.uniform(0.2, longest_seconds), lambda: proxy.set(Mode.PASS))

    return strike


def _once(side: Literal["redis", "storage"], act: Callable[[Proxy], object]) -> Strike:
    def strike(fleet: Fleet, random: Random) -> Struck | None:
        proxy: Proxy | None = getattr(_side(fleet, random, side), side)
        if proxy is None:
            return None
        act(proxy)
        return Struck(proxy.name)

    return strike


def _side(fleet: Fleet, random: Random, side: str) -> Member:
    return _member(fleet, random, *(("worker",) if side == "storage" else ("worker", "worker", "api", "courier")))


def _redis(strike: Callable[[Fleet], object], longest_seconds: float, undo: Callable[[Fleet], object]) -> Strike:
    def act(fleet: Fleet, random: Random) -> Struck:
        strike(fleet)
        return Struck("redis", random.uniform(0.0, longest_seconds), lambda: undo(fleet))

    return act


def _full(fleet: Fleet) -> None:
    used = fleet.store.redis.info("memory")["used_memory"]
    fleet.store.redis.config_set("maxmemory", max(1, used // 2))


def _lose_doorbells(fleet: Fleet, _random: Random) -> Struck:
    fleet.store.redis.delete(model_queue(MODEL))
    return Struck("doorbells")


def _ring_too_often(fleet: Fleet, random: Random) -> Struck:
    for _ in range(random.randrange(20, 120)):
        queue.ring(fleet.store, MODEL, Ref("default", new_id("job")))
    return Struck("doorbells")


@cache
def sha_of(script: str) -> bytes:
    """By which redis-py calls a script."""
    return hashlib.sha1(script_text(script).encode(), usedforsecurity=False).hexdigest().encode()


def _script(name: str, *more: bytes) -> tuple[bytes, ...]:
    return (b"EVALSHA", sha_of(name), *more)


#: Named points in the life of an attempt: whose request on which side, known by these bytes.
POINTS: dict[str, tuple[str, Literal["redis", "storage"], tuple[bytes, ...]]] = {
    "create": ("api", "redis", _script("create")),
    "claim": ("worker", "redis", _script("claim_next")),
    "renew": ("worker", "redis", _script("renew")),
    "progress": ("worker", "redis", _script("note")),
    "upload": ("worker", "storage", (b"PUT ", b"/out/")),
    "verify": ("worker", "storage", (b"HEAD ", b"/out/")),
    "commit": ("worker", "redis", _script("move", b'"succeeded"')),
    "hand back": ("worker", "redis", _script("move", b'"queued"')),
    "sweep": ("courier", "redis", _script("reconcile")),
    "take webhooks": ("courier", "redis", _script("take_deliveries")),
    "settle webhook": ("courier", "redis", _script("settle_delivery")),
}
#: How long a tripwire lies in wait.
TRAP_SECONDS = 3.0


def _at_point(kills: bool) -> Strike:
    """At a named point a process is killed, or its answer is lost; before the server acts, or after it has."""

    def strike(fleet: Fleet, random: Random) -> Struck | None:
        name = random.choice(list(POINTS))
        role, side, marks = POINTS[name]
        member = _member(fleet, random, role)
        proxy: Proxy | None = getattr(member, side)
        if proxy is None:
            return None
        when: Literal["before", "after"] = random.choice(("before", "after"))
        wire = Tripwire(marks, when, member.kill if kills else bool)
        proxy.trip(wire)
        return Struck(f"{member.name} {when} {name}", TRAP_SECONDS, lambda: proxy.untrip(wire), wire)

    return strike


FAULTS: dict[str, Fault] = {
    "kill a worker": Fault(5, _kill("worker")),
    "kill an engine process": Fault(6, _engine(signal.SIGKILL)),
    "kill the API": Fault(3, _kill("api")),
    "kill the courier": Fault(3, _kill("courier")),
    "kill at a point": Fault(12, _at_point(kills=True)),
    "lose an answer": Fault(12, _at_point(kills=False)),
    "drain a worker": Fault(3, _drain),
    "freeze a worker": Fault(5, _freeze("worker")),
    "freeze an engine process": Fault(3, _engine(signal.SIGSTOP)),
    "freeze API or courier": Fault(3, _freeze("api", "courier")),
    "reset connections": Fault(10, _once("redis", Proxy.reset)),
    "half-open connections": Fault(4, _once("redis", Proxy.half_open)),
    "black hole": Fault(5, _net("redis", Mode.HOLE, 2 * LEASE_SECONDS)),
    "slow network": Fault(6, _net("redis", Mode.DELAY, 4.0)),
    "refused connections": Fault(5, _net("redis", Mode.REFUSE, 4.0)),
    "storage resets": Fault(6, _once("storage", Proxy.reset)),
    "storage outage": Fault(5, _net("storage", Mode.REFUSE, 8.0)),
    "storage hangs": Fault(4, _net("storage", Mode.HOLE, 5.0)),
    "storage is slow": Fault(4, _net("storage", Mode.DELAY, 5.0)),
    "lose all doorbells": Fault(4, _lose_doorbells, touches_redis=True),
    "doorbells without end": Fault(3, _ring_too_often, touches_redis=True),
    "kill Redis": Fault(2, _redis(Fleet.kill_redis, 4.0, Fleet.start_redis), touches_redis=True),
    "restart Redis": Fault(1, _redis(Fleet.stop_redis, 2.0, Fleet.start_redis), touches_redis=True),
    "freeze Redis": Fault(
        2,
        _redis(
            lambda fleet: fleet.server.process.send_signal(signal.SIGSTOP),
            2 * LEASE_SECONDS,
            lambda fleet: fleet.server.process.send_signal(signal.SIGCONT),
        ),
        touches_redis=True,
    ),
    "Redis is full": Fault(
        1,
        _redis(_full, 2.0, lambda fleet: fleet.store.redis.config_set("maxmemory", 0)),
        touches_redis=True,
    ),
}


def draw(random: Random, *, may_touch_redis: bool) -> str:
    """The name of the next fault."""
    names = [name for name, fault in FAULTS.items() if may_touch_redis or not fault.touches_redis]
    return random.choices(names, [FAULTS[name].weight for name in names])[0]

"""Which replica a request goes to: where it is expected to be finished first. Pure; `replicas` asks.

Work is counted in pixel steps (pixels of all frames times denoising steps), and each replica's speed on each model
is learned from what it finished, so that a slower device gets less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

#: Parameters whose product is a request's work; what neither the request nor the model says counts once.
SIZES = ("width", "height", "num_frames", "num_inference_steps")
#: The weight of the newest observation of a speed.
NEWEST = 0.3
#: Seconds per pixel step while nothing was timed: a step on a megapixel in a tenth of a second.
UNTIMED = 1e-7


@dataclass(frozen=True)
class Work:
    """What is left to do of one request."""

    model: str
    pixel_steps: float


@dataclass
class Replica:
    """What is known of one engine: the work in it, its seconds per pixel step by model, and how long it takes
    until the wanted model is on its device."""

    queue: Sequence[Work] = ()
    speeds: Mapping[str, float] = field(default_factory=dict)
    bring_seconds: float = 0.0


def pixel_steps(parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> float:
    """The work of a request with these parameters, where the model's defaults fill what it leaves out."""
    sizes = [parameters.get(name, defaults.get(name)) for name in SIZES]
    return float(prod(size for size in sizes if isinstance(size, int | float) and size > 0))


def learned(before: float | None, seconds: float, work: float) -> float:
    """The seconds per pixel step after one more observation."""
    observed = seconds / work
    return observed if before is None else (1 - NEWEST) * before + NEWEST * observed


def earliest(replicas: Sequence[Replica], work: Work) -> int:
    """The index of the replica that finishes this work first; among equals the one with the shorter queue."""
    finishes = [
        replica.bring_seconds + sum(seconds(item, replica, replicas) for item in (*replica.queue, work))
        for replica in replicas
    ]
    return min(range(len(replicas)), key=lambda index: (finishes[index], len(replicas[index].queue), index))


def seconds(work: Work, replica: Replica, replicas: Sequence[Replica]) -> float:
    """How long this takes here: as observed, else as the others do it, else as any other model runs."""
    known = replica.speeds.get(work.model)
    if known is None:
        same = [other.speeds[work.model] for other in replicas if work.model in other.speeds]
        known = _mean(same or [speed for other in replicas for speed in other.speeds.values()])
    return work.pixel_steps * known


def _mean(speeds: Sequence[float]) -> float:
    return sum(speeds) / len(speeds) if speeds else UNTIMED

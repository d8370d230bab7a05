"""What would have fitted: turns the out-of-memory error of one call that ran alone into a size to ask for.

The runner asks when a request fails for it. What a call needs grows at least with its pixels, so the part of the
memory that was there is at most the part of the pixels that fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omni_jobs.errors import OutOfMemory

#: Sides are advised in multiples of this, which every autoencoder takes.
SIDE_MULTIPLE = 32
#: The advice stays below the estimate by this factor.
CAUTION = 0.9
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_AMOUNT = r"([\d.]+) (bytes|KiB|MiB|GiB|TiB)"
_WANTED = re.compile(rf"[Tt]ried to allocate {_AMOUNT}")
_FREE = re.compile(rf"of which {_AMOUNT} is free")
_IN_USE = re.compile(rf"{_AMOUNT} is allocated by PyTorch")


@dataclass(frozen=True)
class Extent:
    """How large a request's output is, in pixels and frames."""

    width: int
    height: int
    frames: int = 1

    def __str__(self) -> str:
        return f"{self.width}x{self.height}" + (f" with {self.frames} frames" if self.frames > 1 else "")

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.frames

    def scaled(self, share: float) -> Extent:
        """The same proportions with about this share of the pixels, in whole SIDE_MULTIPLEs."""
        sides = [
            max(SIDE_MULTIPLE, int(side * share**0.5) // SIDE_MULTIPLE * SIDE_MULTIPLE)
            for side in (self.width, self.height)
        ]
        return replace(self, width=sides[0], height=sides[1])


def extent_of(arguments: Mapping[str, Any]) -> Extent | None:
    """The extent that a pipeline call asks for; None if it leaves the size to the model."""
    width, height, frames = (arguments.get(name) for name in ("width", "height", "num_frames"))
    if not (isinstance(width, int) and isinstance(height, int)):
        return None
    return Extent(width, height, frames if isinstance(frames, int) else 1)


def fitting_share(message: str, held_bytes: int, available_bytes: int | None) -> float | None:
    """The part of the needed memory that there was, between 0 and 1; None if the message does not tell.

    `held_bytes` were in use before the call; `available_bytes` are free where the message does not say.
    """
    wanted = _bytes(_WANTED, message)
    free = _bytes(_FREE, message)
    used_by_call = max(0, (_bytes(_IN_USE, message) or held_bytes) - held_bytes)
    room = free if free is not None else available_bytes
    if not wanted or room is None:
        return None
    share = (room + used_by_call) / (wanted + used_by_call)
    return share if 0 < share < 1 else None


def does_not_fit(
    error: BaseException, asked: Extent | None, held_bytes: int, largest: Extent | None
) -> OutOfMemory:
    """The error that a request fails with; `largest` is the largest extent that has run on this device."""
    share = fitting_share(str(error), held_bytes, _host_available_bytes())
    advice = []
    if share is not None and asked is not None:
        advice.append(f"At most about {asked.scaled(share * CAUTION)} would fit.")
    elif share is not None:
        advice.append(f"At most about {share * CAUTION:.0%} of the pixels would fit.")
    if largest is not None and (asked is None or largest.pixels < asked.pixels):
        advice.append(f"{largest} has run on this device.")
    size = "" if asked is None else f" for {asked}"
    reason = " ".join(str(error).split())[:300]
    return OutOfMemory(
        f"One call of the pipeline{size} does not fit the device even alone: {reason}",
        remedy=" ".join(advice) or OutOfMemory.ask_for_less,
    )


def _bytes(pattern: re.Pattern[str], message: str) -> int | None:
    found = pattern.search(message)
    return int(float(found[1]) * UNITS[found[2]]) if found else None


def _host_available_bytes() -> int | None:
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None

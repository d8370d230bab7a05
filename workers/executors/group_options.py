"""What may be said of an executor with several ranks: `executor_options`, in `omni.toml` the table `options`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest


@dataclass(frozen=True)
class GroupOptions:
    """The longest waits, in seconds, for a reply and for the model to load.

    `ranks_folder` is where ranks that somebody else started listen; only `external_launcher` has one.
    `ray_address` and `ray_placement` (a strategy of Ray's placement groups) are for `ray` alone.
    """

    reply_seconds: float = 600.0
    ready_seconds: float = 3600.0
    ranks_folder: str | None = None
    ray_address: str | None = None
    ray_placement: str = "PACK"

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> GroupOptions:
        """The options given, or their defaults.

        Raises:
            Misconfigured: an unknown name, or a value of the wrong kind.
        """
        for name, value in options.items():
            if name not in OPTIONS:
                raise Misconfigured(
                    f"`options.{name}` is not an option of an executor with several ranks.",
                    field=f"options.{name}",
                    value=value,
                    remedy=nearest(name, OPTIONS),
                )
            wanted, fits = OPTIONS[name]
            if not fits(value):
                raise Misconfigured(
                    f"`options.{name}`: {value!r} is not {wanted}.", field=f"options.{name}", value=value
                )
        return cls(**options)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


PLACEMENTS = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")

#: By name: what it must be, and whether a value is that.
OPTIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "reply_seconds": ("a number of seconds", _is_time),
    "ready_seconds": ("a number of seconds", _is_time),
    "ranks_folder": ("the path of a folder", lambda value: isinstance(value, str)),
    "ray_address": ("the address of a Ray cluster", lambda value: isinstance(value, str)),
    "ray_placement": (f"one of {', '.join(PLACEMENTS)}", lambda value: value in PLACEMENTS),
}

"""From `cache_backend` and `cache_config` to a policy, one row for each back end. Torch-free: rows are read early.

The names are ours, with those that users of vLLM-Omni and diffusers know accepted beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.stepping.cache_policies import CachePolicy, Curve, Estimate, InputChange, Interval, Mask, OutputChange

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Backend:
    """What a back end takes: its options with their defaults (`None`: must be given), and how it estimates."""

    estimate: Callable[[Options], Estimate]
    defaults: Options


#: What every back end takes.
COMMON: Options = {"threshold": 0.0, "reuse": "output", "order": 0, "warmup": 1, "final": 1, "max_skips": 3}

BACKENDS: dict[str, Backend] = {
    "mask": Backend(
        lambda options: Mask(tuple(bool(int(bit)) for bit in options["mask"])),
        {"mask": None, "final": 0, "max_skips": 1000},
    ),
    "taylor": Backend(lambda options: Interval(options["interval"]), {"interval": 2, "order": 1, "warmup": 2}),
    "mag_cache": Backend(
        lambda options: Curve(tuple(options["ratios"])), {"ratios": None, "threshold": 0.06, "warmup": 0.2}
    ),
    "tea_cache": Backend(
        lambda options: InputChange(tuple(options["coefficients"])),
        {"threshold": 0.2, "coefficients": (1.0, 0.0)},
    ),
    "easy_cache": Backend(lambda _options: OutputChange(), {"threshold": 0.05, "warmup": 2}),
}

#: Other people's names for our options.
ALIASES = {
    "rel_l1_thresh": "threshold",
    "mag_threshold": "threshold",
    "mag_ratios": "ratios",
    "mag_max_skip_steps": "max_skips",
    "max_skip_steps": "max_skips",
    "mag_retention_ratio": "warmup",
    "retention_ratio": "warmup",
    "cache_interval": "interval",
    "max_order": "order",
    "disable_cache_before_step": "warmup",
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_number(item) for item in value)


#: What a value must be, and in words.
CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "threshold": (lambda value: _is_number(value) and value >= 0, "a number from 0 on"),
    "reuse": (lambda value: value in ("output", "residual"), '"output" or "residual"'),
    "order": (lambda value: _is_count(value) and value <= 3, "0, 1, 2 or 3"),
    "warmup": (lambda value: _is_number(value) and value >= 0, "a number of steps, or a share of them below 1"),
    "final": (_is_count, "a number of steps"),
    "max_skips": (lambda value: _is_count(value) and value >= 1, "a number from 1 on"),
    "interval": (lambda value: _is_count(value) and value >= 2, "a number from 2 on"),
    "mask": (
        lambda value: len(value) > 0 and all(str(bit) in "01" for bit in value),
        'ones and zeros: "11010101", or a list of them',
    ),
    "ratios": (_are_numbers, "a list of numbers"),
    "coefficients": (_are_numbers, "a list of numbers, the highest power first"),
}


def cache_policy(backend: str | None, config: Options | None = None) -> CachePolicy | None:
    """The policy that a model's `cache_backend` and `cache_config` mean; None for no caching.

    Raises:
        Misconfigured: the back end or an option is unknown, or a value is missing or out of its range.
    """
    if backend in (None, "none"):
        if config:
            raise Misconfigured(
                "`cache_config` is given and `cache_backend` is not.", field="cache_config", value=dict(config)
            )
        return None
    row = BACKENDS.get(str(backend))
    if row is None:
        raise Misconfigured(
            f"`cache_backend`: {backend!r} is not known.",
            field="cache_backend",
            value=backend,
            remedy=nearest(str(backend), BACKENDS),
        )
    options = _options(str(backend), {**COMMON, **row.defaults}, config or {})
    common = {name: options[name] for name in COMMON}
    return CachePolicy(str(backend), row.estimate(options), **common)


def _options(backend: str, defaults: Options, config: Options) -> dict[str, Any]:
    options = dict(defaults)
    for given, value in config.items():
        name = given if given in defaults else ALIASES.get(given, given)
        if name not in defaults:
            raise Misconfigured(
                f"`cache_config.{given}` is not an option of {backend}.",
                field=f"cache_config.{given}",
                value=value,
                remedy=nearest(given, defaults),
            )
        options[name] = value
    for name, value in options.items():
        is_right, words = CHECKS[name]
        try:
            right = is_right(value)
        except TypeError:
            right = False
        if not right:
            raise Misconfigured(
                f"`cache_config.{name}`: {backend} wants {words}, not {value!r}.",
                field=f"cache_config.{name}",
                value=value,
            )
    return options

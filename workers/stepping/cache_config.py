"""From `cache_backend` and `cache_config` to a policy, one row for each back end. Torch-free: rows are read early.

The names are ours, with those that users of vLLM-Omni and diffusers know accepted beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.stepping.cache_policies import CachePolicy, Curve, Estimate, InputChange, Interval, Mask, OutputChange

Options = Mapping[str, Any]


def _curve(ratios: Sequence[float]) -> Curve:
    if not ratios:
        raise Misconfigured(
            "`cache_config.ratios`: mag_cache needs the curve of the model.",
            field="cache_config.ratios",
            remedy="Measure it once with `calibrate = true`: `mag_ratios` of an output's metrics.",
        )
    return Curve(tuple(ratios))


@dataclass(frozen=True)
class Backend:
    """What a back end takes: its options with their defaults (`None`: must be given), and how it estimates."""

    estimate: Callable[[Options], Estimate | None]
    defaults: Options


#: cache-dit's masks by its names: how many steps are computed and skipped in turn, of 28.
CACHE_DIT_MASKS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "slow": ((8, 3, 3, 2, 1, 1), (1, 2, 2, 2, 3, 0)),
    "medium": ((6, 2, 2, 2, 2, 1), (1, 3, 3, 3, 3, 0)),
    "fast": ((6, 1, 1, 1, 1, 1), (1, 3, 4, 5, 4, 0)),
    "ultra": ((4, 1, 1, 1, 1), (2, 5, 6, 7, 0)),
}

#: Caches in hooks on the model's blocks; requests then run one at a time.
CACHE_DIT, DIFFUSERS = "cache_dit", "diffusers."
#: Their options: those of vLLM-Omni for cache-dit, and diffusers' configuration classes, whose fields they are.
CACHE_DIT_OPTIONS = (
    "Fn_compute_blocks", "Bn_compute_blocks", "max_warmup_steps", "max_cached_steps", "residual_diff_threshold",
    "max_continuous_cached_steps", "enable_taylorseer", "taylorseer_order", "scm_steps_mask_policy",
    "scm_steps_policy",
)  # fmt: skip
DIFFUSERS_CACHES = (
    "FirstBlockCacheConfig", "MagCacheConfig", "SeaCacheConfig", "TaylorSeerCacheConfig", "TextKVCacheConfig",
)  # fmt: skip
#: Of diffusers' caches, those that ask for the timestep through the pipeline, of which each request has a copy.
ASK_THE_PIPELINE = ("FasterCacheConfig", "PyramidAttentionBroadcastConfig")

#: What every back end takes.
COMMON: Options = {"threshold": 0.0, "reuse": "output", "order": 0, "warmup": 1, "final": 1, "max_skips": 3}

BACKENDS: dict[str, Backend] = {
    "mask": Backend(
        lambda options: Mask(tuple(bool(int(bit)) for bit in options["mask"])),
        {"mask": None, "final": 0, "max_skips": 1000},
    ),
    "taylor": Backend(lambda options: Interval(options["interval"]), {"interval": 2, "order": 1, "warmup": 2}),
    "mag_cache": Backend(
        lambda options: None if options["calibrate"] else _curve(options["ratios"]),
        {"ratios": (), "calibrate": False, "threshold": 0.06, "warmup": 0.2},
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
    "mag_calibrate": "calibrate",
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
    "ratios": (lambda value: len(value) == 0 or _are_numbers(value), "a list of numbers"),
    "calibrate": (lambda value: isinstance(value, bool), "true or false"),
    "coefficients": (_are_numbers, "a list of numbers, the highest power first"),
}


def is_hooked(backend: str | None, config: Options) -> bool:
    """Whether a cache lives in hooks on the model. cache-dit's static masks are served at the call boundary."""
    if backend == CACHE_DIT:
        return config.get("scm_steps_policy") != "static"
    return (backend or "").startswith(DIFFUSERS)


def cache_policy(backend: str | None, config: Options | None = None) -> CachePolicy | None:
    """The policy that a model's `cache_backend` and `cache_config` mean at the call boundary; None for no caching
    there.

    Raises:
        Misconfigured: the back end or an option is unknown, or a value is missing or out of its range.
    """
    if backend in (None, "none"):
        if config:
            raise Misconfigured(
                "`cache_config` is given and `cache_backend` is not.", field="cache_config", value=dict(config)
            )
        return None
    if backend == CACHE_DIT:
        _check_names(CACHE_DIT, config or {}, CACHE_DIT_OPTIONS)
        return None if is_hooked(backend, config or {}) else _cache_dit_mask(config or {})
    if str(backend).startswith(DIFFUSERS):
        _check_diffusers(str(backend).removeprefix(DIFFUSERS))
        return None
    row = BACKENDS.get(str(backend))
    if row is None:
        raise Misconfigured(
            f"`cache_backend`: {backend!r} is not known.",
            field="cache_backend",
            value=backend,
            remedy=nearest(str(backend), [*BACKENDS, CACHE_DIT, *(DIFFUSERS + name for name in DIFFUSERS_CACHES)]),
        )
    options = _options(str(backend), {**COMMON, **row.defaults}, config or {})
    common = {name: options[name] for name in COMMON}
    return CachePolicy(str(backend), row.estimate(options), **common)


def _cache_dit_mask(config: Options) -> CachePolicy | None:
    """The mask of this name. cache-dit reuses what the blocks gave, here what the whole call gave."""
    given = config.get("scm_steps_mask_policy")
    if given is None:
        return None
    if given not in CACHE_DIT_MASKS:
        raise Misconfigured(
            f"`cache_config.scm_steps_mask_policy`: {given!r} is not known.",
            field="cache_config.scm_steps_mask_policy",
            value=given,
            remedy=nearest(str(given), CACHE_DIT_MASKS),
        )
    pairs = zip(*CACHE_DIT_MASKS[given], strict=True)
    return cache_policy("mask", {"mask": "".join("1" * computed + "0" * skipped for computed, skipped in pairs)})


def _check_diffusers(name: str) -> None:
    if name in DIFFUSERS_CACHES:
        return
    reason, remedy = "is no step cache of diffusers.", nearest(name, DIFFUSERS_CACHES)
    if name in ASK_THE_PIPELINE:
        reason = "asks the pipeline for the timestep, and each request has a copy of its own."
        remedy = f"Use {DIFFUSERS}FirstBlockCacheConfig, or a cache at the call boundary."
    raise Misconfigured(
        f"`cache_backend`: {name} {reason}", field="cache_backend", value=DIFFUSERS + name, remedy=remedy
    )


def _check_names(backend: str, config: Options, known: Iterable[str]) -> None:
    for given in config:
        if given not in known:
            raise Misconfigured(
                f"`cache_config.{given}` is not an option of {backend}.",
                field=f"cache_config.{given}",
                value=config[given],
                remedy=nearest(given, known),
            )


def _options(backend: str, defaults: Options, config: Options) -> dict[str, Any]:
    named = {name if name in defaults else ALIASES.get(name, name): value for name, value in config.items()}
    _check_names(backend, named, defaults)
    options = {**defaults, **named}
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

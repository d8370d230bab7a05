"""From the names that users of vLLM-Omni give `Omni(...)` to this engine's configuration.

What has the same meaning is renamed; what asks for something that is not served is refused by name with the
reason, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.acceleration.options import accelerations
from workers.engine.config import OmniDiffusionConfig
from workers.known import known_row
from workers.parallel.degrees import DEGREES, DiffusionParallelConfig
from workers.registry import row_from
from workers.stepping.cache_config import cache_policy

#: Their name to ours.
RENAMED = {"diffusion_load_format": "load_format", "torch_dtype": "dtype"}

#: Their names for options of `acceleration`: ours, and what their switches mean; other values are handed on.
ACCELERATIONS: dict[str, tuple[str, dict[bool, Any]]] = {
    "enable_cpu_offload": ("offload", {True: "model"}),
    "enable_layerwise_offload": ("offload", {True: "group"}),
    "vae_use_slicing": ("vae_slicing", {}),
    "vae_use_tiling": ("vae_tiling", {}),
    "enforce_eager": ("compile", {True: False, False: True}),
    "quantization": ("quantization", {}),
    "attention_backend": ("attention_backend", {}),
}

#: Options that this engine does not take: the values that ask for nothing, and why any other is refused.
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "lora_path": ((None,), "adapters belong to requests: give `lora_request` with the sampling parameters"),
    "enable_sleep_mode": ((None, False, True), "it is a switch: `Omni.sleep` and `wake_up` always work"),
    "step_execution": ((None, True), "every pipeline is stepped"),
}


def engine_config(options: Mapping[str, Any]) -> OmniDiffusionConfig:
    """The configuration that these constructor arguments mean.

    Raises:
        Misconfigured: an option is unknown, is given under both names, or asks for what is not served.
    """
    known = {item.name for item in fields(OmniDiffusionConfig)}
    config: dict[str, Any] = {}
    for given, value in _gathered(options).items():
        name = given if given in known else RENAMED.get(given, given)
        if name in config:
            raise Misconfigured(f"`{given}` and `{name}` are the same option.", field=given, value=value)
        if name in known:
            config[name] = value
        else:
            _check_asks_for_nothing(given, value, known)
    if "dtype" in config:
        config["dtype"] = _dtype_name(config["dtype"])
    meant = OmniDiffusionConfig(**_filled_up(config))
    # What can be known to be wrong is refused before anything is loaded, as it is for a row.
    cache_policy(meant.cache_backend, meant.cache_config)
    accelerations(meant.acceleration)
    return meant


def _gathered(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same options, with those that mean an acceleration or a degree put into their tables."""
    found = dict(options.get("acceleration") or {})
    for given in options.keys() & ACCELERATIONS.keys():
        name, meanings = ACCELERATIONS[given]
        value = options[given]
        meant = meanings.get(value, value) if isinstance(value, bool) else value
        if meant in (None, False):
            continue
        if found.setdefault(name, meant) != meant:
            raise Misconfigured(f"`{given}` contradicts `acceleration.{name}`.", field=given, value=value)
    tables = {"acceleration": found, "parallel_config": _degrees(options)}
    gathered = {*tables, *ACCELERATIONS, *DEGREES}
    rest = {name: value for name, value in options.items() if name not in gathered}
    return rest | {name: table for name, table in tables.items() if table}


def _degrees(options: Mapping[str, Any]) -> dict[str, Any]:
    """`parallel_config`, with the degrees that are given beside it."""
    given = options.get("parallel_config") or {}
    found = asdict(given) if isinstance(given, DiffusionParallelConfig) else dict(given)
    for name in options.keys() & DEGREES:
        value = options[name]
        if value is not None and found.setdefault(name, value) != value:
            raise Misconfigured(f"`{name}` contradicts `parallel_config.{name}`.", field=name, value=value)
    return found


def _filled_up(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the facts of the row that `model` names; a hub id is the model as published."""
    model = config.get("model")
    if not isinstance(model, str) or Path(model).exists() or known_row(model) is None:
        return config
    row = row_from(model, {}).engine_config()
    if row.model == model:
        return config
    facts = {item.name: getattr(row, item.name) for item in fields(row)}
    return facts | {name: value for name, value in config.items() if value is not None} | {"model": row.model}


def _check_asks_for_nothing(name: str, value: Any, known: set[str]) -> None:
    if name not in REFUSED:
        remedy = nearest(name, known | RENAMED.keys() | REFUSED.keys() | ACCELERATIONS.keys() | DEGREES)
        raise Misconfigured(f"`{name}` is not an option of Omni.", field=name, value=value, remedy=remedy)
    neutral, reason = REFUSED[name]
    if not any(type(value) is type(other) and value == other for other in neutral):
        raise Misconfigured(
            f"`{name}`: {value!r} is refused: {reason}.",
            field=name,
            value=value,
            remedy=f"Leave it out, or give {neutral[-1]!r}.",
        )


def _dtype_name(value: Any) -> Any:
    """A dtype by its name, or one per component; "auto" leaves it to the default."""
    if isinstance(value, Mapping):
        return {component: _dtype_name(one) for component, one in value.items()}
    return None if value in (None, "auto") else str(value).removeprefix("torch.")

"""The options of `acceleration`, one row each, and what their values may be. Torch-free: rows are read early.

Whether a model or a machine can serve an option is known when the model loads (see `apply`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """What a value must be, and in words. Where a table is taken, `keys` are what it may hold."""

    is_right: Callable[[Any], bool]
    words: str
    keys: tuple[str, ...] = ()


def _is_switch(value: Any) -> bool:
    return value is True


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _are_tables(value: Any) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _are_sizes(value: Any) -> bool:
    whole = isinstance(value, Sequence) and all(isinstance(item, int) for item in value)
    return whole and bool(value) and all(item > 0 for item in value)


#: Offloading by kind; the other keys of its table are arguments of diffusers' `enable_group_offload`.
OFFLOADS = ("model", "sequential", "group")

OPTIONS: dict[str, Option] = {
    "attention_backend": Option(_is_word, "the name of a back end of diffusers"),
    "compile": Option(_is_table, "true or a table", ("mode", "dynamic", "fullgraph", "backend")),
    "cuda_graphs": Option(_is_table, "true or a table", ("most",)),
    "quantization": Option(
        _is_table, "the name of a back end or a table", ("backend", "type", "arguments", "components", "file")
    ),
    "offload": Option(
        _is_table,
        f"one of {', '.join(OFFLOADS)}, or a table with `type`",
        ("type", "offload_type", "num_blocks_per_group", "use_stream", "record_stream", "low_cpu_mem_usage"),
    ),
    "layerwise_casting": Option(_is_word, "the dtype in which weights are kept"),
    "vae_slicing": Option(_is_switch, "true"),
    "vae_tiling": Option(_is_switch, "true"),
    "channels_last": Option(_is_switch, "true"),
    "warmup": Option(_are_tables, "a list of tables, each the parameters of one call"),
    "warmup_batches": Option(_are_sizes, "a list of batch sizes"),
}

#: The key that a plain word stands for, where a table is taken.
MAIN_KEYS = {"quantization": "backend", "offload": "type"}

#: Options that cannot go together, and why.
CONFLICTS: tuple[tuple[str, str, str], ...] = (
    ("cuda_graphs", "offload", "a captured forward reads weights where they lay, and offloading moves them"),
    (
        "cuda_graphs",
        "layerwise_casting",
        "a captured forward reads weights where they lay, and casting moves them",
    ),
    ("compile", "offload", "a compiled block reads its weights past the hooks that would fetch them"),
)


def accelerations(given: Options) -> dict[str, Any]:
    """The options that ask for something, words and switches made tables where tables are taken.

    Raises:
        Misconfigured: an option or a key is unknown, a value is of the wrong kind, or two options conflict.
    """
    options = {name: _read(name, value) for name, value in given.items() if value not in (None, False)}
    for one, other, reason in CONFLICTS:
        if one in options and other in options:
            raise Misconfigured(
                f"`acceleration.{one}` and `acceleration.{other}` exclude each other: {reason}.",
                field=f"acceleration.{other}",
                value=given[other],
                remedy="Leave one of them out.",
            )
    return options


def _read(name: str, value: Any) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        raise Misconfigured(
            f"`acceleration.{name}` is not an option.",
            field=f"acceleration.{name}",
            value=value,
            remedy=nearest(name, OPTIONS),
        )
    if option.keys:
        value = {MAIN_KEYS[name]: value} if name in MAIN_KEYS and isinstance(value, str) else value
        value = {} if value is True and name not in MAIN_KEYS else value
    if not option.is_right(value):
        raise Misconfigured(
            f"`acceleration.{name}`: give {option.words}, not {value!r}.",
            field=f"acceleration.{name}",
            value=value,
        )
    for key in value if option.keys else ():
        if key not in option.keys:
            raise Misconfigured(
                f"`acceleration.{name}.{key}` is not known.",
                field=f"acceleration.{name}.{key}",
                value=value[key],
                remedy=nearest(key, option.keys),
            )
    return value

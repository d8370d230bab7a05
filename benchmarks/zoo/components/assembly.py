"""Finds the row of a component, makes it, and puts pipelines together from components."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from benchmarks.zoo.case import Plain
from benchmarks.zoo.components.weights import randomise

TABLES = (
    "autoencoders",
    "autoencoders_sound",
    "autoencoders_video",
    "controls",
    "others",
    "quantizers",
    "schedulers",
    "transformers_flux",
    "transformers_image",
    "transformers_prior",
    "transformers_sound",
    "transformers_video",
    "unets",
    "unets_cascade",
)
BUILDERS = ("guards", "image_encoders", "text_encoders", "text_encoders_own", "tokenizers")


@cache
def _tables() -> tuple[dict[str, dict[str, Any]], dict[str, Callable[[], Any]]]:
    rows: dict[str, dict[str, Any]] = {}
    builders: dict[str, Callable[[], Any]] = {}
    for name in TABLES:
        rows.update(importlib.import_module(f"benchmarks.zoo.components.{name}").ROWS)
    for name in BUILDERS:
        builders.update(importlib.import_module(f"benchmarks.zoo.components.{name}").BUILDERS)
    return rows, builders


def _library_class(name: str) -> Any:
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        if hasattr(library, name):
            return getattr(library, name)
    module, _, attribute = name.rpartition(".")
    if not module:
        raise KeyError(f"component class {name!r} is neither in diffusers nor in transformers")
    return getattr(importlib.import_module(module), attribute)


def build_component(key: str) -> Any:
    """Make the component of row `key`; modules come in eval mode with weights that depend on `key` alone."""
    rows, builders = _tables()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(key.encode()))
        if key in builders:
            component = builders[key]()
        else:
            component = _library_class(key.partition("/")[0])(**rows.get(key, {}))
        if isinstance(component, torch.nn.Module):
            randomise(component)
            component.eval().requires_grad_(False)
    return component


def _made(value: Any) -> Any:
    if isinstance(value, Plain):
        return value.value
    if isinstance(value, list):
        return [_made(item) for item in value]
    return build_component(value) if isinstance(value, str) else value


def build_pipeline(pipeline_class: str, components: Mapping[str, Any]) -> Any:
    """Make a pipeline of the class named; string values in `components` are rows, others passed as they are."""
    made = {argument: _made(value) for argument, value in components.items()}
    with torch.random.fork_rng(devices=[]):  # a few constructors make layers of their own
        torch.manual_seed(zlib.crc32(pipeline_class.encode()))
        pipeline = _library_class(pipeline_class)(**made)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline

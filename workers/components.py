"""What `from_pretrained` is told beyond the source: dtypes per component, and components from other sources.

Called by the loader. A component's class comes from the pipeline's own index, its weights from a folder or hub
repository that the row names under `weights_sources`; safetensors only. What the index does not know, such as a
control network beside a base model, says its class in its own configuration.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoModel, DiffusionPipeline

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.engine.config import OmniDiffusionConfig

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
#: Libraries whose classes a pipeline's index may name.
LIBRARIES = ("diffusers", "transformers")
#: Entries of `weights_sources` that are added to a loaded pipeline instead (see `ip_adapter`).
NO_COMPONENTS = ("ip_adapter",)
SOURCE_KEYS = ("source", "subfolder", "variant")


def torch_dtypes(dtype: str | Mapping[str, str] | None) -> torch.dtype | dict[str, torch.dtype]:
    """What diffusers takes as `torch_dtype`: one for all, or one per component and a default.

    Raises:
        Misconfigured: a name that is no dtype.
    """
    named = {"default": dtype or "float32"} if isinstance(dtype, str | None) else {"default": "float32", **dtype}
    for component, name in named.items():
        if name not in DTYPES:
            raise Misconfigured(
                f"`dtype`: {name!r} is not known.",
                field="dtype" if component == "default" else f"dtype.{component}",
                value=name,
                remedy=f"Use one of {', '.join(DTYPES)}.",
            )
    found = {component: DTYPES[name] for component, name in named.items()}
    return found["default"] if len(found) == 1 else found


def component_dtype(dtype: str | Mapping[str, str] | None, component: str) -> torch.dtype:
    """The dtype of one component; see `torch_dtypes`."""
    dtypes = torch_dtypes(dtype)
    return dtypes.get(component, dtypes["default"]) if isinstance(dtypes, dict) else dtypes


def other_components(
    kind: Any, source: str, revision: str | None, od_config: OmniDiffusionConfig
) -> dict[str, Any]:
    """The components that `weights_sources` names, loaded, by name.

    A source is a folder or hub id (`name@revision`), or a table of `source`, `subfolder` and `variant`; a list of
    them makes a list of components. Where no subfolder is given it is the component's name, but none if a local
    folder is itself the component's, or if the pipeline's index does not know the component.

    Raises:
        Misconfigured: the pipeline has no such component, or it does not load.
    """
    if not od_config.weights_sources:
        return {}
    index = kind.load_config(source, revision=revision)
    found = {}
    for name, given in od_config.weights_sources.items():
        if name in NO_COMPONENTS:
            continue
        component, dtype = _class_of(name, index, kind), component_dtype(od_config.dtype, name)
        many = given if isinstance(given, list) else [given]
        made = [load_component(name, component, one, dtype) for one in many]
        found[name] = made if isinstance(given, list) else made[0]
    return found


def _class_of(name: str, index: Mapping[str, Any], kind: Any) -> Any:
    parts = {key: value for key, value in index.items() if isinstance(value, list | tuple) and value[0]}
    if name not in parts:
        pipeline_class = getattr(diffusers, index["_class_name"], kind) if kind is DiffusionPipeline else kind
        taken = inspect.signature(pipeline_class.__init__).parameters
        if name in taken:
            return AutoModel
        raise Misconfigured(
            f"`weights_sources.{name}`: {pipeline_class.__name__} has no such component.",
            field=f"weights_sources.{name}",
            remedy=f"{nearest(name, parts)} Another `pipeline_class` may take it.",
        )
    library, class_name = parts[name]
    if library not in LIBRARIES:
        raise Misconfigured(
            f"`weights_sources.{name}`: {library}.{class_name} is not a class of {' or '.join(LIBRARIES)}.",
            field=f"weights_sources.{name}",
            value=library,
        )
    return getattr(importlib.import_module(library), class_name)


def load_component(name: str, kind: Any, given: Any, dtype: torch.dtype) -> Any:
    """One component of this class from its entry in `weights_sources`; see `other_components`."""
    field = f"weights_sources.{name}"
    table = {"source": given} if isinstance(given, str) else dict(given)
    for key in table.keys() - SOURCE_KEYS:
        raise Misconfigured(f"`{field}.{key}` is not known.", field=field, remedy=nearest(key, SOURCE_KEYS))
    source, _, revision = str(table.get("source", "")).partition("@")
    usual = None if kind is AutoModel else "" if (Path(source) / "config.json").is_file() else name
    subfolder = table.get("subfolder", usual)
    options = {"revision": revision or None, "variant": table.get("variant"), "use_safetensors": True}
    # transformers renamed the argument that diffusers still calls torch_dtype.
    named = "dtype" if kind.__module__.startswith("transformers") else "torch_dtype"
    try:
        return kind.from_pretrained(source, subfolder=subfolder, **options, **{named: dtype})
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise Misconfigured(f"`{field}`: {source} does not load: {error}", field=field, value=source) from error

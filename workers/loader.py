"""Loads a pipeline as its configuration says: safetensors only, remote code off unless the operator allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.acceleration.apply import accelerated, moves_itself
from workers.acceleration.quantizing import quantized
from workers.components import other_components, torch_dtypes
from workers.engine.config import OmniDiffusionConfig
from workers.engine.executor import resolve_obj_by_qualname
from workers.ip_adapter import add_ip_adapter
from workers.parallel.degrees import parallel_config
from workers.served_text import serve_text
from workers.weights import fill

#: "custom_pipeline" and "dummy" leave loading to the class in `custom_pipeline_args`.
LOAD_FORMATS = ("default", "custom_pipeline", "dummy")


def load_pipeline(od_config: OmniDiffusionConfig) -> Any:
    """The pipeline given, the custom class, or what `model` names: a folder with `model_index.json`, or a hub id.

    Raises:
        Misconfigured: no model, no such folder, an unknown dtype or load format, a folder that is no diffusers
            pipeline, or a custom class of neither shape.
    """
    kind = custom_class(od_config) or named_class(od_config)
    if od_config.pipeline is not None:
        return accelerated(od_config.pipeline, od_config)
    if kind is not None and not issubclass(kind, DiffusionPipeline):
        pipeline = kind(od_config=od_config, prefix="")
        fill(pipeline)
        return accelerated(pipeline, od_config)
    if not od_config.model:
        raise Misconfigured("`model` is missing.", field="model", remedy="Give a folder or a hub id.")
    source, _, revision = od_config.model.partition("@")
    _check_source(source)
    pipeline = _from_pretrained(kind or DiffusionPipeline, source, revision or None, od_config)
    add_ip_adapter(pipeline, od_config)
    device = device_of(od_config)
    # Weights that are to be divided go to the device piece by piece, when they are.
    is_divided = parallel_config(od_config.parallel_config).tensor_parallel_size > 1
    if not (is_divided or moves_itself(od_config.acceleration)):
        pipeline.to(device)
    return accelerated(pipeline, od_config, device)


def device_of(od_config: OmniDiffusionConfig) -> torch.device:
    """Where the pipeline runs: on a GPU if there is one, unless the configuration says."""
    return torch.device(od_config.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def custom_class(od_config: OmniDiffusionConfig) -> type | None:
    """The class that `custom_pipeline_args` names, if any; `load_format` must agree.

    It is a diffusers pipeline, or takes `od_config` and `prefix` and has `forward(req) -> DiffusionOutput`.
    Only an operator's configuration gets here.

    Raises:
        Misconfigured: see above, or the class is not needed, missing, or cannot be imported.
    """
    arguments, load_format = od_config.custom_pipeline_args, od_config.load_format
    if load_format not in LOAD_FORMATS:
        raise Misconfigured(
            f"`load_format`: {load_format!r} is not known.",
            field="load_format",
            value=load_format,
            remedy=f"Use one of {', '.join(LOAD_FORMATS)}.",
        )
    if arguments is None:
        if load_format != "default":
            raise Misconfigured(
                f"`load_format`: {load_format!r} loads no weights, and no class is named that would.",
                field="load_format",
                value=load_format,
                remedy='Give `custom_pipeline_args={"pipeline_class": "module.Class"}`.',
            )
        return None
    if od_config.pipeline is not None or set(arguments) != {"pipeline_class"}:
        raise Misconfigured(
            "`custom_pipeline_args` holds `pipeline_class` and nothing else, and excludes `pipeline`.",
            field="custom_pipeline_args",
            value=sorted(arguments),
        )
    return _imported(arguments["pipeline_class"])


def named_class(od_config: OmniDiffusionConfig) -> type | None:
    """The class that `model_class_name` means: one of diffusers by its name, any other by its qualified name.

    Raises:
        Misconfigured: diffusers has no such pipeline, or see `custom_class`.
    """
    name = od_config.model_class_name
    if name is None or od_config.pipeline is not None:
        return None
    if "." in name:
        return _imported(name)
    kind = getattr(diffusers, name, None)
    if isinstance(kind, type) and issubclass(kind, DiffusionPipeline):
        return kind
    raise Misconfigured(
        f"`pipeline_class`: diffusers {diffusers.__version__} has no pipeline {name!r}.",
        field="pipeline_class",
        value=name,
        remedy=nearest(name, (known for known in dir(diffusers) if known.endswith("Pipeline"))),
    )


def _imported(qualname: str) -> type:
    kind = resolve_obj_by_qualname(qualname)
    if isinstance(kind, type) and (
        issubclass(kind, DiffusionPipeline) or callable(getattr(kind, "forward", None))
    ):
        return kind
    raise Misconfigured(
        f"`pipeline_class`: {qualname} is neither a diffusers pipeline nor has it `forward`.",
        field="pipeline_class",
        value=qualname,
    )


def _check_source(source: str) -> None:
    folder = Path(source)
    if folder.is_dir() and not (folder / "model_index.json").is_file():
        raise Misconfigured(
            f"`model`: {source} holds no model_index.json.",
            field="model",
            value=source,
            remedy="Give the folder that `save_pretrained` of a diffusers pipeline wrote.",
        )
    if not folder.is_dir() and (source.startswith((".", "/", "~")) or source.count("/") != 1):
        raise Misconfigured(f"`model`: there is no folder {source}.", field="model", value=source)


def _from_pretrained(kind: Any, source: str, revision: str | None, od_config: OmniDiffusionConfig) -> Any:
    dtypes = torch_dtypes(od_config.dtype)
    components = other_components(kind, source, revision, od_config)
    components |= quantized(kind, source, revision, od_config)
    if od_config.text_encoder is not None:
        components["text_encoder"] = None
    try:
        pipeline = kind.from_pretrained(
            source,
            revision=revision,
            variant=od_config.variant,
            torch_dtype=dtypes,
            use_safetensors=True,
            trust_remote_code=od_config.trust_remote_code,
            **components,
        )
    except (OSError, ValueError, ImportError) as error:
        raise Misconfigured(f"`model`: {source} does not load: {error}", field="model", value=source) from error
    if od_config.text_encoder is not None:
        serve_text(pipeline, source, od_config.text_encoder)
    return pipeline

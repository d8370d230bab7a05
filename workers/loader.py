"""Loads a pipeline as its configuration says: safetensors only, remote code off unless the operator allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from omni_jobs.errors import Misconfigured
from workers.engine.config import OmniDiffusionConfig

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def load_pipeline(od_config: OmniDiffusionConfig) -> Any:
    """The pipeline given, or the one that `model` names: a folder with a `model_index.json`, or a hub id.

    Raises:
        Misconfigured: no model, no such folder, an unknown dtype, or a folder that is no diffusers pipeline.
    """
    if od_config.pipeline is not None:
        return od_config.pipeline
    if not od_config.model:
        raise Misconfigured("`model` is missing.", field="model", remedy="Give a folder or a hub id.")
    source, _, revision = od_config.model.partition("@")
    _check_source(source)
    pipeline = _from_pretrained(source, revision or None, od_config)
    return pipeline.to(od_config.device or ("cuda" if torch.cuda.is_available() else "cpu"))


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


def _from_pretrained(source: str, revision: str | None, od_config: OmniDiffusionConfig) -> Any:
    # Late: importing diffusers' pipelines takes seconds and a ready pipeline needs none of it.
    from diffusers import DiffusionPipeline

    if od_config.dtype is not None and od_config.dtype not in DTYPES:
        raise Misconfigured(
            f"`dtype`: {od_config.dtype!r} is not known.",
            field="dtype",
            value=od_config.dtype,
            remedy=f"Use one of {', '.join(DTYPES)}.",
        )
    try:
        return DiffusionPipeline.from_pretrained(
            source,
            revision=revision,
            variant=od_config.variant,
            torch_dtype=DTYPES[od_config.dtype or "float32"],
            use_safetensors=True,
            trust_remote_code=od_config.trust_remote_code,
        )
    except (OSError, ValueError, ImportError) as error:
        raise Misconfigured(f"`model`: {source} does not load: {error}", field="model", value=source) from error

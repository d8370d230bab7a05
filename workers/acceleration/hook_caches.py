"""Step caches that live in hooks on a model's blocks: those of diffusers and of cache-dit; and what else does.

Such a cache keeps its state on the model, where every request would read every other's. So where there is one,
requests run one at a time, and its state is reset whenever one ends. So they do beside a guider that hooks the
model while a request runs, and beside the caller's own adapters in a text encoder, which pipelines scale for
each encoding. Caches at the call boundary (`stepping.step_cache`) need none of this.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import diffusers
import torch
from diffusers.guiders import BaseGuidance
from torch import nn

from omni_jobs.errors import Misconfigured
from workers.acceleration.parts import Parts
from workers.acceleration.refusal import REFUSALS
from workers.stepping.cache_config import CACHE_DIT, DIFFUSERS
from workers.unserved import cannot_serve

#: The pipeline's attribute that holds the cache that was enabled on it.
MARK = "_omni_hook_cache"
#: Of cache-dit's options, those that are none of its DBCacheConfig.
NOT_DBCACHE = ("enable_taylorseer", "taylorseer_order", "scm_steps_mask_policy", "scm_steps_policy")


def enable_hook_cache(pipeline: Any, backend: str, config: Mapping[str, Any]) -> None:
    """Enable a cache on the blocks of a pipeline's denoisers. Done once: the same cache again is no work.

    Raises:
        Misconfigured: a package is missing, the model's blocks are not known to it, or an option is wrong.
    """
    wanted = (backend, dict(config))
    if vars(pipeline).get(MARK) == wanted:
        return
    try:
        if backend == CACHE_DIT:
            _enable_cache_dit(pipeline, config)
        else:
            _enable_diffusers(Parts(pipeline), backend.removeprefix(DIFFUSERS), config)
    except REFUSALS as error:
        raise _refused(backend, f"{' '.join(str(error).split())[:400].rstrip('.')}.") from error
    vars(pipeline)[MARK] = wanted


class HookCaches:
    """The modules of a pipeline whose hooks remember something from call to call, whoever put them there."""

    def __init__(self, pipeline: Any, modules: Mapping[str, nn.Module]) -> None:
        self._modules = [module for module in modules.values() if _remembers(module)]
        has_mark = vars(pipeline).get(MARK) is not None
        self.is_used = bool(self._modules) or has_mark or _hooks_while_it_runs(pipeline) or _is_scaled(modules)

    def reset(self) -> None:
        """Forget everything: the next request is another one."""
        for module in self._modules:
            diffusers.hooks.HookRegistry.check_if_exists_or_initialize(module).reset_stateful_hooks(recurse=True)


def _remembers(module: nn.Module) -> bool:
    registries = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return any(hook._is_stateful for registry in registries if registry for hook in registry.hooks.values())


def _hooks_while_it_runs(pipeline: Any) -> bool:
    """Whether a guider puts hooks on the denoiser at each step and takes them off: a neighbour would meet them."""
    guiders = [part for part in vars(pipeline).values() if isinstance(part, BaseGuidance)]
    return any(type(guider).prepare_models is not BaseGuidance.prepare_models for guider in guiders)


def _is_scaled(modules: Mapping[str, nn.Module]) -> bool:
    encoders = [module for name, module in modules.items() if "text_encoder" in name]
    return any(getattr(encoder, "peft_config", None) for encoder in encoders)


def _enable_diffusers(parts: Parts, name: str, config: Mapping[str, Any]) -> None:
    options = {key: getattr(torch, value) if key.endswith("_dtype") else value for key, value in config.items()}
    made = getattr(diffusers, name)(**options)
    able = [module for module in parts.denoisers.values() if callable(getattr(module, "enable_cache", None))]
    if not able:
        kinds = ", ".join(sorted({type(module).__name__ for module in parts.denoisers.values()}))
        raise ValueError(f"{kinds} takes no cache of diffusers")
    for module in able:
        module.enable_cache(made)
        if not _remembers(module):
            raise ValueError(f"diffusers knows no blocks of {type(module).__name__}")


def _enable_cache_dit(pipeline: Any, config: Mapping[str, Any]) -> None:
    """cache-dit wraps the pipeline class's call, which makes its contexts anew for each request."""
    if find_spec(CACHE_DIT) is None:
        raise _refused(CACHE_DIT, "cache-dit is not installed.", "Run `pip install cache-dit`.")
    cache_dit = importlib.import_module(CACHE_DIT)
    if config.get("scm_steps_mask_policy") is not None:
        raise _refused(
            CACHE_DIT,
            "its masks hold for one number of steps, and each job has its own.",
            'Give `scm_steps_policy = "static"`: then masks work at the call boundary.',
        )
    calibrator = None
    if config.get("enable_taylorseer"):
        order = config.get("taylorseer_order", 1)
        calibrator = cache_dit.TaylorSeerCalibratorConfig(taylorseer_order=order)
    own = {key: value for key, value in config.items() if key not in NOT_DBCACHE}
    cache_dit.enable_cache(pipeline, cache_config=cache_dit.DBCacheConfig(**own), calibrator_config=calibrator)


def _refused(backend: str, reason: str, remedy: str = "Leave it out.") -> Misconfigured:
    return cannot_serve("cache_backend", backend, reason, remedy)

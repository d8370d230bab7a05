"""Puts the options of `parallel_config` to work on a loaded pipeline, alike in every rank.

A worker calls `parallelize` when its pipeline is loaded and accelerated, before the runner wraps it. What the
model or the machine cannot do is refused there, on all ranks, before any of them has changed anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.distributed as dist

from workers.acceleration.parts import Parts
from workers.engine.config import OmniDiffusionConfig
from workers.loader import device_of
from workers.parallel.conflicts import check_company
from workers.parallel.context import check_tokens, spread_tokens
from workers.parallel.degrees import parallel_config, refused
from workers.parallel.guidance import check_guidance, spread_guidance
from workers.parallel.spread import Spread
from workers.parallel.tensors import check_weights, spread_weights
from workers.parallel.tiles import check_tiles, spread_tiles
from workers.stepping.lockstep import Lockstep


@dataclass(frozen=True)
class Stage:
    """What serves these options: `check` raises Misconfigured and changes nothing, `apply` changes the modules."""

    options: tuple[str, ...]
    check: Callable[[Parts, Spread], None]
    apply: Callable[[Parts, Spread], None]


#: In order: where weights lie, how attention runs, how a forward is shared out, then the decoder.
STAGES: tuple[Stage, ...] = (
    Stage(("tensor_parallel_size",), check_weights, spread_weights),
    Stage(("ulysses_degree", "ring_degree"), check_tokens, spread_tokens),
    Stage(("cfg_parallel_size",), check_guidance, spread_guidance),
    Stage(("vae_patch_parallel_size",), check_tiles, spread_tiles),
)


def parallelize(pipeline: Any, od_config: OmniDiffusionConfig, lockstep: Lockstep) -> None:
    """Spread the pipeline, or the one inside an adapter, over the ranks that are in step with this one.

    Raises:
        Misconfigured: the model or the machine cannot serve an option; the option, the value and why.
    """
    config = parallel_config(od_config.parallel_config)
    if not config.asked:
        return
    check_company(config, od_config.acceleration, od_config.lora_folder)
    parts = Parts(getattr(pipeline, "pipeline", pipeline))
    spread = Spread(config, device_of(od_config), lockstep)
    stages = [stage for stage in STAGES if config.asked.keys() & stage.options]

    def check() -> None:
        _check_ranks(spread)
        for stage in stages:
            stage.check(parts, spread)

    lockstep.attempt("check", check)
    for stage in stages:
        stage.apply(parts, spread)


def _check_ranks(spread: Spread) -> None:
    option, value = next(iter(spread.config.asked.items()))
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    if ranks != spread.config.ranks:
        raise refused(option, value, f"the model has {ranks} rank(s).", f"Give {spread.config.ranks} devices.")
    if spread.device.index is not None:
        raise refused(
            option,
            value,
            f"`device` = {spread.device} puts all ranks on one device.",
            "Name no number in `device`.",
        )

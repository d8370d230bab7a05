"""Tensor parallelism: the weights of a denoiser's layers divided among ranks, by diffusers' plan for the model.

The plan (`_tp_plan` of a model class) says which layers are divided by columns and which by rows; torch's
`parallelize_module` does it. diffusers' `enable_parallelism` does the same on accelerators alone; this runs on
CPUs as well, where it is tested.
"""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from diffusers.models._modeling_parallel import ParallelConfig, TensorParallelConfig
from torch.distributed.tensor.parallel import parallelize_module

from workers.acceleration.parts import Parts
from workers.parallel.degrees import refused
from workers.parallel.spread import Spread
from workers.stepping.faults import REFUSALS

OPTION = "tensor_parallel_size"


def check_weights(parts: Parts, spread: Spread) -> None:
    """Every denoiser must be one that diffusers has a plan for, with heads and widths that divide evenly."""
    size = spread.config.tensor_parallel_size
    for module in parts.denoisers.values():
        kind = type(module).__name__
        if getattr(module, "_tp_plan", None) is None:
            raise refused(OPTION, size, f"diffusers has no plan for dividing the weights of {kind}.")
        try:
            _check(module, size)
        except REFUSALS as error:
            raise refused(OPTION, size, f"{kind}: {error}") from error


def spread_weights(parts: Parts, spread: Spread) -> None:
    """Divide the denoisers' weights, each of which goes to the device by itself; then move all that is left."""
    from diffusers.hooks.tensor_parallel import _resolve_tp_plan, _styles

    mesh = spread.mesh["tp"]
    for module in parts.denoisers.values():
        for block, plan in _resolve_tp_plan(module, module._tp_plan):
            # All ranks have read the same files: nobody need send weights.
            parallelize_module(block, mesh, _styles(plan), src_data_rank=None)
        # What diffusers looks at when it refuses to load adapters into a divided model.
        tensor = TensorParallelConfig(tp_degree=mesh.size(), mesh=mesh)
        module._parallel_config = ParallelConfig(tensor_parallel_config=tensor)
        module._parallel_config.setup(dist.get_rank(), dist.get_world_size(), spread.device, mesh=mesh)
    for part in parts.modules.values():
        part.to(spread.device)


def _check(module: Any, size: int) -> None:
    from diffusers.hooks.tensor_parallel import _check_tp_supported, resolve_tp_shard_specs

    heads = module.config.get("num_attention_heads")
    _check_tp_supported(
        type(module).__name__, module._tp_plan, heads, TensorParallelConfig(tp_degree=size), model=module
    )
    resolve_tp_shard_specs(module, module._tp_plan, size)

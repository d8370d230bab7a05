"""Context parallelism: the tokens of a forward divided among ranks, by diffusers' own plan for the model.

Ulysses exchanges heads for tokens, a ring passes keys and values on; both are in diffusers' attention
(`enable_parallelism`). What is here chooses the device, tries the attention once, and serves uneven lengths.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from diffusers.models import attention_dispatch
from diffusers.models._modeling_parallel import ContextParallelConfig, ParallelConfig
from torch import nn

from omni_jobs.errors import ExecutionFailed, Misconfigured
from workers.acceleration.parts import Parts
from workers.parallel.degrees import refused
from workers.parallel.spread import Spread
from workers.stepping.faults import REFUSALS

#: What diffusers says of a length that its ranks cannot share evenly, before anything is exchanged.
UNEVEN = "must be divisible by mesh size"


def check_tokens(parts: Parts, spread: Spread) -> None:
    """Every denoiser must be one that diffusers has a plan for, with heads that divide evenly."""
    for module in parts.denoisers.values():
        kind = type(module).__name__
        if getattr(module, "_cp_plan", None) is None:
            raise _refused(spread, f"diffusers has no plan for dividing the tokens of {kind}.")
        heads, degree = module.config.get("num_attention_heads"), spread.config.ulysses_degree
        if heads is not None and heads % degree:
            reason = f"{kind} has {heads} heads of attention, and each rank needs as many."
            raise refused("ulysses_degree", degree, reason, "Give a divisor of it, or `ring_degree`.")


def spread_tokens(parts: Parts, spread: Spread) -> None:
    """Divide the tokens of every denoiser's forwards, once the attention has been tried on all ranks together.

    Raises:
        Misconfigured: the attention back end cannot do it on this device.
    """
    config = spread.config
    mesh = spread.mesh["ring", "ulysses"]
    for module in parts.denoisers.values():
        context = ContextParallelConfig(config.ring_degree, config.ulysses_degree, mesh=mesh)
        whole = ParallelConfig(context_parallel_config=context)
        whole.setup(dist.get_rank(), dist.get_world_size(), spread.device, mesh=mesh)
        try:
            spread.lockstep.attempt("attention", partial(_try, module, whole, spread))
            _enable(module, whole)
        except REFUSALS as error:
            raise _refused(spread, f"{' '.join(str(error).split())}", _remedy(spread)) from error
        vars(module)["forward"] = EvenOrNot(module, context)


class EvenOrNot:
    """Takes the place of a module's `forward`: what does not divide evenly is divided unevenly, at more cost."""

    def __init__(self, module: nn.Module, context: ContextParallelConfig) -> None:
        self._forward = module.forward
        self._context = context

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._forward(*args, **kwargs)
        except AssertionError as error:
            if UNEVEN not in str(error):
                raise
        context = self._context
        if context.ring_degree > 1 and context.ulysses_degree > 1:
            raise ExecutionFailed(
                f"The tokens of this call are no multiple of {context.ring_degree * context.ulysses_degree}, as "
                "`ring_degree` and `ulysses_degree` together need.",
                remedy="Ask for another size, or have the operator use one of the two.",
            )
        kind = "ring_anything" if context.ring_degree > 1 else "ulysses_anything"
        setattr(context, kind, True)
        try:
            return self._forward(*args, **kwargs)
        finally:
            setattr(context, kind, False)


def _enable(module: Any, config: ParallelConfig) -> None:
    """diffusers' `enable_parallelism` with a mesh of ours: its own asks for an accelerator, and a CPU is none."""

    def resolve(_config: ParallelConfig) -> ParallelConfig:
        module._parallel_config = config
        return config

    vars(module)["_resolve_parallel_config"] = resolve
    try:
        module.enable_parallelism(config=config)
    finally:
        del vars(module)["_resolve_parallel_config"]


def _try(module: nn.Module, config: ParallelConfig, spread: Spread) -> None:
    """Run the attention once, all ranks together: some back ends fail only when they are used."""
    backends = {
        getattr(part.processor, "_attention_backend", None)
        for part in module.modules()
        if hasattr(getattr(part, "processor", None), "_parallel_config")
    }
    shape = (1, 16, spread.config.ulysses_degree, 64)  # rows, this rank's tokens, heads, channels of a head
    dtype = Parts.dtype_of(module)
    query, key, value = (torch.randn(shape, device=spread.device, dtype=dtype) for _ in range(3))
    for backend in backends:
        with torch.no_grad():
            attention_dispatch.dispatch_attention_fn(query, key, value, backend=backend, parallel_config=config)


def _remedy(spread: Spread) -> str:
    if spread.config.ring_degree > 1 and spread.device.type == "cpu":
        return "Use `ulysses_degree`: ring attention needs a GPU."
    return "Set `acceleration.attention_backend` to one that can, such as _native_flash in bfloat16."


def _refused(spread: Spread, reason: str, remedy: str = "Leave it out.") -> Misconfigured:
    option = "ring_degree" if spread.config.ring_degree > 1 else "ulysses_degree"
    return refused(option, getattr(spread.config, option), reason, remedy)

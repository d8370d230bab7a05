"""Regional compilation of a model's repeated blocks, and the end of compiling once the shapes are warm.

After warm-up the blocks only use what is compiled: a shape that nobody announced runs eagerly, slower, instead of
holding up everybody's next step for half a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from workers.acceleration.parts import Parts
from workers.acceleration.refusal import refused

#: Modes whose CUDA graphs reuse the memory of outputs that suspended requests still hold.
GRAPH_MODES = ("reduce-overhead", "max-autotune")
#: Compiled versions of one block that torch may hold: shapes times batch sizes, when sizes are not dynamic.
VERSIONS_KEPT = 256


def compile_blocks(parts: Parts, options: Mapping[str, Any]) -> None:
    """Compile the repeated blocks of every denoiser that names them. Batch and text sizes are dynamic unless told.

    Raises:
        Misconfigured: no denoiser names repeated blocks, or the mode would corrupt outputs.
    """
    mode = options.get("mode")
    if mode in GRAPH_MODES:
        raise refused(
            "compile",
            mode,
            "its CUDA graphs reuse the memory of outputs that other requests hold.",
            'Use mode = "max-autotune-no-cudagraphs", and `cuda_graphs` for graphs.',
        )
    modules = [module for module in parts.denoisers.values() if getattr(module, "_repeated_blocks", None)]
    if not modules:
        kinds = ", ".join(sorted({type(module).__name__ for module in parts.denoisers.values()}))
        raise refused("compile", dict(options), f"{kinds} names no repeated blocks.")
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, VERSIONS_KEPT)
    for module in modules:
        module.compile_repeated_blocks(**{"dynamic": True, **options})


def compiled_blocks(parts: Parts) -> Iterator[nn.Module]:
    """The blocks that `compile_blocks` has compiled."""
    for module in parts.denoisers.values():
        for part in module.modules():
            if getattr(part, "_compiled_call_impl", None) is not None:
                yield part


def stop_compiling(parts: Parts) -> None:
    """Let every compiled block use what is compiled and nothing more."""
    for block in compiled_blocks(parts):
        block._compiled_call_impl = torch._dynamo.run(block._compiled_call_impl)

"""Whether a pipeline's guidance can be shared out: both of its predictions must be rows of one call.

Most pipelines double their batch, for the prompt and the negative prompt. Those that make two calls instead are
refused, unless their class can join them (`joins_guidance`, as the native steps of Qwen-Image do).
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from workers.acceleration.parts import Parts
from workers.parallel.degrees import refused
from workers.parallel.rows import SpreadForward
from workers.parallel.spread import Spread

OPTION = "cfg_parallel_size"
#: How pipelines of diffusers double or triple their sample for guidance.
DOUBLED = re.compile(r"\[\w*(latents?|model_input|sample)\w*\] \* [23]\b|\w*latents\w*\.repeat\([23],")
#: The most predictions that guidance joins.
MOST = 3


def check_guidance(parts: Parts, spread: Spread) -> None:
    """The pipeline must join its predictions, or be able to."""
    size, kind = spread.config.cfg_parallel_size, type(parts.pipeline)
    if size > MOST:
        raise refused(OPTION, size, f"guidance has at most {MOST} predictions.", "Give 2.")
    if not (hasattr(kind, "joins_guidance") or doubles(kind)):
        raise refused(
            OPTION,
            size,
            f"{kind.__name__} makes the calls of its guidance one after the other, or has no guidance.",
            "Leave it out, or name a class that joins them, as workers.models.qwen_image.QwenImageStepPipeline.",
        )
    if not parts.denoisers:
        raise refused(OPTION, size, f"{kind.__name__} has no denoiser.")


def spread_guidance(parts: Parts, spread: Spread) -> None:
    """Share out the rows of every denoiser's forwards, whosever rows they are."""
    if hasattr(parts.pipeline, "joins_guidance"):
        parts.pipeline.joins_guidance = True
    group = spread.mesh["cfg"].get_group()
    for module in parts.denoisers.values():
        vars(module)["forward"] = SpreadForward(module, group, spread.lockstep)


def doubles(kind: type[Any]) -> bool:
    """Whether the class's `__call__` doubles its sample for guidance, by its source."""
    try:
        source = inspect.getsource(inspect.unwrap(kind.__call__))
    except (OSError, TypeError):  # no source, or no function
        return False
    return DOUBLED.search(source) is not None

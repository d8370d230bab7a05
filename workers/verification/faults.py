"""What an error of a model means and what to do about it: the symptoms of `docs/troubleshooting.md`, as data."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import Any

from torch import nn

from omni_jobs.errors import OmniJobsError
from workers.stepping.faults import is_out_of_memory
from workers.verification.finding import Finding


@dataclass(frozen=True)
class Symptom:
    """How one kind of fault shows in an error's words, and the remedy."""

    name: str
    words: re.Pattern[str]
    remedy: str


SYMPTOMS = (
    Symptom(
        "import",
        re.compile(
            r"^(ModuleNotFoundError|ImportError)|cannot be imported|has no pipeline|has no attribute"
            r"|has no class|not found"
        ),
        "Install what is missing, or a diffusers that has the class; name a class of your own in full.",
    ),
    Symptom(
        "shapes",
        re.compile(
            r"size mismatch|[Ss]hape|[Ss]izes of tensors|must match|cannot be multiplied|divisible by"
            r"|channels, but got|in the weights and"
        ),
        "Weights and configuration belong together: compare config.json with the weights' shapes. If only some "
        "sizes fail, ask for sides that are multiples of 16 or 32.",
    ),
    Symptom(
        "output",
        re.compile(r"not numbers|NaN"),
        "Try dtype bfloat16 or float32; float16 overflows in some models, and some autoencoders need float32: "
        'dtype = { default = ..., vae = "float32" }.',
    ),
)
MEMORY_REMEDY = (
    'Ask for less (size, frames), set caps = "fixed(1)", load in bfloat16, or quantize or offload the model.'
)


def finding_of(name: str, error: BaseException, pipeline: Any = None) -> Finding:
    """The finding that an error is; `name` is the check that met it, where no symptom fits."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    if isinstance(error, OmniJobsError):
        text = error.message
    where = culprit(error, pipeline)
    told = f"{text} (in {where})" if where else text
    if is_out_of_memory(error):
        return Finding("memory", "wrong", told, MEMORY_REMEDY)
    symptom = next((one for one in SYMPTOMS if one.words.search(text)), None)
    own = getattr(error, "remedy", None)
    if symptom is None:
        return Finding(name, "wrong", told, own)
    return Finding(symptom.name, "wrong", told, own or symptom.remedy)


def culprit(error: BaseException, pipeline: Any) -> str | None:
    """The component in whose forward an error was raised, and the innermost module of it."""
    frames = [frame.f_locals.get("self") for frame, _line in traceback.walk_tb(error.__traceback__)]
    modules = [module for module in frames if isinstance(module, nn.Module)]
    if not modules:
        return None
    names = {id(part): name for name, part in getattr(pipeline, "components", {}).items()}
    component = next((names[id(module)] for module in modules if id(module) in names), None)
    inner = type(modules[-1]).__name__
    return f"{component}, {inner}" if component else inner

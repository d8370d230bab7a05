"""What a stored output says of its making: the `parameters` text that image tools read, and all of it as JSON.

The text has the form that the AUTOMATIC1111 web interface writes and many tools read: the prompt, the negative
prompt, then one line of `Name: value` pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omni_jobs import __version__

#: Diffusers' names by those of the text; others keep their own.
NAMES = {
    "num_inference_steps": "Steps",
    "scheduler": "Sampler",
    "guidance_scale": "CFG scale",
    "strength": "Denoising strength",
}
#: Told as `Size`, from the output itself.
SIZES = frozenset({"width", "height"})


@dataclass(frozen=True, slots=True)
class Provenance:
    """The same facts twice: for people and image tools, and for programs."""

    text: str
    json: str


def provenance_of(facts: Mapping[str, Any], size: tuple[int, int] | None = None) -> Provenance:
    """Both forms of an output's facts.

    Args:
        facts: job, model, prompt, negative_prompt, seed, parameters, versions; any may be absent.
        size: width and height in pixels.
    """
    return Provenance(parameters_text(facts, size), json.dumps(facts, sort_keys=True))


def parameters_text(facts: Mapping[str, Any], size: tuple[int, int] | None = None) -> str:
    """The text that image tools read."""
    given = facts.get("parameters") or {}
    plain = {name: value for name, value in given.items() if isinstance(value, str | int | float)}
    pairs: dict[str, Any] = {name: plain[key] for key, name in NAMES.items() if key in plain}
    pairs["Seed"] = facts.get("seed")
    pairs["Size"] = size and f"{size[0]}x{size[1]}"
    pairs["Model"] = facts.get("model")
    pairs |= {name: plain[name] for name in sorted(plain.keys() - NAMES.keys() - SIZES)}
    pairs["Version"] = f"omni-jobs {__version__}"
    told = ", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value is not None)
    lines = [str(facts.get("prompt", "")), told]
    if facts.get("negative_prompt"):
        lines.insert(1, f"Negative prompt: {facts['negative_prompt']}")
    return "\n".join(lines)


def _quoted(value: Any) -> str:
    """A value as its readers split it: in quotes if a sign of the form stands in it."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ',:\n"') else text

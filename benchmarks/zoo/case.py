"""What one member of the zoo is, and how the members are found.

A case is data: a pipeline class, the component rows that fill its constructor, and what its call takes.
The families list cases; `build` and `inputs` turn the data into live objects.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks.zoo import families
from benchmarks.zoo.media import Size, resolve

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


@dataclass(frozen=True)
class Plain:
    """A constructor argument that is a string, or holds strings, but names no component row."""

    value: Any


@dataclass(frozen=True)
class Case:
    """One tiny pipeline and the arguments of its call.

    `components` maps constructor arguments to component rows (see `benchmarks.zoo.components`); anything
    but a string or a list of strings is passed as it is, and `Plain` shields a string. `call` holds further
    call arguments, where a media recipe stands for a picture made from the seed and the size. `size` is
    (height, width) in pixels, or None where the call has no notion of it; `pass_size` says whether height and
    width are call arguments or follow from the input picture, `swap_sizes` whether the two may be exchanged.
    `unequal_prompts` says whether prompts of any length are taken, `prompt_format` wraps the prompt.
    `attributes` are set on the pipeline after it is built, `prepare` is called with it. `global_random` marks
    pipelines that draw from torch's global generator, so that a reference needs it seeded.
    """

    name: str
    pipeline_class: str
    components: Mapping[str, Any]
    call: Mapping[str, Any] = field(default_factory=dict)
    size: Size | None = (32, 48)
    pass_size: bool = True
    swap_sizes: bool = True
    unequal_prompts: bool = True
    global_random: bool = False
    prompt_argument: str | None = "prompt"
    prompt_format: str = "%s"
    steps_argument: str | None = "num_inference_steps"
    generator_argument: str | None = "generator"
    output_type: str | None = "pt"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Any], None] | None = None

    def build(self) -> DiffusionPipeline:
        """Make the pipeline: fp32, CPU, eval mode, the same random weights every time."""
        from benchmarks.zoo.components import build_pipeline

        pipeline = build_pipeline(self.pipeline_class, self.components)
        for name, value in self.attributes.items():
            setattr(pipeline, name, value)
        if self.prepare is not None:
            self.prepare(pipeline)
        return pipeline

    def inputs(self, seed: int, prompt: str, steps: int, size: Size | None = None) -> dict[str, Any]:
        """Give fresh call arguments; raises ValueError if `size` is given to a case without one."""
        import torch

        if size is not None and self.size is None:
            raise ValueError(f"case {self.name!r} has no size, got size={size}; leave it out")
        chosen = size or self.size or (32, 32)
        arguments: dict[str, Any] = {key: resolve(value, seed, chosen) for key, value in self.call.items()}
        named: dict[str | None, Any] = {
            self.prompt_argument: self.prompt_format % prompt,
            self.steps_argument: steps,
            self.generator_argument: torch.Generator("cpu").manual_seed(seed),
            "output_type" if self.output_type else None: self.output_type,
            "height" if self.size and self.pass_size else None: chosen[0],
            "width" if self.size and self.pass_size else None: chosen[1],
        }
        arguments.update({key: value for key, value in named.items() if key is not None})
        return arguments


@cache
def _all_cases() -> tuple[Case, ...]:
    found: list[Case] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(families.__path__)):
        found += importlib.import_module(f"{families.__name__}.{module}").CASES
    return tuple(found)


def cases() -> list[Case]:
    """Every case of the zoo, in a fixed order."""
    return list(_all_cases())


def case(name: str) -> Case:
    """The case called `name`; raises KeyError naming it if there is none."""
    for candidate in _all_cases():
        if candidate.name == name:
            return candidate
    raise KeyError(f"no case {name!r} in the zoo; `python -m benchmarks.zoo --list` names them")

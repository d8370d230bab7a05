"""From `generate`'s prompts and sampling parameters to requests, one per output. Used by `Omni`.

A prompt that cannot be read keeps its error to itself; its neighbours run.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import nearest
from workers.engine.request import OmniDiffusionRequest, OmniDiffusionSamplingParams

#: What one prompt may be: its text, or a mapping with these keys.
PROMPT_KEYS = ("prompt", "negative_prompt", "multi_modal_data")
Prompt = str | Mapping[str, Any]


@dataclass
class Asked:
    """One prompt as it was given, the requests it became, or the error that it is."""

    prompt: Any
    params: Any
    request_id: str = field(default_factory=lambda: f"gen_{uuid.uuid4().hex}")
    requests: tuple[OmniDiffusionRequest, ...] = ()
    error: Exception | None = None


def read_prompts(
    prompts: Prompt | Sequence[Prompt],
    sampling_params: OmniDiffusionSamplingParams | Sequence[OmniDiffusionSamplingParams] | None = None,
) -> list[Asked]:
    """Every prompt with its own parameters, or with those that all share.

    Raises:
        InvalidRequest: there are neither one nor as many parameters as prompts.
    """
    listed = list(prompts) if isinstance(prompts, Sequence) and not isinstance(prompts, str) else [prompts]
    if sampling_params is None:
        sampling_params = OmniDiffusionSamplingParams()
    single = not isinstance(sampling_params, Sequence) or isinstance(sampling_params, str)
    given: list[Any] = [sampling_params] if single else list(sampling_params)  # type: ignore[arg-type]
    if len(given) not in (1, len(listed)):
        raise InvalidRequest(
            f"`sampling_params`: {len(given)} for {len(listed)} prompts.",
            field="sampling_params",
            value=len(given),
            remedy="Give one for all prompts, or one for each.",
        )
    params = given * len(listed) if len(given) == 1 else given
    alone = len(listed) == 1
    return [_read(prompt, own, alone) for prompt, own in zip(listed, params, strict=True)]


def _read(prompt: Any, params: Any, alone: bool) -> Asked:
    asked = Asked(prompt, params)
    try:
        asked.requests = _requests(asked, alone)
    except InvalidRequest as error:
        asked.error = error
    return asked


def _requests(asked: Asked, alone: bool) -> tuple[OmniDiffusionRequest, ...]:
    if not isinstance(asked.params, OmniDiffusionSamplingParams):
        raise InvalidRequest(
            f"`sampling_params`: {type(asked.params).__name__} is no OmniDiffusionSamplingParams.",
            field="sampling_params",
        )
    facts = _facts(asked.prompt)
    outputs = _outputs(asked.params, alone)
    return tuple(
        OmniDiffusionRequest(**facts, sampling_params=params, request_id=f"{asked.request_id}-{index}")
        for index, params in enumerate(outputs)
    )


def _facts(prompt: Any) -> dict[str, Any]:
    """Prompt, negative prompt and pictures of one prompt: `image`, `mask`, others by the pipeline's own names."""
    if isinstance(prompt, str):
        return {"prompt": prompt}
    if not isinstance(prompt, Mapping):
        raise InvalidRequest(
            f"`prompts`: {type(prompt).__name__} is neither a string nor a mapping.", field="prompts"
        )
    media = prompt.get("multi_modal_data") or {}
    for name in prompt:
        if name not in PROMPT_KEYS:
            raise InvalidRequest(
                f"`prompts`: {name!r} is not known.", field=name, remedy=nearest(name, PROMPT_KEYS)
            )
    for name in ("prompt", "negative_prompt"):
        if not isinstance(prompt.get(name), str | None):
            raise InvalidRequest(f"`{name}` is no string.", field=name, value=prompt[name])
    listed = {name: _listed(given) for name, given in media.items() if given is not None}
    return {
        "prompt": prompt.get("prompt"),
        "negative_prompt": prompt.get("negative_prompt"),
        "images": listed.pop("image", ()),
        "mask": next(iter(listed.pop("mask", ())), None),
        "inputs": listed,
    }


def _listed(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _outputs(params: OmniDiffusionSamplingParams, alone: bool) -> list[OmniDiffusionSamplingParams]:
    """The parameters of each output: output i of a prompt has seed + i.

    A generator that would serve several outputs stands for its seed: drawn from in turns, it would give each of
    them something else every time.
    """
    count, generator, seed = params.num_outputs_per_prompt, params.generator, params.seed
    if count < 1:
        raise InvalidRequest(
            f"`num_outputs_per_prompt`: {count} is less than one.", field="num_outputs_per_prompt", value=count
        )
    if isinstance(generator, list | tuple):
        if len(generator) != count:
            raise InvalidRequest(
                f"`generator`: {len(generator)} for {count} outputs.", field="generator", value=len(generator)
            )
        return [replace(params, generator=own, num_outputs_per_prompt=1) for own in generator]
    if generator is not None and (count > 1 or not alone):
        seed = generator.initial_seed()
        generator = None
    seeds = [None if seed is None else seed + index for index in range(count)]
    return [replace(params, generator=generator, seed=own, num_outputs_per_prompt=1) for own in seeds]

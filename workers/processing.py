"""A model's own pre- and post-processing, and its defaults, around the pipeline's call.

Both doors use it: the engine process for jobs, `Omni.generate` for prompts. The functions are named by the row, by
the contract of vLLM-Omni's registry: each is given the configuration and returns the function that does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from omni_jobs.errors import Misconfigured, ModerationBlocked
from workers.engine.config import OmniDiffusionConfig
from workers.engine.executor import resolve_obj_by_qualname
from workers.engine.request import ARGUMENTS, DiffusionOutput, OmniDiffusionRequest


class Processing:
    """`pre_process` turns a request's pictures into what the pipeline takes; `post_process` its output into media.
    `output_check` is given "image", "video" or "audio" and the array to be encoded, and returns why it is refused.

    Raises:
        Misconfigured: a function cannot be imported, or does not make one.
    """

    def __init__(self, od_config: OmniDiffusionConfig) -> None:
        self._pre = _made("pre_process", od_config.pre_process, od_config)
        self._post = _made("post_process", od_config.post_process, od_config)
        self._check = _made("output_check", od_config.output_check, od_config)

    def check(self, kind: str, array: Any) -> None:
        """Asks the operator's check about one picture, clip or sound. Raises ModerationBlocked."""
        reason = None if self._check is None else self._check(kind, array)
        if reason is not None:
            raise ModerationBlocked(
                f"The safety check refused the {kind}: {reason}", remedy="Ask otherwise, or use another seed."
            )

    def prepare(self, request: OmniDiffusionRequest) -> OmniDiffusionRequest:
        """The request with its pictures processed, and without previews where outputs may be refused."""
        if self._check is not None:
            request = replace(request, preview=False)
        if self._pre is None or not request.images:
            return request
        made = self._pre(list(request.images))
        return replace(request, images=tuple(made) if isinstance(made, list | tuple) else (made,))

    def finish(self, output: DiffusionOutput) -> DiffusionOutput:
        """The output with its media processed."""
        if self._post is None or output.output is None:
            return output
        return replace(output, output=self._post(output.output))


def _made(field: str, qualname: str | None, od_config: OmniDiffusionConfig) -> Callable[..., Any] | None:
    if qualname is None:
        return None
    made: Callable[..., Any] = resolve_obj_by_qualname(qualname)(od_config)
    if not callable(made):
        raise Misconfigured(f"`{field}`: {qualname} returned no function.", field=field, value=qualname)
    return made


def with_defaults(request: OmniDiffusionRequest, defaults: Mapping[str, Any]) -> OmniDiffusionRequest:
    """The request with a row's defaults for whatever it leaves out."""
    params = request.sampling_params
    left_out = {
        name: value for name, value in defaults.items() if name in ARGUMENTS and getattr(params, name) is None
    }
    others = {name: value for name, value in defaults.items() if name not in ARGUMENTS | {"negative_prompt"}}
    filled = replace(params, **left_out, extra_args={**others, **params.extra_args})
    negative = defaults.get("negative_prompt") if request.negative_prompt is None else request.negative_prompt
    return replace(request, sampling_params=filled, negative_prompt=negative)

"""Any diffusers pipeline behind vLLM-Omni's contract: the base for classes that add to what a pipeline returns.

Operators name such a class in `custom_pipeline_args`; it runs in a fiber, so the pipeline inside is batched as
ever.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workers.arguments import arguments_for
from workers.engine.config import OmniDiffusionConfig
from workers.engine.request import DiffusionOutput, OmniDiffusionRequest
from workers.loader import load_pipeline


class DiffusersAdapterPipeline:
    """`forward(req)` over the diffusers pipeline that `od_config.model` names; `self.pipeline` is the pipeline."""

    def __init__(self, *, od_config: OmniDiffusionConfig, prefix: str = "") -> None:
        self.prefix = prefix
        plain = replace(od_config, load_format="default", custom_pipeline_args=None, model_class_name=None)
        self.pipeline = load_pipeline(plain)

    def forward(
        self,
        req: OmniDiffusionRequest,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        **kwargs: Any,
    ) -> DiffusionOutput:
        """Call the pipeline. Arguments given here win over the request's.

        Raises:
            InvalidRequest: the request has an argument that the pipeline does not take.
        """
        arguments = arguments_for(self.pipeline, str(self.pipeline._execution_device))(req)
        given = {"prompt": prompt, "negative_prompt": negative_prompt}
        given = {name: value for name, value in given.items() if value is not None}
        return DiffusionOutput(output=self.pipeline(**(arguments | given | kwargs)))

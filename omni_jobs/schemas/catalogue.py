"""The public half of a registry row, as workers publish it and producers validate against it.

It outlives the workers, so that a job can be checked and queued while none is up; who is alive is kept apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import Field

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas.job import JobRequest, nearest
from omni_jobs.schemas.record import Record


class PictureRule(Record):
    """How many pictures an input takes, and whether a job must give some."""

    most: int = 1
    required: bool = False


class ModelCard(Record):
    """What a producer may ask of one model.

    `parameters_schema` is a JSON schema (draft 2020-12) of the job's `parameters` object; `defaults` fill what a
    job leaves out. `max_pixels` bounds width x height; `max_input_images` bounds `images`;
    `inputs` are further pictures, by the names of the pipeline's arguments.
    """

    name: str
    tasks: tuple[str, ...]
    pipeline: str
    media: str = "image"
    parameters_schema: dict[str, Any]
    defaults: dict[str, Any] = Field(default_factory=dict)
    max_pixels: int | None = None
    max_input_images: int = 0
    accepts_mask: bool = False
    inputs: dict[str, PictureRule] = Field(default_factory=dict)
    accepts_negative_prompt: bool = True
    enhances_prompts: bool = False
    description: str = ""
    licence: str | None = None
    version: int = 1

    def validate_job(self, job: JobRequest) -> None:
        """Refuse what this model cannot do.

        Raises:
            InvalidRequest: naming the field, its value and the remedy.
        """
        if job.task not in self.tasks:
            raise InvalidRequest(
                f"`task`: model `{self.name}` does not {job.task}.",
                field="task",
                value=job.task,
                remedy=f"It can: {', '.join(self.tasks)}.",
            )
        if len(job.images) > self.max_input_images:
            raise InvalidRequest(
                f"`images`: {len(job.images)} given, model `{self.name}` takes at most {self.max_input_images}.",
                field="images",
                value=list(job.images),
            )
        if job.enhance_prompt and not self.enhances_prompts:
            raise InvalidRequest(
                f"`enhance_prompt`: the workers of model `{self.name}` have nobody who rewrites prompts.",
                field="enhance_prompt",
                value=True,
                remedy="Leave it out, or have the operator set OMNI_ENHANCER_URL.",
            )
        for field, allowed in (
            ("mask", self.accepts_mask),
            ("negative_prompt", self.accepts_negative_prompt),
        ):
            if getattr(job, field) is not None and not allowed:
                raise InvalidRequest(
                    f"`{field}`: model `{self.name}` takes none.", field=field, value=getattr(job, field)
                )
        self._validate_inputs(job.inputs)
        self._validate_parameters(job.parameters)

    def _validate_inputs(self, inputs: Mapping[str, tuple[str, ...]]) -> None:
        for name, ids in inputs.items():
            field = f"inputs.{name}"
            if name not in self.inputs:
                known = nearest(name, self.inputs) if self.inputs else "It takes none."
                raise InvalidRequest(
                    f"`{field}` is not an input of model `{self.name}`.",
                    field=field,
                    value=list(ids),
                    remedy=known,
                )
            if len(ids) > self.inputs[name].most:
                raise InvalidRequest(
                    f"`{field}`: {len(ids)} given, model `{self.name}` takes at most {self.inputs[name].most}.",
                    field=field,
                    value=list(ids),
                )
        for name, rule in self.inputs.items():
            if rule.required and name not in inputs:
                raise InvalidRequest(
                    f"`inputs.{name}` is missing: model `{self.name}` cannot draw without it.",
                    field=f"inputs.{name}",
                    remedy="Upload the picture and give its id.",
                )

    def _validate_parameters(self, parameters: dict[str, Any]) -> None:
        properties = self.parameters_schema.get("properties", {})
        for name in parameters:
            if name not in properties:
                raise InvalidRequest(
                    f"`parameters.{name}` is not a parameter of model `{self.name}`.",
                    field=f"parameters.{name}",
                    value=parameters[name],
                    remedy=nearest(name, properties),
                )
        for problem in Draft202012Validator(self.parameters_schema).iter_errors(parameters):
            path = ".".join(["parameters", *(str(part) for part in problem.absolute_path)])
            message = re.sub(r"\s+", " ", problem.message)[:300]
            raise InvalidRequest(f"`{path}`: {message}.", field=path, value=problem.instance)
        merged = self.defaults | parameters
        width, height = merged.get("width"), merged.get("height")
        if self.max_pixels and width and height and width * height > self.max_pixels:
            raise InvalidRequest(
                f"`parameters.width`: {width}x{height} is {width * height} pixels, "
                f"model `{self.name}` takes at most {self.max_pixels}.",
                field="parameters.width",
                value=width,
                remedy="Ask for a smaller picture.",
            )

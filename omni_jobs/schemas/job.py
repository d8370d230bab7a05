"""The native job, as a producer writes it: diffusers' parameter names, unknown fields refused by name.

Every door (HTTP, SDK, CLI, bulk, a Celery task) builds a `JobRequest` and gives it to `queue.submit`.
What depends on the model (sizes, steps, parameter names) is checked against its `ModelCard`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas.copies import CopyTarget

#: Seeds survive a JSON round trip through double-precision numbers: 0 to 2^53-1.
MAX_SEED = 2**53 - 1
#: Longest prompt in characters.
MAX_PROMPT_CHARACTERS = 32_000
MAX_OUTPUTS = 64
#: Most pictures of one input: a clip's frames.
MAX_PICTURES = 256
DEFAULT_TTL_SECONDS = 7 * 24 * 3600
DEFAULT_PRIORITY = 5

WebhookEvent = Literal[
    "job.queued",
    "job.started",
    "job.resumed",
    "job.progress",
    "job.output",
    "job.succeeded",
    "job.failed",
    "job.canceled",
    "job.expired",
]


_NUMBER = re.compile(r"[-+ .\d]+")


def _no_number(given: Any) -> Any:
    # pydantic would take seconds or milliseconds, whichever looks likelier.
    if isinstance(given, int | float) or (isinstance(given, str) and _NUMBER.fullmatch(given)):
        raise ValueError(f"{given!r} is a number; write the time as 2026-01-31T12:00:00Z.")
    return given


def no_text(given: Any) -> Any:
    """Refuse text and truth values where JSON has a number. Raises ValueError."""
    if isinstance(given, bool | str | bytes):
        raise ValueError(f"{given!r} is no number.")
    return given


def _utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment} is no time of this world.") from None


#: A moment; one without a zone is read as UTC.
Moment = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_utc)]
#: An integer as JSON has it: no text, no truth value.
Whole = Annotated[int, BeforeValidator(no_text)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Strict(BaseModel):
    """Base of everything that crosses a door: frozen, and a field nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OutputOptions(Strict):
    """How results are encoded. `quality` is 1 to 100, for JPEG and WebP."""

    format: Literal["png", "jpeg", "webp", "mp4", "wav", "flac"] | None = None
    quality: Whole = Field(90, ge=1, le=100)
    embed_metadata: StrictBool = True


class WebhookOptions(Strict):
    """Where this job's events go, and which of them; all but progress by default. `format`: whose body is sent."""

    url: HttpUrl
    format: Literal["omni", "replicate", "fal"] = "omni"
    events: tuple[WebhookEvent, ...] = (
        "job.queued",
        "job.started",
        "job.resumed",
        "job.output",
        "job.succeeded",
        "job.failed",
        "job.canceled",
        "job.expired",
    )


class JobRequest(Strict):
    """One generation or edit job. `inputs` are pictures beside `images` and `mask`, by the pipeline's names."""

    task: Literal["generate", "edit"] = "generate"
    model: Name
    prompt: Annotated[str, StringConstraints(max_length=MAX_PROMPT_CHARACTERS)]
    negative_prompt: Annotated[str, StringConstraints(max_length=MAX_PROMPT_CHARACTERS)] | None = None
    images: tuple[Name, ...] = ()
    mask: Name | None = None
    inputs: dict[Name, Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_PICTURES)]] = Field(
        default_factory=dict, max_length=16
    )
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: Whole | None = Field(None, ge=0, le=MAX_SEED)
    num_outputs: Whole = Field(1, ge=1, le=MAX_OUTPUTS)
    output: OutputOptions = OutputOptions()
    enhance_prompt: StrictBool = False
    deterministic: StrictBool = False
    preview: StrictBool = False
    priority: Whole = Field(DEFAULT_PRIORITY, ge=0, le=9)
    not_before: Moment | None = None
    deadline: Moment | None = None
    ttl_seconds: Whole = Field(DEFAULT_TTL_SECONDS, ge=60, le=365 * 24 * 3600)
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    webhook: WebhookOptions | None = None
    copies: tuple[CopyTarget, ...] = Field((), max_length=MAX_OUTPUTS)
    metadata: dict[Name, Annotated[str, StringConstraints(max_length=2000)]] = Field(
        default_factory=dict, max_length=16
    )
    tags: tuple[Name, ...] = Field((), max_length=16)

    @property
    def pictures(self) -> dict[str, str]:
        """The ids of all input pictures by where they stand: `images.0`, `mask`, `inputs.control_image.0`."""
        listed = {"images": self.images} | {f"inputs.{name}": ids for name, ids in self.inputs.items()}
        found = {f"{name}.{place}": one for name, ids in listed.items() for place, one in enumerate(ids)}
        return found if self.mask is None else found | {"mask": self.mask}

    @model_validator(mode="after")
    def _consistent(self) -> JobRequest:
        if not self.prompt.strip():
            raise ValueError("prompt: is empty; say what to draw or how to change the picture.")
        if self.task == "edit" and not self.images:
            raise ValueError("images: an edit needs at least one upload or artifact id.")
        if self.copies and len(self.copies) != self.num_outputs:
            raise ValueError(
                f"copies: {len(self.copies)} given for {self.num_outputs} outputs; give one for each."
            )
        if self.not_before and self.deadline and self.deadline <= self.not_before:
            raise ValueError("deadline: lies before `not_before`; the job could never run.")
        return self


def parse_job(data: Mapping[str, Any]) -> JobRequest:
    """Validate a producer's JSON object.

    Raises:
        InvalidRequest: with the field, its value and the remedy (for a misspelt name: the nearest valid one).
    """
    if not isinstance(data, Mapping):
        raise InvalidRequest(f"A job is a JSON object, not {type(data).__name__}.", value=data)
    try:
        return JobRequest.model_validate(dict(data))
    except ValidationError as error:
        raise _explain(error) from None


def nearest(name: str, valid: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest valid one, else all of them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean `{close[0]}`?" if close else f"Valid names: {', '.join(names)}."


def _explain(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"output": OutputOptions, "webhook": WebhookOptions}
        owner = parts.get(str(first["loc"][0]), JobRequest) if len(first["loc"]) > 1 else JobRequest
        return InvalidRequest(
            f"`{path}` is not a field of a job.",
            field=path,
            value=first["input"],
            remedy=nearest(str(first["loc"][-1]), owner.model_fields),
        )
    message = first["msg"].removeprefix("Value error, ")
    if not path and ": " in message:
        path, message = message.split(": ", 1)
    shown = repr(first["input"])
    value = "" if first["type"] in {"missing", "value_error"} else f" (got {shown[:80]})"
    return InvalidRequest(f"`{path}`: {message}{value}", field=path, value=first["input"])

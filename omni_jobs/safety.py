"""The operator's check of what is asked for. The API and the Celery door call it before a job is written.

The check is named by the settings (`prompt_check`), never by a job. What it refuses is `moderation_blocked`; if it
breaks, the job is not taken. The check of outputs is a model's own (`output_check` of its row).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from omni_jobs.errors import Misconfigured, ModerationBlocked, Unavailable
from omni_jobs.schemas import JobRequest

LOG = structlog.get_logger(__name__)
#: Takes the account and the job's JSON; returns why the job is refused, or None.
PromptCheck = Callable[[str, Mapping[str, Any]], str | None]


def load_prompt_check(qualname: str | None) -> PromptCheck | None:
    """The callable of a qualified name, `package.module.name`. Raises Misconfigured."""
    if qualname is None:
        return None
    module, _, name = qualname.rpartition(".")
    try:
        check: PromptCheck = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Misconfigured(
            f"OMNI_PROMPT_CHECK: {qualname} cannot be imported: {error}.", field="prompt_check", value=qualname
        ) from error
    if not callable(check):
        raise Misconfigured(f"OMNI_PROMPT_CHECK: {qualname} is no function.", field="prompt_check", value=qualname)
    return check


def check_prompt(check: PromptCheck | None, account: str, request: JobRequest) -> None:
    """Asks the check about a job.

    Raises:
        ModerationBlocked: it refused, with its words. Unavailable: it broke, so nobody knows.
    """
    if check is None:
        return
    try:
        reason = check(account, request.model_dump(mode="json", exclude_none=True))
    except Exception as error:
        LOG.error("prompt check broke; the job is refused", account=account, exc_info=error)
        raise Unavailable("The safety check does not work at present.", remedy="Try again later.") from error
    if reason is not None:
        said = f"The safety check refused this: {reason}"
        raise ModerationBlocked(said, field="prompt", remedy="Ask otherwise.")

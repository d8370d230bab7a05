"""A job's prompt, rewritten if it asks for that. The slots call it before anything is rendered.

The prompt is never what a job fails by: where the enhancer is down or slow the original is drawn, and the record
says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from omni_jobs.errors import Misconfigured, QueueUnavailable
from omni_jobs.schemas import Enhancement, JobRequest
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore
from workers.enhancing.endpoint import EndpointEnhancer
from workers.enhancing.instructions import digest_of, instruction_for
from workers.enhancing.queued import QueuedEnhancer

log = structlog.get_logger(__name__)

#: Seconds for which an enhancer that failed is left alone: each job that waited for it would wait in vain.
REST_SECONDS = 15.0
#: Value of `enhancer_url` that means the Celery queue.
QUEUE = "queue"


class Enhancer(Protocol):
    """Whoever rewrites prompts. `name` tells one from another."""

    name: str

    def rewrite(self, prompt: str, instruction: str) -> str:
        """The revised prompt; raises OSError or ValueError."""

    def close(self) -> None:
        """Release what it holds."""


@dataclass
class Enhancing:
    """One worker's enhancer, what it has made already, and when it may be asked again."""

    store: JobStore
    enhancer: Enhancer
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._rests_until = 0.0

    def enhance(self, account: str, job: JobRequest, own: Mapping[str, str]) -> Enhancement:
        """The revised prompt of a job, or why there is none. `own` are the model's instructions by task."""
        instruction = instruction_for(job.task, own)
        digest = digest_of(self.enhancer.name, instruction, job.prompt)
        try:
            if (kept := self.store.revised_prompt(account, digest)) is not None:
                return Enhancement(revised_prompt=kept)
            with self._lock:
                rest = self._rests_until - self.clock()
            if rest > 0:
                return Enhancement(enhancement_skipped="the enhancer failed a moment ago")
            revised = self.enhancer.rewrite(job.prompt, instruction)
            self.store.keep_revised_prompt(account, digest, revised)
        except (OSError, ValueError, QueueUnavailable) as error:
            log.warning("prompt not enhanced", enhancer=self.enhancer.name, error=str(error))
            if not isinstance(error, ValueError):
                with self._lock:
                    self._rests_until = self.clock() + REST_SECONDS
            return Enhancement(enhancement_skipped=str(error))
        return Enhancement(revised_prompt=revised)

    def close(self) -> None:
        """Release the enhancer."""
        self.enhancer.close()


def open_enhancing(settings: Settings, store: JobStore) -> Enhancing | None:
    """The enhancer that the settings name, if any.

    Raises:
        Misconfigured: a URL without a model, or one that is no URL.
    """
    url, model, seconds = settings.enhancer_url, settings.enhancer_model, settings.enhancer_timeout_seconds
    if url is None:
        return None
    if url == QUEUE:
        return Enhancing(store, QueuedEnhancer(store, model or "", seconds))
    if not url.startswith(("http://", "https://")):
        raise Misconfigured(
            f"OMNI_ENHANCER_URL: {url!r} is neither an http address nor `{QUEUE}`.",
            field="OMNI_ENHANCER_URL",
            value=url,
        )
    if not model:
        raise Misconfigured(
            "OMNI_ENHANCER_MODEL is missing: an endpoint wants to be told which model.",
            field="OMNI_ENHANCER_MODEL",
        )
    key = settings.enhancer_key.get_secret_value() if settings.enhancer_key else None
    return Enhancing(store, EndpointEnhancer(url, model, key, seconds))

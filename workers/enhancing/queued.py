"""An enhancer behind a Celery queue of its own, such as a vLLM engine (see `vllm_worker`)."""

from __future__ import annotations

import json
import secrets

from kombu.exceptions import KombuError, OperationalError

from omni_jobs.celery_tasks import producer_app, queue_named
from omni_jobs.errors import QueueUnavailable
from omni_jobs.names import ENHANCE_QUEUE, ENHANCE_TASK
from omni_jobs.store import JobStore
from workers.enhancing.instructions import prompt_in


class QueuedEnhancer:
    """Sends a question and waits for its answer in Redis: a list with the question's id, no result backend."""

    def __init__(self, store: JobStore, model: str, timeout_seconds: float) -> None:
        self.name = f"queue {model}"
        self._store = store
        self._timeout_seconds = timeout_seconds

    def rewrite(self, prompt: str, instruction: str) -> str:
        """The revised prompt.

        Raises:
            OSError, ValueError: there is none; the message says why.
        """
        question = secrets.token_hex(16)
        app = producer_app(self._store.broker_url, self._store.keys.prefix)
        try:
            app.send_task(
                ENHANCE_TASK,
                args=[question, prompt, instruction],
                queue=queue_named(ENHANCE_QUEUE),
                retry=False,
                ignore_result=True,
                # A question that nobody waits for any more is not worth answering.
                expires=self._timeout_seconds,
            )
            found = self._store.await_rewriting(question, self._timeout_seconds)
        except (KombuError, OperationalError, QueueUnavailable) as error:
            raise ConnectionError(f"the queue cannot be reached: {error}") from error
        if found is None:
            raise TimeoutError(f"no answer within {self._timeout_seconds:g} s")
        answer = json.loads(found)
        if "error" in answer:
            raise ValueError(answer["error"])
        return prompt_in(answer.get("text"))

    def close(self) -> None:
        """The store is its owner's."""

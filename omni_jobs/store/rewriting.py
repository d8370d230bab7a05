"""What enhancers made of prompts: kept for a while, and handed from an enhancer's process to whoever waits."""

from __future__ import annotations

import time
from typing import Any

from omni_jobs.store.codec import compact
from omni_jobs.store.core import StoreCore
from omni_jobs.store.scripts import translated

#: Seconds for which a revised prompt is kept; jobs of that time with one prompt get one revision.
KEPT_SECONDS = 7 * 24 * 3600
#: Seconds for which an answer waits for whoever asked.
ANSWER_SECONDS = 60
#: Seconds of one wait: the connection gives up on a server that is silent for longer.
WAIT_SECONDS = 2.0


class Rewriting(StoreCore):
    """Revised prompts by the digest of what they were made from, and answers by the id of the question."""

    def revised_prompt(self, account: str, digest: str) -> str | None:
        """The revision that is kept, if any."""
        (kept,) = self._ask(("GET", self.keys("revised", account, digest)))
        return None if kept is None else kept.decode()

    def keep_revised_prompt(self, account: str, digest: str, text: str) -> None:
        """Keep a revision for the next job with the same prompt."""
        self._ask(("SET", self.keys("revised", account, digest), text, "EX", KEPT_SECONDS))

    def answer_rewriting(self, question: str, answer: dict[str, Any]) -> None:
        """Hand an answer to whoever waits for it."""
        key = self.keys("rewritten", question)
        self._ask(("RPUSH", key, compact(answer)), ("EXPIRE", key, ANSWER_SECONDS))

    def await_rewriting(self, question: str, seconds: float) -> bytes | None:
        """The answer as JSON, or None if there is none in time."""
        ends, popped = time.monotonic() + seconds, None
        while popped is None and (left := ends - time.monotonic()) > 0:
            with translated():
                popped = self.redis.blpop([self.keys("rewritten", question)], timeout=min(left, WAIT_SECONDS))
        return None if popped is None else bytes(popped[1])

"""Who uses the service while it is under fire: submitters, cancellers, a reader, a webhook receiver.

They behave as a careful client: the same submit with the same key until it is answered.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from random import Random, choice
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from omni_jobs.errors import OmniJobsError
from omni_jobs.schemas import Status
from omni_jobs.store import JobStore
from tests.chaos.history import History
from tests.chaos.roles import MODEL, ROLES, Role
from tests.servers.scripted import Answer, Request, scripted

#: Longest time in seconds for one HTTP answer; a submit may take several tries.
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 0.3
#: Stands for no answer at all.
UNANSWERED = 599
ACCOUNT = "default"
SUBMITTERS = 8
WANTED = ["job.succeeded", "job.failed", "job.canceled", "job.expired"]
#: Shares of jobs with a webhook, that are deterministic, of submits sent twice, and of refused webhooks.
HOOKED, DETERMINISTIC, TWICE, REFUSED = 0.4, 0.05, 0.05, 0.1


class Load:
    """Threads that use the service at `rate` jobs a second until `stop`, `batch` jobs to a request."""

    def __init__(
        self, urls: list[str], hook: str, store: JobStore, history: History, seed: int, rate: float, batch: int = 1
    ) -> None:
        self._urls = urls
        self._batch = batch
        self._hook = hook
        self._store = store
        self._history = history
        self._rate = rate
        self._stopping = threading.Event()
        self._acked: deque[str] = deque(maxlen=2000)
        self._cancels: deque[tuple[float, str]] = deque()
        submitters = [
            threading.Thread(target=self._submit_for_ever, args=(Random(f"{seed} {n}"), n), daemon=True)
            for n in range(SUBMITTERS)
        ]
        reactions = (self._cancel_for_ever, self._read_for_ever)
        others = [threading.Thread(target=run, daemon=True) for run in reactions]
        self._threads = [*submitters, *others]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Submit nothing new; what waits for its answer is asked for until it has one."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _submit_for_ever(self, random: Random, number: int) -> None:
        names, weights = list(ROLES), [role.weight for role in ROLES.values()]
        count = 0
        with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as http:
            while not self._stopping.wait(random.expovariate(self._rate / SUBMITTERS / self._batch)):
                wanted = []
                for _ in range(self._batch):
                    count += 1
                    role = random.choices(names, weights)[0]
                    wanted.append(Wanted(role, f"{number}-{count}", random, self._hook))
                for _ in range(2 if random.random() < TWICE else 1):
                    self._submit(http, wanted)

    def _submit(self, http: httpx.Client, wanted: list[Wanted]) -> None:
        """Ask until each is answered, or patience ends."""
        gives_up = time.monotonic() + 4 * ANSWER_SECONDS
        while wanted and time.monotonic() < gives_up:
            began = time.monotonic()
            answers = _answers(self._asked(http, "/v1/jobs", {"jobs": [one.body for one in wanted]}), len(wanted))
            seconds = round(time.monotonic() - began, 3)
            later = []
            for one, (status, told) in zip(wanted, answers, strict=True):
                if status >= 500 or status == 429:
                    later.append(one)
                elif status < 300:
                    self._acknowledge(one, told["job"]["id"], seconds)
                else:
                    self._refuse(one, status, told)
            wanted = later
            if wanted:
                time.sleep(PAUSE_SECONDS)
        for one in wanted:
            self._history.add("unanswered", key=one.key, role=one.role)

    def _acknowledge(self, one: Wanted, job: str, seconds: float) -> None:
        self._history.add("submitted", job=job, key=one.key, role=one.role, seconds=seconds)
        self._acked.append(job)
        if ROLES[one.role].is_canceled:
            self._cancels.append((time.monotonic() + one.patience_seconds, job))

    def _refuse(self, one: Wanted, status: int, told: dict[str, Any]) -> None:
        """A deadline that passed while nobody answered is refused with right."""
        if ROLES[one.role].deadline_seconds is None:
            self._history.add("refused", key=one.key, role=one.role, status=status, text=str(told))
        else:
            self._history.add("unanswered", key=one.key, role=one.role)

    def _cancel_for_ever(self) -> None:
        with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as http:
            while not (self._stopping.wait(0.02) and not self._cancels):
                if not self._cancels or self._cancels[0][0] > time.monotonic():
                    continue
                _, job = self._cancels.popleft()
                answer = self._asked(http, f"/v1/jobs/{job}/cancel")
                if answer is not None and answer.is_success:
                    self._history.add("canceled", job=job)
                elif answer is None or answer.status_code >= 500:
                    self._cancels.append((time.monotonic() + PAUSE_SECONDS, job))

    def _asked(self, http: httpx.Client, path: str, body: dict[str, Any] | None = None) -> httpx.Response | None:
        """The answer of any API process, or None if there was none: then nobody knows whether it was done."""
        try:
            return http.post(choice(self._urls) + path, json=body)
        except httpx.TransportError:
            return None

    def _read_for_ever(self) -> None:
        """Notes ends as they are, to be compared with what they are when all is over."""
        random = Random(0)
        while not self._stopping.wait(0.05):
            if not self._acked:
                continue
            job_id = random.choice(self._acked)
            with suppress(OmniJobsError):
                job = self._store.get(ACCOUNT, job_id)
                if Status(job.status).is_terminal:
                    self._history.add("seen", job=job_id, status=job.status, attempt=job.attempt)


class Wanted:
    """A job that somebody wants, until it is answered."""

    def __init__(self, role: str, key: str, random: Random, hook: str) -> None:
        self.role = role
        self.key = key
        self.body = job_body(ROLES[role], random, key, hook)
        #: How long its owner waits before calling it off.
        self.patience_seconds = random.uniform(0.0, 1.0)


def job_body(role: Role, random: Random, key: str, hook: str) -> dict[str, Any]:
    """A job of a role, as JSON. Its metadata name its key, so that a job nobody acknowledged can be told."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "model": MODEL,
        "prompt": f"{role.prompt} {key}",
        "seed": random.randrange(1000),
        "parameters": {"num_inference_steps": random.choice((1, 2, 4, 8, 20, 60)), "width": 32, "height": 32},
        "priority": random.choice((2, 5, 5, 5, 9)),
        "deterministic": random.random() < DETERMINISTIC,
        "output": {"embed_metadata": False},
        "idempotency_key": key,
        "metadata": {"key": key},
    }
    if random.random() < HOOKED:
        body["webhook"] = {"url": hook, "events": WANTED}
    if role.deadline_seconds is not None:
        body["deadline"] = (now + timedelta(seconds=role.deadline_seconds)).isoformat()
    if role.hold_seconds is not None:
        body["not_before"] = (now + timedelta(seconds=role.hold_seconds)).isoformat()
    return body


def _answers(answer: httpx.Response | None, count: int) -> list[tuple[int, dict[str, Any]]]:
    """Status and body for each job of a batch; one for all if there was no answer, or the batch was refused."""
    if answer is None:
        return [(UNANSWERED, {})] * count
    if not answer.is_success:
        return [(answer.status_code, {"text": answer.text})] * count
    return [(item["status"], item) for item in answer.json()["jobs"]]


class Hook:
    """The webhook receiver: verifies as customers do, and refuses a share of what comes."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.history: History | None = None
        self._random = Random(0)

    def take(self, request: Request) -> Answer:
        status = self._random.choice((500, 429, 302)) if self._random.random() < REFUSED else 204
        try:
            body = Webhook(self.secret).verify(request.body, request.headers)
            named = {"job": body["data"]["job_id"], "sequence": body["data"]["sequence"], "type": body["type"]}
            is_valid = True
        except (WebhookVerificationError, KeyError):
            named, is_valid = {"job": None, "sequence": 0, "type": ""}, False
        if self.history is not None:
            self.history.add(
                "webhook", id=request.headers.get("webhook-id"), is_valid=is_valid, answered=status, **named
            )
        return Answer(status)


@contextmanager
def receiving() -> Iterator[Hook]:
    """A receiver on a free port; secret and history are given to it once they are known."""
    hook = Hook()
    with scripted(hook.take) as address:
        hook.url = f"{address}/hook"
        yield hook

"""The courier: takes what is due from the outbox, sends it, settles it. A process of its own, in no job's path.

Any number may run: each delivery is leased to one of them, and comes again if that one dies. `python -m
omni_jobs.webhooks.courier`.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from typing import NamedTuple

import click
import structlog

from omni_jobs import queue
from omni_jobs.errors import OmniJobsError, Unavailable
from omni_jobs.lifeline import end_with_input
from omni_jobs.logs import configure_logs
from omni_jobs.object_links import Links, open_objects
from omni_jobs.schemas.deliveries import TEST, Attempt
from omni_jobs.settings import Settings, load_settings
from omni_jobs.signing_secret import webhook_secret
from omni_jobs.store import Delivery, JobStore, Outcome, connect
from omni_jobs.webhooks.addresses import parse_allowed, split
from omni_jobs.webhooks.copies import COPY, send_copy
from omni_jobs.webhooks.endpoints import Endpoints
from omni_jobs.webhooks.gates import LONGEST_PAUSE_SECONDS, Gates
from omni_jobs.webhooks.message import body_of
from omni_jobs.webhooks.schedule import GONE, Answer, judge_answer, parse_waits
from omni_jobs.webhooks.sender import Sender
from omni_jobs.webhooks.signing import key_of, sign
from storage import ObjectStore

LOG = structlog.get_logger(__name__)
#: Deliveries on their way at a time, of all and of one account, and taken at once; pause when nothing is due.
IN_FLIGHT = 256
IN_FLIGHT_OF_ACCOUNT = 64
CHUNK = 100
IDLE_SECONDS = 0.1
TROUBLE_SECONDS = 1.0
#: What is told of a try that failed, at most.
ERROR_CHARACTERS = 300
#: A delivery whose courier died comes again so long after its try must have ended.
LEASE_MARGIN_SECONDS = 30.0
#: How long the links in an event are good: a receiver may read it late.
LINK_SECONDS = 24 * 3600
#: Types whose first failure is their last: a test is for now, and newer progress follows.
TRIED_ONCE = frozenset({TEST, "job.progress"})
#: What an account's gate is told: a receiver in trouble is not the account's.
UNTROUBLED = Answer(200)
EXIT_MISCONFIGURED, EXIT_UNAVAILABLE = 78, 69


class Receiver(NamedTuple):
    """Whose trouble stops what: of one account at one host and port, for many accounts may share a host."""

    account: str
    place: str


class Courier:
    """One courier. `run` works until `stop`."""

    def __init__(self, settings: Settings, store: JobStore, objects: ObjectStore) -> None:
        """Reads the settings that concern it. Raises Misconfigured."""
        self._settings = settings
        self._store = store
        self._waits = parse_waits(settings.webhook_waits)
        # A pause longer than the schedule's own waits would make it slower than promised.
        longest = min(LONGEST_PAUSE_SECONDS, max(self._waits))
        self._receivers = Gates(settings.webhook_in_flight, longest_pause_seconds=longest)
        self._accounts = Gates(IN_FLIGHT_OF_ACCOUNT, longest_pause_seconds=longest)
        self._sender = Sender(parse_allowed(settings.webhook_allow), settings.webhook_timeout_seconds)
        self._service_secret = webhook_secret(settings)
        key_of(self._service_secret)
        self._objects = objects
        self._links = Links(objects, max(LINK_SECONDS, settings.link_seconds))
        own = f"http://{settings.api_host}:{settings.api_port}"
        self._base = (settings.public_url or settings.api_url or own).rstrip("/")
        self._endpoints = Endpoints(store)
        self._stopping = asyncio.Event()
        self._room = asyncio.Semaphore(IN_FLIGHT)

    def stop(self) -> None:
        """Take nothing more; what is on its way is finished."""
        self._stopping.set()

    async def run(self) -> None:
        """Delivers and reconciles until `stop`."""
        sweeper = asyncio.create_task(self._sweep())
        try:
            async with asyncio.TaskGroup() as trips:
                while not self._stopping.is_set():
                    if not await self._take(trips):
                        await self._pause(IDLE_SECONDS)
        finally:
            sweeper.cancel()
            await self._sender.close()

    async def _take(self, trips: asyncio.TaskGroup) -> bool:
        """Sends off what is due; whether it was much, so that there may be more."""
        lease = self._settings.webhook_timeout_seconds + LEASE_MARGIN_SECONDS
        try:
            due = await asyncio.to_thread(self._store.take_deliveries, CHUNK, lease)
        except Unavailable as error:
            LOG.warning("outbox does not answer", error=str(error))
            await self._pause(TROUBLE_SECONDS)
            return False
        for delivery in due:
            receiver = Receiver(delivery.account, place_of(delivery.url))
            wait = self._enter(receiver)
            if wait:
                trips.create_task(self._settle(delivery, "untried", wait * random.uniform(1.0, 1.2)))
            else:
                await self._room.acquire()
                trips.create_task(self._deliver(delivery, receiver))
        return len(due) == CHUNK

    def _enter(self, receiver: Receiver) -> float:
        """0 if a delivery may go now, else the seconds until it should ask again."""
        wait = self._receivers.enter(receiver)
        if not wait and (wait := self._accounts.enter(receiver.account)):
            self._receivers.withdraw(receiver)
        return wait

    async def _deliver(self, delivery: Delivery, receiver: Receiver) -> None:
        answer = Answer(None, "the courier stopped")
        at, began = datetime.now(UTC), time.monotonic()
        try:
            answer = await self._try(delivery)
        except OmniJobsError as error:
            answer = Answer(None, str(error))
        except Exception:
            # One delivery that cannot be made must not end the courier for all others.
            LOG.exception("webhook met an error of ours", id=delivery.id, job=delivery.job_id)
            answer = Answer(None, "an error of the courier; see its log")
        finally:
            seconds = time.monotonic() - began
            self._receivers.leave(receiver, answer, seconds)
            self._accounts.leave(delivery.account, UNTROUBLED, seconds)
            self._room.release()
        said = answer.error[:ERROR_CHARACTERS] or None
        attempt = Attempt(at=at, duration_ms=round(seconds * 1000), status=answer.status, error=said)
        waits = () if delivery.type in TRIED_ONCE else self._waits
        verdict = judge_answer(answer, delivery.tries, waits, random.random())
        LOG.info(
            "webhook", kind=delivery.type, id=delivery.id, job=delivery.job_id or None, to=receiver.place,
            status=answer.status, outcome=verdict.outcome, tries=delivery.tries, error=said,
            ms=attempt.duration_ms,
        )  # fmt: skip
        await self._settle(delivery, verdict.outcome, verdict.wait_seconds, attempt)

    async def _try(self, delivery: Delivery) -> Answer:
        if delivery.type == COPY:
            return await send_copy(delivery, self._objects, self._sender)
        endpoint = await asyncio.to_thread(self._endpoints.find, delivery.account, delivery.url)
        if endpoint is not None and endpoint.disabled_at is not None:
            return Answer(None, f"the endpoint is disabled: {endpoint.reason}", is_refused=True)
        keys = endpoint.keys(datetime.now(UTC)) if endpoint else ()
        body = await asyncio.to_thread(body_of, delivery, self._links, self._base)
        headers = sign(delivery.id, int(time.time()), body, keys or (self._service_secret,))
        answer = await self._sender.send(delivery.url, body, headers)
        if answer.status == GONE:
            reason = "it answered 410 Gone"
            await asyncio.to_thread(self._endpoints.disable, delivery.account, delivery.url, reason)
        return answer

    async def _settle(
        self, delivery: Delivery, outcome: Outcome, seconds: float, attempt: Attempt | None = None
    ) -> None:
        while True:
            try:
                await asyncio.to_thread(
                    self._store.settle_delivery,
                    delivery.id,
                    outcome,
                    delay_seconds=seconds,
                    attempt=attempt,
                )
            except Unavailable as trouble:
                LOG.warning("outbox does not answer", error=str(trouble))
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                return

    async def _sweep(self) -> None:
        """The reconciler: the store lets one process of the pool lead."""
        interval = self._settings.reconcile_seconds
        while True:
            try:
                found = await asyncio.to_thread(
                    self._store.reconcile, interval_seconds=interval, grace_seconds=self._settings.lease_seconds
                )
                await asyncio.to_thread(queue.ring_all, self._store, found.rings)
            except Unavailable as error:
                LOG.warning("sweep skipped", error=str(error))
            await asyncio.sleep(interval)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def place_of(url: str) -> str:
    """The receiver's host and port, fit for a log: the rest of a URL may hold a password or a token."""
    try:
        _, host, port = split(url)
    except OmniJobsError:
        return "refused"
    return f"{host}:{port}"


async def serve(settings: Settings) -> None:
    """One courier until SIGTERM or SIGINT. Raises Misconfigured, QueueUnavailable."""
    store = connect(settings)
    objects = open_objects(settings)
    try:
        courier = Courier(settings, store, objects)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, courier.stop)
        LOG.info("courier delivers", waits=settings.webhook_waits)
        await courier.run()
    finally:
        objects.close()
        store.close()


@click.command(help="Deliver webhooks from the outbox, and reconcile.")
@click.option("--end-with-input", "ends_with_input", is_flag=True, help="Stop when standard input closes.")
def main(ends_with_input: bool) -> None:
    """Entry point of the courier process."""
    if ends_with_input:
        threading.Thread(target=end_with_input, name="input", daemon=True).start()
    try:
        settings = load_settings()
        configure_logs(settings.log_format, settings.log_level)
        asyncio.run(serve(settings))
    except OmniJobsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_MISCONFIGURED)


if __name__ == "__main__":
    main()

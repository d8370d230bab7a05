"""Waiting for a job without polling: one thread per store hears the wake-ups of all waiters over one connection.

A wake-up is a hint. Whoever waits looks at the record as well, at least once a second, so that a lost message or a
broken connection only costs time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import redis
import redis.exceptions
import structlog

from omni_jobs.store.core import StoreCore
from omni_jobs.store.values import Ref

LOG = structlog.get_logger(__name__)
#: How often a waiter looks by itself, the thread takes up new channels, and how long it rests after an error.
POLL_SECONDS = 1.0
LISTEN_SECONDS = 0.05
REST_SECONDS = 0.5

Callback = Callable[[bytes], object]


class Listener:
    """The shared subscriber. Started by the first subscription, ends with `close` or the process."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._callbacks: dict[str, list[Callback]] = {}
        #: Channels whose subscription the server has confirmed and that we still want.
        self._live: set[str] = set()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()
        self._has_work = threading.Event()

    def subscribe(self, channel: str, callback: Callback) -> Callable[[], None]:
        """Calls back with each message, and once with b"" when the subscription holds; returns the undoing."""
        with self._lock:
            self._callbacks.setdefault(channel, []).append(callback)
            is_live = channel in self._live
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store-listener", daemon=True)
                self._thread.start()
        self._has_work.set()
        if is_live:
            callback(b"")

        def undo() -> None:
            with self._lock:
                callbacks = self._callbacks.get(channel, [])
                if callback in callbacks:
                    callbacks.remove(callback)
                if not callbacks:
                    self._callbacks.pop(channel, None)

        return undo

    def close(self) -> None:
        """Ends the thread and its connection."""
        self._is_closed.set()
        self._has_work.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._is_closed.is_set():
            try:
                with self._client.pubsub() as pubsub:
                    self._listen(pubsub)
            except (redis.exceptions.RedisError, OSError) as error:
                LOG.warning("wake_ups_interrupted", error=str(error))
                self._is_closed.wait(REST_SECONDS)

    def _listen(self, pubsub: redis.client.PubSub) -> None:
        held: set[str] = set()
        with self._lock:
            self._live.clear()
        while not self._is_closed.is_set():
            held = self._follow(pubsub, held)
            if not held:
                self._has_work.wait(REST_SECONDS)
                self._has_work.clear()
                continue
            message = pubsub.get_message(timeout=LISTEN_SECONDS)
            if message is None:
                continue
            channel = message["channel"].decode()
            if message["type"] == "subscribe":
                self._confirm(channel)
            elif message["type"] == "message":
                self._call(channel, message["data"])

    def _follow(self, pubsub: redis.client.PubSub, held: set[str]) -> set[str]:
        with self._lock:
            wanted = set(self._callbacks)
            self._live &= wanted
        if wanted - held:
            pubsub.subscribe(*(wanted - held))
        if held - wanted:
            pubsub.unsubscribe(*(held - wanted))
        return wanted

    def _confirm(self, channel: str) -> None:
        with self._lock:
            if channel in self._callbacks:
                self._live.add(channel)
        self._call(channel, b"")

    def _call(self, channel: str, data: bytes) -> None:
        with self._lock:
            callbacks = list(self._callbacks.get(channel, ()))
        for callback in callbacks:
            try:
                callback(data)
            except Exception:
                # One listener's fault must not silence the others.
                LOG.exception("wake_up_callback_failed", channel=channel)


class Waking(StoreCore):
    """Wake-ups for waiters, and hints of cancellation for workers."""

    _listener: Listener | None = None
    _listener_lock = threading.Lock()

    def wait(self, account: str, job_id: str, after: int, timeout_seconds: float) -> bool:
        """Sleeps until the job has a durable event after `after`, or said anything (progress), or time is up.

        Returns:
            Whether there may be something to read. A job that is not there counts as news.
        """
        news, wake = threading.Event(), threading.Event()

        def hear(data: bytes) -> None:
            # b"" says that the subscription holds now: the waiter looks once more, for what happened before.
            if data:
                news.set()
            wake.set()

        undo = self._listen_to(self.keys("channel", account, job_id), hear)
        try:
            return self._sleep(account, job_id, after, time.monotonic() + timeout_seconds, news, wake)
        finally:
            undo()

    def on_wake(self, account: str, job_id: str, callback: Callable[[], object]) -> Callable[[], None]:
        """Calls back, in the listening thread, whenever the job said anything; returns the undoing.

        It also calls once when it begins to listen. For callers with an event loop; `wait` is for threads.
        """
        return self._listen_to(self.keys("channel", account, job_id), lambda _data: callback())

    def on_cancel(self, callback: Callable[[Ref], None]) -> Callable[[], None]:
        """Calls back, in the listening thread, for each running job that is canceled; returns the undoing.

        A hint that may be lost: `renew` tells it again.
        """

        def hear(data: bytes) -> None:
            if data:
                callback(Ref.parse(data.decode()))

        return self._listen_to(self.keys("cancels"), hear)

    def close(self) -> None:
        """Ends the listening thread and the connections."""
        if self._listener is not None:
            self._listener.close()
        with suppress(redis.exceptions.RedisError):
            self.redis.close()

    def _sleep(
        self,
        account: str,
        job_id: str,
        after: int,
        ends: float,
        news: threading.Event,
        wake: threading.Event,
    ) -> bool:
        while not news.is_set():
            (sequence,) = self._ask(("HGET", self.keys("job", account, job_id), "sequence"))
            if sequence is None or int(sequence) > after:
                return True
            left = ends - time.monotonic()
            if left <= 0:
                return False
            wake.wait(min(left, POLL_SECONDS))
            wake.clear()
        return True

    def _listen_to(self, channel: str, callback: Callback) -> Callable[[], None]:
        with self._listener_lock:
            if self._listener is None:
                self._listener = Listener(self.redis)
        return self._listener.subscribe(channel, callback)

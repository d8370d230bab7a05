"""Greenlets against baton-passing threads: what one hand-over between the hub and a request costs.

`python -m benchmarks.switching` prints both in microseconds and their ratio; the choice is in docs/decisions.md.
"""

from __future__ import annotations

import json
import threading
import time

import greenlet

HANDOVERS = 20_000
REQUESTS = 8


def with_greenlets() -> float:
    """Seconds per resume-and-park."""
    hub = greenlet.getcurrent()

    def run() -> None:
        while True:
            hub.switch()

    fibers = [greenlet.greenlet(run) for _ in range(REQUESTS)]
    started = time.perf_counter()
    for index in range(HANDOVERS):
        fibers[index % REQUESTS].switch()
    return (time.perf_counter() - started) / HANDOVERS


def with_threads() -> float:
    """The same with one thread per request and a lock as the baton."""
    batons = [threading.Semaphore(0) for _ in range(REQUESTS)]
    back = threading.Semaphore(0)

    def run(index: int) -> None:
        while True:
            batons[index].acquire()
            back.release()

    for index in range(REQUESTS):
        threading.Thread(target=run, args=(index,), daemon=True).start()
    started = time.perf_counter()
    for index in range(HANDOVERS):
        batons[index % REQUESTS].release()
        back.acquire()
    return (time.perf_counter() - started) / HANDOVERS


def main() -> None:
    greenlets, threads = with_greenlets(), with_threads()
    result = {
        "greenlet_microseconds": round(greenlets * 1e6, 2),
        "thread_microseconds": round(threads * 1e6, 2),
        "ratio": round(threads / greenlets, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

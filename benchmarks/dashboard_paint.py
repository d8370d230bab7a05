"""How soon the dashboard paints, and what its requests cost the server, with many jobs in the store.

`python -m benchmarks.dashboard_paint --jobs 100000` starts Redis, API and a Chromium on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks.store_bytes import finish, typical_request
from omni_jobs.names import new_id
from omni_jobs.redis_server import start_server
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from tests.dashboard.conftest import CHROMIUM, FLAGS
from tests.servers.processes import api

#: The page's own requests, and the lists that people ask for.
REQUESTS = {
    "session": "v1/session",
    "pool": "v1/pool",
    "jobs": "v1/jobs?limit=50",
    "jobs by status": "v1/jobs?limit=50&status=succeeded",
    "jobs by a tag that none has": "v1/jobs?limit=50&tag=nothing",
    "count": "v1/job_count?status=succeeded",
    "count by tag": "v1/job_count?tag=draft",
}
#: What the browser tells of a page: milliseconds until something was painted, and until a page stood there.
PAINT = """() => new Promise((resolve) => {
  const told = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (!paint || !document.querySelector("main h1")) return setTimeout(told, 5);
    resolve({ paint: paint.startTime, page: performance.now() });
  };
  told();
})"""


def fill(store: JobStore, count: int) -> None:
    """Copies of one finished job, as so many submits would leave them."""
    first, _ = store.create(typical_request(0), account="default", seed=1, fingerprint="x")
    finish(store)
    kinds = ("job", "request", "result", "events")
    dumps = {kind: store.redis.dump(store.keys(kind, "default", first.id)) for kind in kinds}
    began_ms = round(time.time() * 1000) - count
    for begin in range(0, count, 1000):
        pipeline = store.redis.pipeline(transaction=False)
        for number in range(begin, min(begin + 1000, count)):
            job_id = new_id("job")
            for kind, dump in dumps.items():
                pipeline.restore(store.keys(kind, "default", job_id), 0, dump)
            pipeline.hset(store.keys("job", "default", job_id), mapping={"id": job_id, "idempotency": ""})
            for index in ("account_jobs", "default"), ("status_jobs", "default", "succeeded"):
                pipeline.zadd(store.keys(*index), {job_id: began_ms + number})
        pipeline.execute()


def painted(browser: Browser, url: str, place: str, times: int) -> dict[str, Any]:
    """Milliseconds of first visits, each with an empty cache, and of the visits after them."""
    first: list[dict[str, float]] = []
    again: list[dict[str, float]] = []
    for _ in range(times):
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        for visits in first, again:
            page = context.new_page()
            page.goto(f"{url}/dashboard/#/{place}")
            visits.append(page.evaluate(PAINT))
            page.close()
        context.close()
    return {"first visit": spread(first), "next visit": spread(again)}


def spread(visits: list[dict[str, float]]) -> dict[str, list[int]]:
    """Median and worst."""
    return {
        name: [round(statistics.median(one[name] for one in visits)), round(max(one[name] for one in visits))]
        for name in ("paint", "page")
    }


def asked(url: str, times: int) -> dict[str, list[float]]:
    """Median and worst milliseconds of each request."""
    found = {}
    with httpx.Client(base_url=url, timeout=60) as http:
        for name, path in REQUESTS.items():
            took = []
            for _ in range(times):
                began = time.perf_counter()
                http.get(path).raise_for_status()
                took.append((time.perf_counter() - began) * 1000)
            found[name] = [round(statistics.median(took), 1), round(max(took), 1)]
    return found


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=9)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(start_server(folder / "redis"))
        given = {"redis_url": server.url, "storage_url": str(folder / "objects"), "data_dir": str(folder)}
        store = connect(Settings.model_validate(given))
        stack.callback(store.close)
        fill(store, options.jobs)
        url = stack.enter_context(api(folder, **given, log_level="warning"))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            paints = {place: painted(browser, url, place, options.times) for place in ("overview", "jobs")}
            browser.close()
        figures = {"jobs": store.counts("default"), "load": round(os.getloadavg()[0], 1)}
        figures |= {"paint_ms": paints, "request_ms": asked(url, options.times)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

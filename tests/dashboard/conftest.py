"""A real deployment and a real Chromium. Each test leaves a picture of its last sight in its temporary folder."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from omni_jobs.redis_server import RedisServer
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect
from tests.servers.processes import api, started

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
MODEL = "sim"
#: Machines that run these tests may do much else.
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)
SOURCE = "simulated?launch_ms=40&row_ms=2&fail_on=broken"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "dashboard" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@dataclass
class Pool:
    """A service with one simulated worker."""

    url: str
    store: JobStore
    settings: dict[str, Any]
    folder: Path

    def open(self, page: Page, place: str = "") -> Page:
        page.goto(f"{self.url}/dashboard/#/{place}")
        return page


def until_ready(url: str) -> None:
    """Waits until a worker takes jobs; one starts slowly on a machine that does much else."""
    ends = time.monotonic() + 200
    while (answer := httpx.get(f"{url}/readyz", timeout=30)).status_code != 200:
        assert time.monotonic() < ends, answer.text
        time.sleep(0.1)


@pytest.fixture(scope="session")
def pool(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder = tmp_path_factory.mktemp("dashboard")
    settings: dict[str, Any] = {
        "redis_url": redis_server.url,
        "key_prefix": f"t{secrets.token_hex(6)}",
        "storage_url": str(folder / "objects"),
        "data_dir": str(folder),
    }
    arguments = ("--model", f"{MODEL}={SOURCE}", "--caps", "fixed(8)", "--name", "one")
    store = connect(Settings.model_validate(settings))
    with (
        api(folder, **settings) as url,
        started("workers.app", *arguments, log=folder / "worker.log", **settings, slots=8),
    ):
        until_ready(url)
        yield Pool(url, store, settings, folder)
    store.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("There is no Chromium; `make test-browser` says how to get one.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A fresh tab. What the page logs as an error fails the test; its last sight is kept as a picture."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda said: problems.append(said.text) if is_trouble(said.type, said.text) else None)
    yield opened
    opened.screenshot(path=tmp_path / "last.png")
    context.close()
    assert not problems


def is_trouble(kind: str, text: str) -> bool:
    # The browser itself tells of every answer that is an error; the page shows those.
    return kind == "error" and not text.startswith("Failed to load resource")

"""Outputs, workers, dead letters, keys and the playground; and what holds of every page."""

from __future__ import annotations

import json
import re
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import MODEL, Pool
from tests.dashboard.test_pages import finished, submit

PLACES = {
    "overview": "Overview",
    "jobs": "Jobs",
    "gallery": "Gallery",
    "playground": "Playground",
    "workers": "Workers",
    "dead": "Dead letters",
    "webhooks": "Webhooks",
    "keys": "Keys",
}


def test_outputs_are_compared_side_by_side(pool: Pool, page: Page) -> None:
    for seed in (1, 2):
        assert finished(pool, submit(pool, "two foxes", seed=seed)) == "succeeded"
    pool.open(page, "gallery")
    foxes = page.get_by_role("article", name="two foxes")
    for place in (0, 1):
        foxes.nth(place).get_by_label("Compare").check()
    page.get_by_role("button", name="Compare").click()
    comparison = page.get_by_role("dialog", name="Comparison")
    expect(comparison.get_by_role("img")).to_have_count(2)
    expect(comparison.locator(".differs")).to_have_text(["2", "1"])


def test_workers_show_who_shares_which_batch(pool: Pool, page: Page) -> None:
    jobs = [submit(pool, steps=80) for _ in range(3)]
    pool.open(page, "workers")
    worker = page.get_by_role("region", name="Worker one")
    expect(worker.get_by_role("img", name=re.compile(r"the largest holds [3-8]"))).to_be_visible()
    expect(worker).to_contain_text(jobs[-1][-12:])
    expect(worker).to_contain_text("ms a step")
    expect(worker.get_by_role("progressbar", name="Host memory of one")).to_be_visible()
    for job_id in jobs:
        assert finished(pool, job_id) == "succeeded"


def test_a_model_is_unloaded_and_loaded(pool: Pool, page: Page) -> None:
    pool.open(page, "workers")
    page.get_by_role("button", name=f"unload {MODEL}").click()
    page.get_by_role("dialog").get_by_role("button", name="Unload it").click()
    page.get_by_role("button", name=f"load {MODEL}", exact=True).click()
    expect(page.get_by_role("button", name=f"unload {MODEL}")).to_be_visible()


def test_dead_jobs_are_redriven(pool: Pool, page: Page) -> None:
    job_id = submit(pool, "broken")
    assert finished(pool, job_id) == "failed"
    pool.open(page, "dead")
    page.get_by_role("button", name=f"Redrive {job_id}").click()
    expect(page.get_by_text("1 submitted again.")).to_be_visible()
    assert httpx.get(f"{pool.url}/v1/jobs?limit=1").json()["jobs"][0]["retry_of"] == job_id


def test_the_playground_submits_what_its_call_says(pool: Pool, page: Page) -> None:
    pool.open(page, f"playground?model={MODEL}")
    page.get_by_label("prompt", exact=True).fill("it's a fox")
    page.get_by_label("num_inference_steps").fill("6")
    told = page.get_by_label("curl", exact=True).inner_text().split("-d ", 1)[1].strip("'").replace(r"'\''", "'")
    page.get_by_role("button", name="Submit").click()
    expect(page).to_have_url(re.compile("#/job/job_"))
    asked = httpx.get(f"{pool.url}/v1/jobs/{page.url.rpartition('/')[2]}").json()["request"]
    said = json.loads(told)
    assert said["parameters"] == {"num_inference_steps": 6}
    assert {name: asked[name] for name in said} == said


def test_a_key_is_made_and_revoked(pool: Pool, page: Page) -> None:
    pool.open(page, "keys")
    page.get_by_label("Account").fill("shop")
    page.get_by_role("button", name="Make a key").click()
    text = page.get_by_label("key", exact=True).inner_text()
    assert pool.store.admit(text).account == "shop"
    key_id = f"key_{text.split('_')[1]}"
    page.get_by_role("button", name=f"Revoke {key_id}").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("row").filter(has_text=key_id)).to_contain_text("revoked")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(pool: Pool, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    job_id = submit(pool)
    assert finished(pool, job_id) == "succeeded"
    page = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme=scheme).new_page()
    for place, title in (PLACES | {f"job/{job_id}": job_id}).items():
        pool.open(page, place)
        expect(page.locator("main h1")).to_have_text(title)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{place}: {found.generate_report()}"
    page.context.close()


def test_nothing_is_wider_than_a_phone(pool: Pool, browser: Browser) -> None:
    job_id = submit(pool, "a fox " * 60)
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    for place, title in (PLACES | {f"job/{job_id}": job_id}).items():
        pool.open(page, place)
        expect(page.locator("main h1")).to_have_text(title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
    page.context.close()


def test_the_keyboard_leads_everywhere(pool: Pool, page: Page) -> None:
    job_id = submit(pool)
    pool.open(page, "overview")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page.locator(f"a[href='#/job/{job_id}']")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/job/job_"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_webhooks_show_what_was_sent_and_what_waits(pool: Pool, page: Page) -> None:
    job_id = submit(pool, webhook={"url": "https://hooks.example.com/jobs", "events": ["job.succeeded"]})
    assert finished(pool, job_id) == "succeeded"
    pool.open(page, f"job/{job_id}")
    sent = page.get_by_label("Deliveries").get_by_role("row").filter(has_text="job.succeeded")
    expect(sent).to_contain_text("waiting")
    pool.open(page, "webhooks")
    page.get_by_label("URL", exact=True).fill("https://hooks.example.com/jobs")
    page.get_by_role("button", name="Register").click()
    page.get_by_role("button", name="Send a test event").click()
    log = page.get_by_role("group", name="Deliveries")
    expect(log.get_by_role("row")).to_have_count(3)
    page.get_by_label("State").select_option("given_up")
    expect(page.get_by_text("No deliveries")).to_be_visible()

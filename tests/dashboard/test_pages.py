"""The pages in a real Chromium, against a real service with a worker."""

from __future__ import annotations

import json
import re

import httpx
from playwright.sync_api import Locator, Page, Route, expect

from tests.dashboard.conftest import MODEL, Pool


def submit(pool: Pool, prompt: str = "a fox", steps: int = 4, **fields: object) -> str:
    body = {"model": MODEL, "prompt": prompt, "parameters": {"num_inference_steps": steps}, **fields}
    answer = httpx.post(f"{pool.url}/v1/jobs", json=body, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["id"])


def finished(pool: Pool, job_id: str) -> str:
    return str(httpx.get(f"{pool.url}/v1/jobs/{job_id}?wait=60", timeout=70).json()["status"])


def row(page: Page, job_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.locator(f"a[href='#/job/{job_id}']"))


def test_the_overview_follows_the_pool(pool: Pool, page: Page) -> None:
    pool.open(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert [finished(pool, submit(pool)), finished(pool, submit(pool, "broken"))] == ["succeeded", "failed"]
    expect(page.get_by_label("Errors by code").first).to_contain_text("execution_failed")
    expect(page.get_by_label("Jobs that ended").first).to_contain_text(re.compile(r"\d+ succeeded, \d+ failed"))
    expect(page.locator(".live")).to_have_text("live")


def test_intake_is_paused_and_resumed(pool: Pool, page: Page) -> None:
    pool.open(page, "overview")
    page.get_by_role("button", name="Pause intake").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause intake").click()
    expect(page.get_by_text("Intake is paused since")).to_be_visible()
    refused = httpx.post(f"{pool.url}/v1/jobs", json={"model": MODEL, "prompt": "a fox"})
    assert (refused.status_code, refused.json()["error_type"]) == (503, "intake_paused")
    page.get_by_role("button", name="Resume intake").click()
    expect(page.get_by_role("button", name="Pause intake")).to_be_visible()
    assert finished(pool, submit(pool)) == "succeeded"


def test_jobs_appear_are_canceled_together_and_tried_again(pool: Pool, page: Page) -> None:
    pool.open(page, "jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    held = [submit(pool, not_before="2999-01-01T00:00:00Z", tags=["held"]) for _ in range(2)]
    for job_id in held:
        page.get_by_label(f"Select {job_id}").check()
    page.get_by_role("button", name="Cancel 2").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel them").click()
    for job_id in held:
        expect(row(page, job_id)).to_contain_text("canceled")
        assert finished(pool, job_id) == "canceled"
    page.get_by_label(f"Select {held[0]}").check()
    page.get_by_role("button", name="Retry 1").click()
    expect(page.get_by_text("1 done.")).to_be_visible()
    newest = httpx.get(f"{pool.url}/v1/jobs?limit=1").json()["jobs"][0]
    assert newest["retry_of"] == held[0]
    page.get_by_label("Tag or id").fill("held")
    page.get_by_label("Tag or id").press("Enter")
    expect(page.locator("[data-job]")).to_have_count(3)
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_text("No job fits")).to_be_visible()


def test_a_job_is_followed_to_its_end(pool: Pool, page: Page) -> None:
    # The shell is there before the job is, which runs for some seconds only.
    pool.open(page, "webhooks")
    expect(page.get_by_role("heading", name="Webhooks")).to_be_visible()
    job_id = submit(pool, "a fox <b>& 'hen'</b>", steps=150)
    pool.open(page, f"job/{job_id}")
    expect(page.get_by_text(re.compile(r"denoise, step \d+ of 150"))).to_be_visible()
    picture = page.get_by_role("img", name="Output 0")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 64
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
    expect(page.get_by_label("Events")).to_contain_text("succeeded")
    expect(page.get_by_label("Asked").get_by_text("a fox <b>& 'hen'</b>")).to_be_visible()
    assert r"a fox <b>& '\''hen'\''</b>" in page.get_by_label("curl", exact=True).inner_text()


def test_a_failed_job_says_what_to_do(pool: Pool, page: Page) -> None:
    job_id = submit(pool, "broken")
    assert finished(pool, job_id) == "failed"
    pool.open(page, f"job/{job_id}")
    expect(page.get_by_label("Failed")).to_contain_text("execution_failed")
    page.get_by_role("button", name="Retry").click()
    expect(page).not_to_have_url(re.compile(job_id))
    expect(page.get_by_label("Attempts").first).to_contain_text(job_id)


def test_a_job_that_is_not_there_is_named(pool: Pool, page: Page) -> None:
    pool.open(page, "job/job_0")
    expect(page.get_by_role("alert")).to_contain_text("There is no job job_0")


def test_all_that_match_are_canceled_after_a_count_and_a_question(pool: Pool, page: Page) -> None:
    held = [submit(pool, not_before="2999-01-01T00:00:00Z", tags=["many"]) for _ in range(60)]
    other = submit(pool, not_before="2999-01-01T00:00:00Z")
    pool.open(page, "jobs?status=queued&tag=many")
    page.get_by_role("button", name="Cancel all").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Cancel 60 jobs (queued, tag many)?")
    question.get_by_role("button", name="Cancel them").click()
    expect(page.get_by_text("60 canceled.")).to_be_visible()
    assert set(pool.store.statuses("default", held)) == {"canceled"}
    assert pool.store.statuses("default", [other]) == ["queued"]
    expect(page.get_by_text("No job fits")).to_be_visible()


def test_stop_here_asks_for_no_more_than_is_under_way(pool: Pool, page: Page) -> None:
    held = [submit(pool, not_before="2999-01-01T00:00:00Z", tags=["stopped"]) for _ in range(2)]
    under_way: list[Route] = []
    page.route("**/v1/cancellations/matching", lambda route: under_way.append(route))
    pool.open(page, "jobs?tag=stopped")
    page.get_by_role("button", name="Cancel all").click()
    with page.expect_request("**/v1/cancellations/matching"):
        page.get_by_role("dialog").get_by_role("button", name="Cancel them").click()
    page.get_by_role("button", name="Stop here").click()
    under_way[0].continue_()
    expect(page.get_by_text("2 canceled.")).to_be_visible()
    (only,) = under_way
    assert json.loads(only.request.post_data or "")["status"] == "queued"
    assert set(pool.store.statuses("default", held)) == {"canceled"}


def test_lists_show_small_pictures_and_ask_for_each_once(pool: Pool, page: Page) -> None:
    job_id = submit(pool, "a small fox", tags=["small"])
    assert finished(pool, job_id) == "succeeded"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/" in request.url else None)
    pool.open(page, "jobs?tag=small")
    shot = row(page, job_id).locator("img.thumb")
    expect(shot).to_have_js_property("complete", True)
    expect(shot).to_have_js_property("naturalWidth", 64)
    pool.open(page, "gallery")
    expect(page.get_by_role("img", name="a small fox").first).to_have_js_property("naturalWidth", 64)
    assert sum(url.endswith(f"{job_id.removeprefix('job_')}_0/thumbnail") for url in asked) == 1
    assert not any("/v1/objects/" in url for url in asked)


def test_what_failed_with_a_code_is_tried_again_together(pool: Pool, page: Page) -> None:
    failed = [submit(pool, "broken", tags=["together"]) for _ in range(2)]
    assert {finished(pool, job_id) for job_id in failed} == {"failed"}
    pool.open(page, "jobs?status=failed&tag=together&error_code=execution_failed")
    page.get_by_role("button", name="Retry all").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Retry 2 jobs (failed, tag together, error code execution_failed)?")
    question.get_by_role("button", name="Retry them").click()
    expect(page.get_by_text("2 submitted again.")).to_be_visible()
    again = httpx.get(f"{pool.url}/v1/jobs", params={"tag": "together"}).json()["jobs"]
    assert sorted(job["retry_of"] for job in again if "retry_of" in job) == sorted(failed)

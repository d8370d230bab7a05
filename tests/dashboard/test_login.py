"""With keys on, a stranger meets a log-in form and nothing else; a key opens what its scopes allow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from omni_jobs.schemas.access import Scope
from tests.dashboard.conftest import Pool
from tests.servers.processes import api


@pytest.fixture
def keyed(pool: Pool) -> Iterator[Pool]:
    """The same service, which asks for keys."""
    with api(pool.folder, **pool.settings, require_keys=True) as url:
        yield Pool(url, pool.store, pool.settings, pool.folder)


def enter(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()


def test_nothing_is_shown_without_a_key(keyed: Pool, page: Page) -> None:
    keyed.open(page, "jobs")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert page.get_by_role("navigation").count() == 0
    enter(page, f"omni_{12 * '0'}_{40 * '0'}")
    expect(page.get_by_role("alert")).to_contain_text("The key is wrong.")
    assert page.context.cookies() == []


def test_a_key_opens_what_its_scopes_allow_until_it_is_revoked(keyed: Pool, page: Page) -> None:
    key, text = keyed.store.issue_key("ann", scopes=[Scope.READ])
    keyed.open(page)
    enter(page, text)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator("nav a")).to_have_text(["Overview", "Jobs", "Gallery", "Dead letters", "Webhooks"])
    assert page.get_by_role("button", name="Pause intake").count() == 0
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    keyed.store.revoke_key(key.id)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("is revoked")


def test_logging_out_forgets_the_key(keyed: Pool, page: Page) -> None:
    _, text = keyed.store.issue_key("ann")
    keyed.open(page)
    enter(page, text)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("[...Object.values(sessionStorage), ...Object.values(localStorage)]") == []

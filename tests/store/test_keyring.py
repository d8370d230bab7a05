"""Keys in the store: what is kept of them, who is admitted, what a revoked one is worth."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from omni_jobs.cli import main
from omni_jobs.errors import InvalidRequest, NotFound, Unauthorized
from omni_jobs.redis_server import RedisServer
from omni_jobs.schemas.access import Scope
from omni_jobs.store import JobStore
from tests.store.conftest import pass_time


def test_only_a_digest_is_kept(any_store: JobStore) -> None:
    key, text = any_store.issue_key("ann", name="laptop")
    kept = any_store.redis.hgetall(any_store.keys("api_key", key.id))
    secret = text.rpartition("_")[2].encode()
    assert not any(secret in value for value in kept.values())
    caller = any_store.admit(text)
    assert (caller.account, caller.key_id) == ("ann", key.id)
    assert caller.scopes == {Scope.READ, Scope.SUBMIT}


def test_last_use_is_noted_but_not_at_every_use(any_store: JobStore) -> None:
    assert any_store.scripts.clock_ms is not None
    _, text = any_store.issue_key("ann")
    assert any_store.issued_keys()[0].used_at is None
    any_store.admit(text)
    first = any_store.issued_keys()[0].used_at
    any_store.scripts.clock_ms += 30_000
    any_store.admit(text)
    assert any_store.issued_keys()[0].used_at == first
    any_store.scripts.clock_ms += 30_000
    any_store.admit(text)
    assert any_store.issued_keys()[0].used_at != first


def test_revoked_and_unknown_keys_are_refused(any_store: JobStore) -> None:
    key, text = any_store.issue_key("ann")
    other, _ = any_store.issue_key("bob")
    revoked = any_store.revoke_key(key.id)
    assert any_store.revoke_key(key.id) == revoked
    with pytest.raises(Unauthorized, match="revoked"):
        any_store.admit(text)
    forged = f"omni_{other.id.removeprefix('key_')}_{text.rpartition('_')[2]}"
    for wrong in (forged, "", "omni_x_y", f"omni_{12 * '0'}_{40 * '0'}"):
        with pytest.raises(Unauthorized, match="wrong"):
            any_store.admit(wrong)
    with pytest.raises(NotFound):
        any_store.revoke_key("key_none")
    with pytest.raises(InvalidRequest):
        any_store.issue_key("a/b")


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), timedelta(days=3651), timedelta.max])
def test_a_lifetime_that_is_none_is_refused_and_no_key_is_made(any_store: JobStore, lifetime: timedelta) -> None:
    with pytest.raises(InvalidRequest, match="is not between nothing and 3650 days") as caught:
        any_store.issue_key("ann", lifetime=lifetime)
    assert caught.value.field == "lifetime"
    assert any_store.issued_keys() == []


def test_a_key_ends_with_its_lifetime(any_store: JobStore) -> None:
    key, text = any_store.issue_key("ann", lifetime=timedelta(days=1))
    end = key.created_at + timedelta(days=1)
    assert key.expires_at == end
    pass_time(any_store, 24 * 3600 - 1)
    any_store.admit(text)
    pass_time(any_store, 1)
    with pytest.raises(Unauthorized, match=re.escape(f"{key.id} expired at {end.isoformat()}")):
        any_store.admit(text)
    (shown,) = any_store.issued_keys()
    assert (shown.state(key.created_at), shown.state(end)) == ("live", "expired")
    any_store.revoke_key(key.id)
    with pytest.raises(Unauthorized, match="revoked"):
        any_store.admit(text)


def test_keys_on_the_command_line(redis_server: RedisServer, tmp_path: Path, store: JobStore) -> None:
    environment = {
        "OMNI_REDIS_URL": redis_server.url,
        "OMNI_KEY_PREFIX": store.keys.prefix,
        "OMNI_DATA_DIR": str(tmp_path),
        "COLUMNS": "200",
    }

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["keys", *arguments], env=environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    text = run("create", "--account", "ann", "--name", "laptop", "--scope", "admin").strip()
    assert store.admit(text).may(Scope.READ)
    (key,) = store.issued_keys("ann")
    shown = run("list")
    assert all(word in shown for word in (key.id, "laptop", "admin", "live"))
    assert text not in shown
    brief = run("create", "--account", "eve", "--lifetime", "2h").strip()
    assert store.admit(brief).account == "eve"
    (brief_key,) = store.issued_keys("eve")
    assert brief_key.expires_at == brief_key.created_at + timedelta(hours=2)
    assert f"{brief_key.expires_at:%Y-%m-%d %H:%M}" in run("list", "--account", "eve")
    assert key.id in run("revoke", key.id)
    assert "revoked" in run("list", "--account", "ann")
    assert key.id not in run("list", "--account", "bob")

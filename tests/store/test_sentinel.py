"""The address of a Redis behind Sentinel, as the store and as Celery read it."""

from __future__ import annotations

import pytest

from omni_jobs.celery_tasks import broker_address, broker_settings
from omni_jobs.errors import Misconfigured
from omni_jobs.store.connection import host_of, open_redis
from omni_jobs.store.sentinel import read_address

URL = "sentinel://app:p%40w@one:1,two/jobs?db=2&sentinel_password=x"


def test_the_parts_of_an_address() -> None:
    address = read_address(URL)
    assert (address.sentinels, address.service, address.database) == ((("one", 1), ("two", 26379)), "jobs", 2)
    assert (address.username, address.password, address.sentinel_password) == ("app", "p@w", "x")
    assert "p@w" not in repr(address)
    assert host_of(URL) == "sentinel://one:1,two/jobs"


def test_celery_is_told_the_same() -> None:
    assert broker_address(URL) == ("sentinel://app:p%40w@one:1/2;sentinel://app:p%40w@two:26379/2", None)
    options = broker_settings(URL, "omni")["broker_transport_options"]
    assert options["master_name"] == "jobs"
    assert options["sentinel_kwargs"]["password"] == "x"
    assert "master_name" not in broker_settings("redis://one:1/0", "omni")["broker_transport_options"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sentinel://one:1", "names hosts and a service"),
        ("sentinel:///jobs", "names hosts and a service"),
        ("sentinel://one:x/jobs", "invalid literal"),
        ("sentinel://one/jobs?tls=1", "takes db and sentinel_password, not tls"),
    ],
)
def test_a_wrong_address_is_refused_by_name(url: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=words) as caught:
        open_redis(url)
    assert caught.value.field == "redis_url"

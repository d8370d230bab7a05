"""Where a stranger's URL may lead us: every address that is not a public one is refused, in whatever clothes."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_jobs.errors import Forbidden, Misconfigured
from omni_jobs.webhooks.addresses import is_public, judge, parse_allowed

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "192.88.99.1",
    "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "64:ff9b:1::1", "::ffff:127.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "::ffff:0:10.0.0.1", "::10.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "2002::", "::ffff:0:0:0"]))
def test_an_address_in_disguise_is_judged_as_itself(address: ipaddress.IPv4Address, form: str) -> None:
    shift = 80 if form == "2002::" else 0
    disguised = ipaddress.IPv6Address(int(ipaddress.IPv6Address(form)) | int(address) << shift)
    assert is_public(disguised) == is_public(address)


def answers(*addresses: str) -> Any:
    """A resolver that knows these addresses for every name."""
    return lambda _host, port, **_: [(socket.AF_INET, 1, 6, "", (one, port)) for one in addresses]


def test_one_private_address_among_public_ones_spoils_the_name() -> None:
    assert judge("https://hooks.example/x", resolve=answers("1.1.1.1")).place == "hooks.example:443"
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        judge("https://hooks.example/x", resolve=answers("1.1.1.1", "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://017700000001/", "http://localhost/",
        "http://[::1]/", "http://127.0.0.1:443/", "http://[::ffff:7f00:1]/",
    ],
)  # fmt: skip
def test_digits_in_the_url_are_judged_by_what_they_resolve_to(url: str) -> None:
    with pytest.raises(Forbidden, match="no public address"):
        judge(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://hooks.example/", "http"),
        ("https://user:pw@hooks.example/", "user or password"),
        ("https:///x", "host"),
        ("https://hooks.example:22/", "Port 22"),
        ("https://hooks.example:99999/", "malformed"),
        ("https://[oops/", "malformed"),
    ],
)
def test_urls_that_are_refused_for_their_form(url: str, why: str) -> None:
    with pytest.raises(Forbidden, match=why):
        judge(url, resolve=answers("1.1.1.1"))


def test_what_the_operator_allows_is_that_host_and_that_port_only() -> None:
    allowed = parse_allowed("127.0.0.1:9000, [::1]:9001")
    assert judge("http://127.0.0.1:9000/x", allowed).place == "127.0.0.1:9000"
    assert judge("http://[::1]:9001/x", allowed, resolve=answers("::1")).place == "::1:9001"
    for url in ("http://127.0.0.1:9001/", "http://127.0.0.2:9000/", "http://localhost:9000/"):
        with pytest.raises(Forbidden):
            judge(url, allowed)


@pytest.mark.parametrize("text", ["localhost", "a:b", ":80", "a:0", "a:70000"])
def test_a_malformed_allow_list_is_refused_by_name(text: str) -> None:
    with pytest.raises(Misconfigured, match="webhook_allow"):
        parse_allowed(text)

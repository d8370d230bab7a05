"""Signatures, the schedule and the gates: pure rules, checked against the public package and their own words."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from omni_jobs.errors import Forbidden, Misconfigured
from omni_jobs.settings import Settings
from omni_jobs.webhooks import new_secret, sign, verify
from omni_jobs.webhooks.courier import place_of
from omni_jobs.webhooks.gates import Gates
from omni_jobs.webhooks.schedule import Answer, judge_answer, parse_waits
from omni_jobs.webhooks.sender import retry_after


def test_the_specifications_own_example() -> None:
    headers = sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.dictionaries(st.text(), st.text()), st.lists(st.builds(new_secret), min_size=1, max_size=3))
def test_the_public_package_and_ours_accept_the_same(body: dict[str, str], secrets: list[str]) -> None:
    sent = json.dumps(body, ensure_ascii=True).encode()
    headers = sign("evt_1", int(time.time()), sent, secrets)
    for secret in secrets:
        assert Webhook(secret).verify(sent, headers) == verify(sent, headers, secret) == body
    with pytest.raises(Forbidden, match="No signature"):
        verify(sent + b" ", headers, secrets[0])
    with pytest.raises(Forbidden, match="No signature"):
        verify(sent, headers, new_secret())


def test_an_old_or_headless_message_is_refused() -> None:
    secret = new_secret()
    headers = sign("evt_1", 1_000_000, b"{}", [secret])
    assert verify(b"{}", headers, secret, now=1_000_200) == {}
    with pytest.raises(Forbidden, match="400 s ago"):
        verify(b"{}", headers, secret, now=1_000_400)
    with pytest.raises(Forbidden, match="header"):
        verify(b"{}", {"webhook-id": "x"}, secret)


def test_the_default_schedule_is_ten_tries_in_three_days() -> None:
    waits = parse_waits(Settings().webhook_waits)
    assert len(waits) == 9
    assert sum(waits) == pytest.approx(75 * 3600 + 35 * 60 + 5)
    down = Answer(503)
    verdicts = [judge_answer(down, tries, waits, 0.0) for tries in range(1, 11)]
    assert [verdict.wait_seconds for verdict in verdicts[:9]] == list(waits)
    assert verdicts[9].outcome == "given_up"


@given(
    status=st.one_of(st.none(), st.integers(100, 599)),
    tries=st.integers(1, 20),
    asked=st.one_of(st.none(), st.floats(0, 1e9)),
    chance=st.floats(0, 1),
)
def test_whatever_a_receiver_says_a_delivery_ends_or_waits_in_bounds(
    status: int | None, tries: int, asked: float | None, chance: float
) -> None:
    waits = (1.0, 2.0, 4.0)
    verdict = judge_answer(Answer(status, retry_after_seconds=asked), tries, waits, chance)
    if status is not None and 200 <= status < 300:
        assert verdict.outcome == "delivered"
    elif status == 410 or tries > 3:
        assert verdict.outcome == "given_up"
    else:
        assert verdict.outcome == "later"
        assert waits[tries - 1] <= verdict.wait_seconds <= max(waits[tries - 1] * 1.1, 24 * 3600)


@pytest.mark.parametrize("text", ["", "1,x", "-1", "1,,2", "nan"])
def test_a_malformed_schedule_is_refused_by_name(text: str) -> None:
    with pytest.raises(Misconfigured, match="webhook_waits"):
        parse_waits(text)


def test_retry_after_in_both_forms() -> None:
    assert retry_after("120", 0.0) == 120
    assert retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60
    assert retry_after("soon", 0.0) is None
    assert retry_after(None, 0.0) is None


def test_a_gate_lets_few_in_and_after_trouble_one_at_a_time() -> None:
    clock = [0.0]
    gates = Gates(2, clock=lambda: clock[0])
    assert [gates.enter("a") for _ in range(2)] == [0, 0]
    assert gates.enter("a") > 0
    assert gates.enter("b") == 0
    gates.leave("a", Answer(500))
    gates.leave("a", Answer(None, "no answer"))
    assert gates.enter("a") == pytest.approx(1.0)
    clock[0] = 1.0
    assert gates.enter("a") == 0
    assert gates.enter("a") > 0
    gates.leave("a", Answer(503))
    assert gates.enter("a") == pytest.approx(2.0)
    clock[0] = 3.0
    assert gates.enter("a") == 0
    gates.leave("a", Answer(204))
    assert [gates.enter("a") for _ in range(2)] == [0, 0]


def test_those_that_wait_come_back_at_the_receivers_pace() -> None:
    """Ten thousand for one that takes two seconds ask two hundred times a second, not forty thousand."""
    clock = [0.0]
    gates = Gates(4, clock=lambda: clock[0])
    for _ in range(4):
        assert gates.enter("slow") == 0
    for _ in range(4):
        gates.leave("slow", Answer(200), 2.0)
        assert gates.enter("slow") == 0
    waits = [gates.enter("slow") for _ in range(10_000)]
    assert waits[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert max(waits) == 60.0
    assert sum(1 / wait for wait in waits) < 200
    clock[0] = 3600.0
    assert gates.enter("slow") == pytest.approx(0.5)


def test_a_refused_message_closes_no_gate() -> None:
    gates = Gates(1)
    for answer in (Answer(400), Answer(None, "port", is_refused=True)):
        assert gates.enter("a") == 0
        gates.leave("a", answer)
    assert gates.enter("a") == 0


@pytest.mark.parametrize(
    ("url", "place"),
    [("https://Hooks.example/x?token=t", "hooks.example:443"), ("https://ann:pw@hooks.example/x", "refused")],
)
def test_a_log_line_names_the_host_and_nothing_that_is_secret(url: str, place: str) -> None:
    assert place_of(url) == place

"""The checker of the chaos suite catches each violation that is planted, and nothing in a healthy history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.checker import PROMISES, check, shortest
from tests.chaos.history import Entry
from tests.chaos.planted import event, find, healthy, record, submitted, webhook

Plant = Callable[[list[Entry]], Any]


def ended(entries: list[Entry], job: str = "job_a") -> Entry:
    return find(entries, "record", job)


#: A fault planted in the healthy history, and the promise that must be named.
PLANTS: list[tuple[str, Plant]] = [
    ("nothing_is_lost", lambda h: h.remove(ended(h, "job_c"))),
    ("nothing_is_lost", lambda h: ended(h, "job_c").update(
        status="running", events=ended(h, "job_c")["events"][:2])),
    ("it_ends_once", lambda h: ended(h)["events"].append(event(7, "job.succeeded", 71, attempt=2))),
    ("it_ends_once", lambda h: ended(h, "job_b").update(status="expired")),
    ("it_ends_once", lambda h: ended(h).update(attempt=1)),
    ("it_ends_once", lambda h: ended(h)["events"][3]["data"].update(attempt=1)),
    ("it_ends_once", lambda h: ended(h)["events"][5]["data"].update(attempt=1)),
    ("events_are_whole", lambda h: ended(h)["events"].pop(2)),
    ("events_are_whole", lambda h: ended(h)["events"][4].update(sequence=9)),
    ("events_are_whole", lambda h: ended(h)["events"][1].update(at=99)),
    ("effects_are_once", lambda h: ended(h)["artifacts"][0].update(key="out/default/job_a/1/0.png")),
    ("effects_are_once", lambda h: ended(h).update(artifacts=[])),
    ("effects_are_once", lambda h: ended(h, "job_b").update(artifacts=ended(h)["artifacts"])),
    ("objects_are_there", lambda h: ended(h)["artifacts"][0].update(stored=None)),
    ("objects_are_there", lambda h: ended(h)["artifacts"][0].update(stored="bb")),
    ("objects_are_there", lambda h: ended(h)["artifacts"][0].update(is_right=False)),
    ("everybody_gets_what_is_due", lambda h: find(h, "submitted", "job_c").update(role="plain")),
    ("everybody_gets_what_is_due", lambda h: ended(h, "job_c").update(code="attempts_exhausted")),
    ("everybody_gets_what_is_due", lambda h: h.append(
        {"at": 9, "kind": "refused", "key": "k", "role": "plain", "status": 422, "text": "no"})),
    ("attempts_are_bounded", lambda h: ended(h)["events"].extend(
        event(number, "job.queued", 80, reason="lease lost") for number in range(7, 12))),
    ("cancel_holds", lambda h: h.insert(9, {"at": 65, "kind": "canceled", "job": "job_a"})),
    ("submits_are_idempotent", lambda h: h.append(submitted("job_d", "plain") | {"key": "k-job_a"})),
    ("submits_are_idempotent", lambda h: h.append(record("job_e", "canceled", ended(h, "job_b")["events"]))),
    ("answers_come_in_time", lambda h: find(h, "submitted").update(seconds=31.0)),
    ("what_was_seen_stays", lambda h: find(h, "seen").update(attempt=1)),
    ("what_was_seen_stays", lambda h: find(h, "seen").update(status="failed")),
    ("webhooks_are_true", lambda h: find(h, "webhook").update(is_valid=False)),
    ("webhooks_are_true", lambda h: find(h, "webhook").update(sequence=5)),
    ("webhooks_arrive", lambda h: h.append(webhook("job_a", 6, "job.succeeded", number=1))),
    ("webhooks_arrive", lambda h: ended(h)["wants"].append("job.started")),
    ("webhooks_arrive", lambda h: h.append({"at": 110, "kind": "delivery", "id": "evt_1", "job": "job_a"})),
    ("nothing_leaks", lambda h: find(h, "baseline").update(after=65)),
    ("nothing_is_damaged", lambda h: h.append(
        {"at": 110, "kind": "damage", "code": "no_lease", "where": "default/job_a", "message": "runs for ever"})),
    ("nobody_dies_of_it", lambda h: h.append({"at": 50, "kind": "died", "member": "api", "status": 1})),
]  # fmt: skip


def test_a_healthy_history_has_no_violation() -> None:
    assert check(healthy()) == []


@pytest.mark.parametrize(("promise", "plant"), PLANTS)
def test_a_planted_violation_is_caught(promise: str, plant: Plant) -> None:
    entries = healthy()
    plant(entries)
    found = check(entries)
    assert promise in {violation.promise for violation in found}
    assert promise not in {violation.promise for violation in check(healthy())}


def test_every_promise_has_a_planted_violation() -> None:
    assert {promise for promise, _ in PLANTS} == set(PROMISES)


def test_the_shortest_history_shows_the_violation_and_the_faults_beside_it() -> None:
    entries = healthy()
    ended(entries)["artifacts"][0]["stored"] = None
    (violation,) = check(entries)
    cut = shortest(entries, violation)
    assert [(entry["kind"], entry.get("job")) for entry in cut] == [
        ("run", None), ("fault", None), ("fault", None), ("record", "job_a"),
    ]  # fmt: skip
    assert violation in check([entry for entry in cut if entry["kind"] != "fault"])


def test_a_duplicate_needs_both_of_its_submits() -> None:
    entries = healthy()
    entries.append(submitted("job_d", "plain") | {"key": "k-job_a"})
    violation = next(one for one in check(entries) if one.promise == "submits_are_idempotent")
    cut = [entry for entry in shortest(entries, violation) if entry["kind"] in ("submitted", "record")]
    assert {entry["job"] for entry in cut} == {"job_a", "job_d"}

"""The one checker of all promises: pure, from the history of a run to the violations in it.

Each promise is a function of the history; the table at the end names them. `shortest` cuts a history to the
entries without which the violation would not show, and adds the faults that were active meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from omni_jobs.schemas import EventType, Status
from omni_jobs.schemas.events import TERMINAL_EVENTS
from omni_jobs.schemas.lifecycle import MOVES
from tests.chaos.history import Entry, of_kind
from tests.chaos.roles import ROLES

STATUS_OF = {
    EventType.QUEUED: Status.QUEUED,
    EventType.STARTED: Status.RUNNING,
    **{event: status for status, event in TERMINAL_EVENTS.items()},
}
#: Ends of attempts that count against a job, by the reason in the event that puts it back.
COUNTED = ("lease lost", "engine process died")


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, how, and by which job."""

    promise: str
    message: str
    job: str | None = None


@dataclass
class Run:
    """A history, sorted for the checks."""

    entries: Sequence[Entry]
    facts: Entry = field(init=False)
    submitted: dict[str, Entry] = field(init=False)
    records: dict[str, Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = next(of_kind(self.entries, "run"))
        self.submitted = {entry["job"]: entry for entry in of_kind(self.entries, "submitted")}
        self.records = {entry["job"]: entry for entry in of_kind(self.entries, "record")}

    def role(self, record: Entry) -> str | None:
        entry = self.submitted.get(record["job"])
        return entry["role"] if entry else None


def check(entries: Sequence[Entry]) -> list[Violation]:
    """Every violation, by promise."""
    run = Run(entries)
    return [Violation(promise, message, job) for promise, find in PROMISES.items() for job, message in find(run)]


Found = Iterator[tuple[str | None, str]]


def nothing_is_lost(run: Run) -> Found:
    """A submit that was answered 2xx reaches a terminal state."""
    for job in run.submitted:
        record = run.records.get(job)
        if record is None:
            yield job, "was acknowledged and is not in the store"
        elif not Status(record["status"]).is_terminal:
            yield job, f"was acknowledged and stays {record['status']}"


def it_ends_once(run: Run) -> Found:
    """One terminal event, the last, of the status in the record and of the newest attempt."""
    for job, record in run.records.items():
        types = [EventType(event["type"]) for event in record["events"]]
        ends = [number for number, type in enumerate(types) if type.is_terminal]
        if not Status(record["status"]).is_terminal:
            continue
        if len(ends) != 1 or ends[0] != len(types) - 1:
            yield job, f"ended {len(ends)} times: {[str(type) for type in types]}"
        elif types[-1] != TERMINAL_EVENTS[Status(record["status"])]:
            yield job, f"the record says {record['status']}, its last event {types[-1]}"
        started = [event["data"]["attempt"] for event in record["events"] if event["type"] == EventType.STARTED]
        if started != list(range(1, len(started) + 1)) or record["attempt"] != len(started):
            yield job, f"attempts {started}, and {record['attempt']} in the record"
        told = record["events"][-1]["data"].get("attempt") if types else None
        if told is not None and started and told != started[-1]:
            yield job, f"was ended by attempt {told}, while {started[-1]} was the newest"


def events_are_whole(run: Run) -> Found:
    """Numbered from 1 without a gap, in the order of time, each move one that the table allows."""
    for job, record in run.records.items():
        events = record["events"]
        numbers = [event["sequence"] for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield job, f"events are numbered {numbers}"
        times = [event["at"] for event in events]
        if times != sorted(times):
            yield job, "a later event bears an earlier time"
        path = [STATUS_OF[event["type"]] for event in events if event["type"] in STATUS_OF]
        if not path or path[0] is not Status.QUEUED:
            yield job, f"did not begin queued: {path[:1]}"
        for before, after in pairwise(path):
            if after not in MOVES[before]:
                yield job, f"moved from {before} to {after}"


def effects_are_once(run: Run) -> Found:
    """Outputs belong to the attempt that ended the job; who did not succeed has none."""
    for job, record in run.records.items():
        outputs = [event for event in record["events"] if event["type"] == EventType.OUTPUT]
        if record["status"] != Status.SUCCEEDED:
            if outputs or record["artifacts"]:
                yield job, f"is {record['status']} and shows outputs"
            continue
        if not record["artifacts"] or len(outputs) != len(record["artifacts"]):
            yield job, f"{len(record['artifacts'])} outputs, {len(outputs)} events of outputs"
        for artifact in record["artifacts"]:
            if f"/{record['attempt']}/" not in artifact["key"]:
                yield job, f"attempt {record['attempt']} shows {artifact['key']}"


def objects_are_there(run: Run) -> Found:
    """An output that is shown exists, has the recorded SHA-256, and is what an undisturbed run draws."""
    for job, record in run.records.items():
        for artifact in record["artifacts"]:
            if artifact["stored"] != artifact["sha256"]:
                yield job, f"{artifact['key']}: recorded {artifact['sha256']}, stored {artifact['stored']}"
            elif not artifact["is_right"]:
                yield job, f"{artifact['key']} is another picture than an undisturbed run draws"


def everybody_gets_what_is_due(run: Run) -> Found:
    """Innocents succeed; the poison job fails as poisoned, a broken one with its own error."""
    for job, record in run.records.items():
        role = run.role(record)
        if role is None or not Status(record["status"]).is_terminal:
            continue
        end = record["status"] if record["code"] is None else f"{record['status']} {record['code']}"
        if end not in ROLES[role].ends:
            yield job, f"a {role} job ended {end}: {record['message']}"
    for entry in of_kind(run.entries, "refused"):
        yield None, f"a {entry['role']} job was refused: {entry['status']} {entry['text']}"


def attempts_are_bounded(run: Run) -> Found:
    """No job spends more attempts than it has."""
    for job, record in run.records.items():
        spent = sum(event["data"].get("reason") in COUNTED for event in record["events"])
        if spent > run.facts["max_attempts"]:
            yield job, f"spent {spent} attempts of {run.facts['max_attempts']}"


def cancel_holds(run: Run) -> Found:
    """After an acknowledged cancel the job is canceled for good."""
    for entry in of_kind(run.entries, "canceled"):
        record = run.records.get(entry["job"])
        if record is not None and record["status"] != Status.CANCELED:
            yield entry["job"], f"was canceled and is {record['status']}"


def submits_are_idempotent(run: Run) -> Found:
    """One key, one job, whatever was sent again."""
    jobs: dict[str, set[str]] = defaultdict(set)
    for entry in (*of_kind(run.entries, "submitted"), *run.records.values()):
        jobs[entry["key"]].add(entry["job"])
    for key, named in jobs.items():
        if len(named) > 1:
            yield min(named), f"key {key} made {len(named)} jobs: {sorted(named)}"
    sent = {entry["key"] for entry in run.entries if entry["kind"] in ("submitted", "unanswered", "refused")}
    for job, record in run.records.items():
        if record["key"] not in sent:
            yield job, "nobody submitted it"


def answers_come_in_time(run: Run) -> Found:
    """A submit is answered, or refused, within its bound."""
    for job, entry in run.submitted.items():
        if entry["seconds"] > run.facts["submit_seconds"]:
            yield job, f"its submit took {entry['seconds']:.1f} s"


def what_was_seen_stays(run: Run) -> Found:
    """An end that a reader or a receiver was told of is the end in the record."""
    for entry in of_kind(run.entries, "seen"):
        record = run.records.get(entry["job"])
        if record is None:
            yield entry["job"], f"was seen {entry['status']} and is gone"
        elif (record["status"], record["attempt"]) != (entry["status"], entry["attempt"]):
            now = f"{record['status']} of attempt {record['attempt']}"
            yield entry["job"], f"was seen {entry['status']} of attempt {entry['attempt']} and is {now}"


def webhooks_are_true(run: Run) -> Found:
    """Each is signed, and tells the event that the record holds under its number."""
    for entry in of_kind(run.entries, "webhook"):
        job, sequence = entry["job"], entry["sequence"]
        if not entry["is_valid"]:
            yield job, f"webhook {entry['id']} has no valid signature"
        if (record := run.records.get(job)) is not None:
            types = {event["sequence"]: event["type"] for event in record["events"]}
            if types.get(sequence) != entry["type"]:
                yield job, f"webhook {entry['id']} told {entry['type']} as event {sequence}"


def webhooks_arrive(run: Run) -> Found:
    """Each wanted event is accepted at least once, and under one id."""
    accepted: dict[tuple[str, int], set[str]] = defaultdict(set)
    for entry in of_kind(run.entries, "webhook"):
        if 200 <= entry["answered"] < 300:
            accepted[entry["job"], entry["sequence"]].add(entry["id"])
    for (job, sequence), ids in accepted.items():
        if len(ids) > 1:
            yield job, f"event {sequence} came under {len(ids)} ids"
    for job, record in run.records.items():
        for event in record["events"]:
            if event["type"] in record["wants"] and (job, event["sequence"]) not in accepted:
                yield job, f"event {event['sequence']} ({event['type']}) never arrived"
    for entry in of_kind(run.entries, "delivery"):
        yield entry["job"], f"delivery {entry['id']} was never settled"


def nothing_leaks(run: Run) -> Found:
    """When all is over every resource is back at its baseline."""
    for entry in of_kind(run.entries, "baseline"):
        if entry["after"] > entry["allowed"]:
            yield None, f"{entry['name']}: {entry['after']}, allowed {entry['allowed']}"


def nothing_is_damaged(run: Run) -> Found:
    """`omni-jobs fsck` finds nothing."""
    for entry in of_kind(run.entries, "damage"):
        yield None, f"{entry['code']} {entry['where']}: {entry['message']}"


def nobody_dies_of_it(run: Run) -> Found:
    """A fault of another part ends no process of ours."""
    for entry in of_kind(run.entries, "died"):
        yield None, f"{entry['member']} ended by itself with status {entry['status']}"


#: The promises, by the name under which a violation is reported.
PROMISES: dict[str, Callable[[Run], Found]] = {
    find.__name__: find
    for find in (
        nothing_is_lost,
        it_ends_once,
        events_are_whole,
        effects_are_once,
        objects_are_there,
        everybody_gets_what_is_due,
        attempts_are_bounded,
        cancel_holds,
        submits_are_idempotent,
        answers_come_in_time,
        what_was_seen_stays,
        webhooks_are_true,
        webhooks_arrive,
        nothing_leaks,
        nothing_is_damaged,
        nobody_dies_of_it,
    )
}


def shortest(entries: Sequence[Entry], violation: Violation) -> list[Entry]:
    """The fewest entries that still show this violation, and the faults that were active while its job lived."""
    kept = list(_about(entries, violation))
    for entry in tuple(kept):
        fewer = [other for other in kept if other is not entry]
        if entry["kind"] != "run" and _shows(fewer, violation):
            kept = fewer
    shown = {id(entry) for entry in kept} | {id(entry) for entry in _faults_beside(entries, kept)}
    return [entry for entry in entries if id(entry) in shown]


def _about(entries: Iterable[Entry], violation: Violation) -> Iterator[Entry]:
    """What names the job or its key; without a job, whatever names none."""
    entries = list(entries)
    keys = {entry["key"] for entry in entries if entry.get("job") == violation.job and "key" in entry}
    for entry in entries:
        is_ours = entry.get("job") == violation.job or entry.get("key", "") in keys
        if entry["kind"] == "run" or (is_ours and entry["kind"] not in ("fault", "healed")):
            yield entry


def _shows(entries: Sequence[Entry], violation: Violation) -> bool:
    found = PROMISES[violation.promise](Run(entries))
    return any((job, message) == (violation.job, violation.message) for job, message in found)


def _faults_beside(entries: Sequence[Entry], kept: Sequence[Entry]) -> Iterator[Entry]:
    times = [entry["at"] for entry in kept if entry["kind"] != "run"]
    times += [event["at"] for entry in kept for event in _events(entry)]
    if not times:
        return
    ends = {entry["number"]: entry["at"] for entry in of_kind(entries, "healed")}
    for fault in of_kind(entries, "fault"):
        if fault["at"] <= max(times) and ends.get(fault["number"], fault["at"]) >= min(times):
            yield fault


def _events(entry: Entry) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = entry.get("events", [])
    return events

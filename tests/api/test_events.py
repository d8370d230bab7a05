"""Event streams: complete and ordered for whoever is cut off, latest-only for what may be dropped, and closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from omni_jobs.schemas import Phase, Progress, Status
from tests.api.conftest import Served, job_body, picture


@dataclass
class Heard:
    event: str
    data: dict[str, Any]
    id: str | None


def hear(answer: httpx.Response) -> Iterator[Heard]:
    """The events of a stream, by a parser of our own: independent of the client's."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield Heard(fields["event"], json.loads(fields["data"]), fields.get("id"))
        fields = {}


def submit(http: httpx.Client, **fields: Any) -> str:
    return str(http.post("/v1/jobs", json=job_body(**fields)).json()["id"])


def test_a_stream_begins_with_a_snapshot_and_ends_with_the_one_terminal_event(
    served: Served, http: httpx.Client
) -> None:
    job_id = submit(http)
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
        stream = hear(answer)
        snapshot = next(stream)
        assert (snapshot.event, snapshot.id, snapshot.data["job"]["status"]) == ("snapshot", "1", "queued")
        claim = served.claim(job_id)
        assert next(stream).event == "job.started"
        served.succeed(claim, picture())
        output, end = list(stream)
    assert (output.event, end.event) == ("job.output", "job.succeeded")
    for url in (output.data["data"]["artifact"]["url"], end.data["job"]["artifacts"][0]["url"]):
        assert httpx.get(url).content == picture()


def test_a_client_cut_off_ten_times_misses_no_state_event(served: Served, http: httpx.Client) -> None:
    job_id = submit(http)
    heard: list[tuple[str, str | None]] = []
    last: str | None = None

    def listen(count: int | None) -> None:
        """Takes some events after the snapshot, then hangs up in the middle of the stream."""
        nonlocal last
        headers = {"Last-Event-ID": last} if last else {}
        params = {} if last else {"after": 0}
        with http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers, params=params) as answer:
            stream = hear(answer)
            assert next(stream).event == "snapshot"
            for taken, one in enumerate(stream, 1):
                heard.append((one.event, one.id))
                last = one.id or last
                if taken == count:
                    return

    for _ in range(10):
        listen(1)
        claim = served.claim(job_id)
        served.store.move(claim.account, job_id, Status.QUEUED, attempt=claim.attempt, count_attempt=False)
    served.succeed(served.claim(job_id), picture())
    listen(None)

    expected = [(event.type.value, str(event.sequence)) for event in served.store.events("default", job_id)]
    assert heard == expected
    assert len(expected) == 24


def test_the_stream_of_a_finished_job_is_a_snapshot_and_its_end(served: Served, http: httpx.Client) -> None:
    job_id = submit(http)
    http.post(f"/v1/jobs/{job_id}/cancel")
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        snapshot, end = list(hear(answer))
    assert (snapshot.event, end.event) == ("snapshot", "job.canceled")
    # Cut off between the two, a client still hears the end; having heard it, a browser is told to stay away.
    with http.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(snapshot.id)}) as answer:
        assert [one.event for one in hear(answer)] == ["snapshot", "job.canceled"]
    assert http.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(end.id)}).status_code == 204


def test_progress_and_previews_are_the_latest_and_have_no_id(served: Served, http: httpx.Client) -> None:
    job_id = submit(http, preview=True)
    claim = served.claim(job_id)

    def note(step: int) -> None:
        progress = Progress(phase=Phase.DENOISE, step=step, steps=9, percent=step / 9 * 100, eta_seconds=1.5)
        served.store.note_progress(claim.account, job_id, claim.attempt, progress, preview=picture(step))

    for step in range(1, 6):
        note(step)
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        stream = hear(answer)
        next(stream)
        progress, preview = next(stream), next(stream)
        assert (progress.event, progress.data["data"]["step"], progress.id) == ("job.progress", 5, None)
        assert (preview.event, preview.data["data"]["mime"], preview.id) == ("job.preview", "image/png", None)
        assert (preview.data["data"]["step"], preview.data["sequence"]) == (5, 0)
        note(7)
        assert next(stream).data["data"]["step"] == 7
        served.succeed(claim, picture())
        assert [one.event for one in stream if one.id] == ["job.output", "job.succeeded"]


def test_a_deleted_job_ends_its_streams(served: Served, http: httpx.Client) -> None:
    job_id = submit(http)
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        stream = hear(answer)
        next(stream)
        with httpx.Client(base_url=served.url) as other:
            assert other.delete(f"/v1/jobs/{job_id}").status_code == 204
        assert len(list(stream)) <= 1


def test_the_account_stream_has_the_events_of_all_jobs_and_resumes(served: Served, http: httpx.Client) -> None:
    with http.stream("GET", "/v1/events") as answer:
        stream = hear(answer)
        snapshot = next(stream)
        assert snapshot.event == "snapshot"
        assert snapshot.data["has_gap"] is False
        first, second = submit(http), submit(http)
        one = next(stream)
        assert (one.event, one.data["job_id"]) == ("job.queued", first)
    http.post(f"/v1/jobs/{first}/cancel")
    # Entries of deleted jobs are passed over, and do not stop the stream.
    http.delete(f"/v1/jobs/{second}")
    third = submit(http)
    with http.stream("GET", "/v1/events", headers={"Last-Event-ID": str(one.id)}) as answer:
        stream = hear(answer)
        assert next(stream).data["has_gap"] is False
        heard = [next(stream) for _ in range(2)]
    assert [(one.event, one.data["job_id"]) for one in heard] == [("job.canceled", first), ("job.queued", third)]


def test_a_stream_that_resumes_before_what_is_kept_is_told_so(http: httpx.Client) -> None:
    with http.stream("GET", "/v1/events", headers={"Last-Event-ID": "1-1"}) as answer:
        assert next(hear(answer)).data["has_gap"] is True


def test_the_history_is_plain_json(http: httpx.Client) -> None:
    job_id = submit(http)
    http.post(f"/v1/jobs/{job_id}/cancel")
    events = http.get(f"/v1/jobs/{job_id}/history", params={"after": 1}).json()["events"]
    assert [(one["type"], one["sequence"]) for one in events] == [("job.canceled", 2)]
    assert http.get("/v1/jobs/job_0/events").status_code == 404
    assert http.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"}).status_code == 400

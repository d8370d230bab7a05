"""Outputs at their customer's own presigned links: after the commit, retried, and never where we may not send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from omni_jobs import queue
from omni_jobs.errors import InvalidRequest
from omni_jobs.names import artifact_id
from omni_jobs.schemas import Artifact, Job, Status, parse_job
from omni_jobs.schemas.copies import CopyTarget
from omni_jobs.schemas.deliveries import DeliveryState, DeliveryView
from omni_jobs.store import DeliveryFilter
from storage import LocalStore
from tests.api.conftest import job_body, picture
from tests.servers.scripted import Answer
from tests.webhooks.receiver import receiving
from tests.webhooks.test_courier import Office, office

__all__ = ["office"]


def given_up(office: Office) -> list[DeliveryView]:
    return office.store.deliveries("default", DeliveryFilter(state=DeliveryState.GIVEN_UP))[0]


def s3(version: str) -> Any:
    return boto3.client(
        "s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b",
        config=Config(signature_version=version),
    )  # fmt: skip


def run_job(office: Office, copies: list[dict[str, Any]]) -> Job:
    """A job from queued to succeeded, each output a picture of its own size."""
    queue.submit(office.store, job_body(num_outputs=len(copies), copies=copies))
    claim = office.store.claim_next("tester", ["paper"], lease_seconds=60)
    assert claim is not None
    objects = LocalStore(Path(office.settings["storage_url"]))
    artifacts = []
    for index in range(len(copies)):
        key = f"out/{claim.account}/{claim.job_id}/1/{index}.png"
        info = objects.put(key, picture(8 + index), content_type="image/png")
        facts: dict[str, Any] = {"id": artifact_id(claim.job_id, index), "index": index, "key": key, "seed": index}
        facts |= {"content_type": "image/png", "size_bytes": info.size_bytes, "sha256": info.sha256}
        artifacts.append(Artifact(**facts))
    return office.store.move(
        claim.account, claim.job_id, Status.SUCCEEDED, attempt=claim.attempt, artifacts=artifacts
    )


def test_every_output_goes_to_its_own_link_after_a_bucket_in_trouble(office: Office) -> None:
    def mood(number: int) -> Answer:
        return Answer(503) if number == 1 else Answer(200)

    with receiving(mood) as bucket:
        copies = [
            {"url": f"{bucket.url}/put?X-Amz-Signature=1", "headers": {"x-amz-acl": "private"}},
            {"url": f"{bucket.url}/post", "method": "POST", "fields": {"key": "mine.png", "policy": "e30="}},
        ]
        run_job(office, copies)
        with office.courier(bucket):
            bucket.until(lambda: len(bucket.requests) == 3)
            bucket.until(lambda: office.store.stats()["deliveries"] == 0)
        done = {request.method: request for request in bucket.requests}
    assert done["PUT"].body == picture(8)
    assert done["PUT"].path.endswith("/put?X-Amz-Signature=1")
    assert (done["PUT"].headers["content-type"], done["PUT"].headers["x-amz-acl"]) == ("image/png", "private")
    assert picture(9) in done["POST"].body
    assert done["POST"].body.index(b"mine.png") < done["POST"].body.index(b'name="file"')


def test_a_link_that_is_refused_is_given_up_and_can_be_told(office: Office) -> None:
    with receiving(lambda _: Answer(403, b"Request has expired")) as bucket:
        job = run_job(office, [{"url": bucket.url}])
        with office.courier(bucket):
            bucket.until(lambda: given_up(office))
    (dead,) = given_up(office)
    assert (dead.job_id, dead.type) == (job.id, "output.copy")
    assert "Request has expired" in (dead.error or "")
    assert len(bucket.requests) == 1


def test_nothing_is_sent_before_or_without_success_nor_to_private_addresses(office: Office) -> None:
    with receiving() as bucket, receiving() as private:
        queue.submit(office.store, job_body(copies=[{"url": bucket.url}]))
        claim = office.store.claim_next("tester", ["paper"], lease_seconds=60)
        assert claim is not None
        queue.cancel(office.store, claim.account, claim.job_id)
        assert office.store.stats()["deliveries"] == 0
        run_job(office, [{"url": private.url}])
        with office.courier(bucket):
            bucket.until(lambda: given_up(office))
        assert (bucket.requests, private.requests) == ([], [])


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("seconds", [60, 3600, 604_000])
def test_the_end_of_a_link_is_read_from_it(version: str, seconds: int) -> None:
    given_to = {"Bucket": "b", "Key": "k"}
    url = s3(version).generate_presigned_url("put_object", Params=given_to, ExpiresIn=seconds)
    post = s3(version).generate_presigned_post("b", "k", ExpiresIn=seconds)
    for target in ({"url": url}, {"method": "POST", **post}):
        ends = CopyTarget.model_validate(target).ends_at()
        assert ends is not None
        assert abs((ends - datetime.now(UTC)).total_seconds() - seconds) < 30


def test_a_link_that_ends_before_the_job_begins_is_refused_at_submit(office: Office) -> None:
    began = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y%m%dT%H%M%SZ")
    ended = {"url": f"https://bucket.example/k?X-Amz-Date={began}&X-Amz-Expires=3600"}
    with pytest.raises(InvalidRequest, match="before the job begins") as told:
        queue.submit(office.store, job_body(copies=[ended]))
    assert told.value.field == "copies.0.url"
    with pytest.raises(InvalidRequest, match="one for each"):
        parse_job(job_body(num_outputs=2, copies=[{"url": "https://bucket.example/k"}]))


def test_what_goes_with_a_copy_is_named_once_and_says_nothing_of_the_message_itself() -> None:
    """Also of a job that an earlier version took."""
    given = {
        "Content-Type": "image/x-mine",
        "HOST": "bucket.example",
        "Content-Length": "3",
        "Connection": "close",
    }
    target = CopyTarget.model_validate({"url": "https://bucket.example/k", "headers": given})
    assert target.sent_headers == {"content-type": "image/x-mine"}


@pytest.mark.parametrize("host", ["bucket.example", "Bucket.Example:443"])
def test_a_host_that_is_the_links_own_is_taken(office: Office, host: str) -> None:
    job, _ = queue.submit(
        office.store, job_body(copies=[{"url": "https://bucket.example/k", "headers": {"Host": host}}])
    )
    assert job.status is Status.QUEUED


def test_a_webhook_does_not_hand_the_links_on(office: Office) -> None:
    with receiving(secret=office.secret) as receiver:
        queue.submit(
            office.store, job_body(copies=[{"url": "https://bucket.example/k"}], webhook={"url": receiver.url})
        )
        with office.courier(receiver):
            receiver.until(lambda: receiver.accepted)
    (body,) = receiver.accepted.values()
    assert "bucket.example" not in str(body)

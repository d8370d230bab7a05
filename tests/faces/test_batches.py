"""OpenAI's own client and its batches: files of requests validated, rendered and told, whatever ends them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from tests.faces.conftest import Service

ENDPOINT: Any = "/v1/images/generations"
FINAL = ("failed", "completed", "expired", "cancelled")


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key=service.key, max_retries=0) as opened:
        yield opened


def line(custom_id: str, **body: Any) -> dict[str, Any]:
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": ENDPOINT,
        "body": {"model": "sim", "prompt": "x", **body},
    }


def submitted(client: OpenAI, lines: list[Any], window: Any = "24h") -> Batch:
    text = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines)
    file = client.files.create(file=("lines.jsonl", text.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window=window, metadata={"run": "1"}
    )


def until(client: OpenAI, batch: Batch, *statuses: str) -> Batch:
    ends = time.monotonic() + 90
    while (batch := client.batches.retrieve(batch.id)).status not in statuses:
        assert time.monotonic() < ends, batch
        time.sleep(0.1)
    return batch


def rows(client: OpenAI, file_id: str | None) -> dict[str, Any]:
    if file_id is None:
        return {}
    found = [json.loads(text) for text in client.files.content(file_id).text.splitlines()]
    return {row["custom_id"]: row for row in found}


def test_a_batch_is_rendered_and_tells_of_every_line_once(client: OpenAI, service: Service) -> None:
    lines = [line(f"row-{number}", seed=number) for number in range(120)]
    lines += [line("bad", prompt="a fox that cannot be drawn"), line("two", n=2)]
    batch = until(client, submitted(client, lines), *FINAL)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 122, "completed": 121, "failed": 1}
    assert batch.metadata == {"run": "1"}
    told = rows(client, batch.output_file_id)
    assert set(told) == {f"row-{number}" for number in range(120)} | {"two"}
    assert len(told["two"]["response"]["body"]["data"]) == 2
    picture = told["row-7"]["response"]["body"]["data"][0]
    assert picture["seed"] == 7
    with service.http as http:
        shown = http.get(picture["url"], follow_redirects=True)
        assert shown.headers["content-type"] == "image/png"
        job = http.get(f"/v1/jobs/{told['row-7']['response']['request_id']}").json()
    assert (job["request"]["tags"], job["request"]["priority"]) == ([batch.id], 3)
    wrong = rows(client, batch.error_file_id)["bad"]
    assert wrong["error"]["code"] == "execution_failed"
    assert batch.to_dict()["failures"] == {"execution_failed": 1}


def test_a_file_is_validated_before_anything_is_drawn_and_problems_name_their_lines(client: OpenAI) -> None:
    lines: list[Any] = [
        line("a"), "{no json", line("a"), line("b", promt="x"), {"custom_id": "c"}, line("d", model="nothing"),
        line("e", size="big"), line("f", num_inference_steps=10**6),
    ]  # fmt: skip
    batch = until(client, submitted(client, lines), *FINAL)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    told = {problem.line: (problem.code, problem.param) for problem in batch.errors.data}
    assert set(told) == {2, 3, 4, 5, 6, 7, 8}
    assert told[3] == ("duplicate_custom_id", "custom_id")
    assert told[4] == ("invalid_request", "promt")
    assert told[6] == ("model_not_found", "model")


def test_a_cancelled_batch_keeps_its_finished_lines(client: OpenAI) -> None:
    quick = [line(f"quick-{number}") for number in range(5)]
    slow = [line(f"slow-{number}", model="slow", num_inference_steps=200) for number in range(20)]
    batch = submitted(client, quick + slow)
    ends = time.monotonic() + 60
    while (now := client.batches.retrieve(batch.id)).request_counts.completed < 5:  # type: ignore[union-attr]
        assert time.monotonic() < ends, now
        time.sleep(0.1)
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    done = until(client, batch, *FINAL)
    assert done.status == "cancelled"
    assert {f"quick-{number}" for number in range(5)} <= set(rows(client, done.output_file_id))
    told = rows(client, done.output_file_id) | rows(client, done.error_file_id)
    assert len(told) == 25
    assert told["slow-19"]["error"]["code"] == "batch_cancelled"


def test_an_expired_batch_keeps_its_finished_lines(client: OpenAI) -> None:
    quick = [line(f"quick-{number}") for number in range(3)]
    slow = [line(f"slow-{number}", model="slow", num_inference_steps=200) for number in range(20)]
    done = until(client, submitted(client, quick + slow, "4s"), *FINAL)
    assert done.status == "expired"
    told = rows(client, done.output_file_id) | rows(client, done.error_file_id)
    assert len(told) == 23
    assert told["slow-19"]["error"]["code"] == "batch_expired"


def test_refusals_and_pages(client: OpenAI, service: Service) -> None:
    batches = [submitted(client, [line("a")]) for _ in range(2)]
    assert [one.id for one in client.batches.list(limit=1)][:2] == [one.id for one in batches[::-1]]
    with pytest.raises(openai.BadRequestError, match="after"):
        client.batches.list(after="batch_00")
    assert client.batches.retrieve(batches[0].id).completion_window == "24h"
    with pytest.raises(openai.BadRequestError, match="input_file_id"):
        client.batches.create(input_file_id="file-00", endpoint=ENDPOINT, completion_window="24h")
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        client.batches.create(
            input_file_id=batches[0].input_file_id, endpoint="/v1/embeddings", completion_window="24h"
        )
    told = httpx.post(
        f"{service.url}/v1/batches",
        headers={"authorization": f"Bearer {service.key}", "content-type": "application/json"},
        content=f'{{"input_file_id": "{batches[0].input_file_id}", "endpoint": "{ENDPOINT}", '
        '"output_expires_after": {"anchor": "created_at", "seconds": 1e400}}',
    )
    assert (told.status_code, told.json()["error"]["param"]) == (400, "output_expires_after"), told.text
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_00")
    assert httpx.get(f"{service.url}/v1/batches").status_code == 401

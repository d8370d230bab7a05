"""Limits over HTTP: what a client is told before and after it meets one, and the usage that it may look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from click.testing import CliRunner

from omni_jobs.cli import main
from omni_jobs.client import Client
from omni_jobs.errors import QuotaExceeded, RateLimited
from omni_jobs.schemas.access import Scope
from tests.api.conftest import Served, job_body, picture
from tests.api.test_keys import new_key, with_key
from tests.servers.processes import api


@pytest.fixture(scope="module")
def limited(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with api(tmp_path_factory.mktemp("limited"), **served.environment, require_keys=True) as url:
        yield url


def test_a_client_sees_its_limit_and_is_told_when_to_come_again(served: Served, limited: str) -> None:
    served.store.set_limits("lim1", {"requests_per_minute": 3})
    with with_key(limited, new_key(served, "lim1")) as http:
        told = [http.get("/v1/jobs").headers["x-ratelimit-remaining-requests"] for _ in range(3)]
        refused = http.get("/v1/jobs")
    assert told == ["2", "1", "0"]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["x-should-retry"] == "true"
    assert 1 <= int(refused.headers["retry-after"]) <= 20


def test_the_drafts_headers(served: Served, limited: str) -> None:
    served.store.set_limits("lim2", {"requests_per_minute": 60})
    with with_key(limited, new_key(served, "lim2")) as http:
        headers = http.get("/v1/jobs").headers
    assert headers["ratelimit-policy"] == '"requests";q=60;w=60'
    assert headers["ratelimit"].startswith('"requests";r=59;t=')


def test_quotas_over_http_and_a_client_that_does_not_try_again_in_vain(served: Served, limited: str) -> None:
    key = new_key(served, "lim3")
    served.store.set_limits("lim3", {"bytes_per_day": 10})
    with with_key(limited, key) as http:
        refused = http.post("/v1/uploads", content=picture(), headers={"content-type": "image/png"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        assert refused.headers["x-should-retry"] == "false"
    with Client(limited, api_key=key) as client, pytest.raises(QuotaExceeded):
        client.upload(picture())
    served.store.set_limits("lim3", {"bytes_per_day": None, "queued_jobs": 0, "requests_per_minute": 0})
    with Client(limited, api_key=key) as client, pytest.raises(RateLimited):
        client.list()


def test_openais_client_understands_refusals(served: Served, limited: str) -> None:
    served.store.set_limits("lim4", {"requests_per_minute": 0})
    options: dict[str, Any] = {"base_url": f"{limited}/v1", "max_retries": 0}
    with openai.OpenAI(api_key="sk-wrong", **options) as client, pytest.raises(openai.AuthenticationError):
        client.files.list()
    key = new_key(served, "lim4")
    with openai.OpenAI(api_key=key, **options) as client, pytest.raises(openai.RateLimitError) as refused:
        client.files.list()
    assert refused.value.code == "rate_limit_exceeded"
    with openai.OpenAI(api_key=new_key(served, "lim5", Scope.READ), **options) as client:
        assert client.files.list().data == []
        with pytest.raises(openai.PermissionDeniedError):
            client.images.generate(prompt="a fox", model="paper")


def test_usage_is_the_accounts_own(served: Served, limited: str) -> None:
    with with_key(limited, new_key(served, "use1")) as http:
        job = http.post("/v1/jobs", json=job_body()).json()
        served.succeed(served.claim(job["id"]), b"pixels")
        assert http.get("/v1/usage", params={"of": "use2"}).status_code == 403
        found = http.get("/v1/usage").json()
    (today,) = found["days"]
    assert (found["account"], today["jobs"], today["succeeded"], today["bytes"]) == ("use1", 1, 1, 6)
    ((by_key,),) = found["keys"].values()
    assert (by_key["requests"], by_key["jobs"]) == (3, 1)
    with with_key(limited, new_key(served, "use2", Scope.ADMIN)) as operator:
        assert operator.get("/v1/usage", params={"of": "use1"}).json() == found


def test_the_command_line_sets_limits_and_shows_usage(served: Served, http: httpx.Client, tmp_path: Path) -> None:
    environment = {f"OMNI_{name.upper()}": str(value) for name, value in served.environment.items()}
    environment |= {"OMNI_DATA_DIR": str(tmp_path), "COLUMNS": "200"}

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments, env=environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "queued_jobs  7" in run("limits", "cli1", "--queued-jobs", "7", "--bytes-per-day", "none")
    assert "queued_jobs  default" in run("limits", "cli1", "--queued-jobs", "default")
    assert "bytes_per_day  none" in run("limits", "cli1")
    key, _ = served.store.issue_key("cli1")
    assert f"cli1/{key.id}" in run("limits", key.id, "--requests-per-minute", "9", "--json")
    http.post("/v1/jobs", json=job_body())
    assert "default" not in run("usage", "cli1")
    assert '"jobs": ' in run("usage", "--json")

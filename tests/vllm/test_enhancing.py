"""A real vLLM rewrites prompts: behind its OpenAI-compatible server, and in a Celery worker of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from omni_jobs.redis_server import free_port
from omni_jobs.schemas import JobRequest
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore
from tests.vllm.conftest import TinyModels
from workers.enhancing.enhance import open_enhancing

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default"), pytest.mark.timeout(400)]

ENGINE = {
    "distributed_executor_backend": "uni",
    "enforce_eager": True,
    "dtype": "float32",
    "max_model_len": 1024,
    "kv_cache_memory_bytes": 2**26,
}

TOLD = {"generate": "Rewrite."}


def job(prompt: str) -> JobRequest:
    return JobRequest(model="sim", prompt=prompt, enhance_prompt=True)


@pytest.fixture(scope="module")
def served(tiny: TinyModels) -> Iterator[str]:
    """vLLM's own server with the tiny model; `vllm serve` needs a package of that name, the module does not."""
    pytest.importorskip("vllm")
    port = free_port()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in ENGINE.items() if value is not True]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(
        [*command, f"--model={tiny.text}", "--served-model-name=writer", "--enforce-eager", *options]
    )
    try:
        while True:
            assert process.poll() is None, "vLLM's server ended"
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).is_success:
                    break
            except httpx.HTTPError:
                continue
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def test_through_vllms_server(served: str, settings: Settings, store: JobStore) -> None:
    told = {"enhancer_url": served, "enhancer_model": "writer", "enhancer_timeout_seconds": 60.0}
    asking = open_enhancing(settings.model_copy(update=told), store)
    assert asking is not None
    # A random model fills its context; what counts is that its words come back.
    found = asking.enhance("default", job("a fox"), TOLD)
    assert found.revised_prompt, found
    assert asking.enhance("default", job("a fox"), TOLD) == found


def test_through_a_celery_worker(tiny: TinyModels, settings: Settings, store: JobStore) -> None:
    pytest.importorskip("vllm")
    environment = {
        **os.environ,
        "OMNI_REDIS_URL": settings.redis_url.get_secret_value(),
        "OMNI_KEY_PREFIX": settings.key_prefix,
    }
    command = [sys.executable, "-m", "workers.enhancing.vllm_worker", str(tiny.text), "--max-tokens=16"]
    asking = open_enhancing(
        settings.model_copy(update={"enhancer_url": "queue", "enhancer_timeout_seconds": 200.0}), store
    )
    assert asking is not None
    with subprocess.Popen([*command, f"--engine={json.dumps(ENGINE)}"], env=environment) as process:
        try:
            jobs = [job(f"a fox and {number} cups") for number in range(6)]
            with ThreadPoolExecutor(len(jobs)) as threads:
                found = list(
                    threads.map(lambda one: asking.enhance("default", one, {"generate": "Rewrite."}), jobs)
                )
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert all(one.revised_prompt for one in found), found

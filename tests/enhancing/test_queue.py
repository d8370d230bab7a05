"""Prompts rewritten by a Celery worker that hears a queue of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from omni_jobs.schemas import Enhancement, JobRequest
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore
from workers.enhancing.enhance import Enhancing, open_enhancing


def job(prompt: str) -> JobRequest:
    return JobRequest(model="sim", prompt=prompt, enhance_prompt=True)


def asking(settings: Settings, store: JobStore, seconds: float) -> Enhancing:
    chosen = settings.model_copy(update={"enhancer_url": "queue", "enhancer_timeout_seconds": seconds})
    opened = open_enhancing(chosen, store)
    assert opened is not None
    return opened


@pytest.fixture
def enhancer(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    own = {
        "OMNI_REDIS_URL": settings.redis_url.get_secret_value(),
        "OMNI_KEY_PREFIX": settings.key_prefix,
    }
    command = [sys.executable, "-m", "tests.enhancing.echo_worker"]
    with subprocess.Popen(command, env={**os.environ, **own}) as process:
        yield process
        process.terminate()
        process.wait(30)


def test_a_worker_of_its_own_answers(settings: Settings, store: JobStore, enhancer: object) -> None:
    asked = asking(settings, store, 40.0)
    assert asked.enhance("default", job("a fox"), {}) == Enhancement(revised_prompt="a fox, at dawn")
    assert "out of words" in str(asked.enhance("default", job("broken"), {}).enhancement_skipped)
    assert asked.enhance("default", job("a cup"), {}).revised_prompt == "a cup, at dawn"


def test_nobody_hears_the_queue(settings: Settings, store: JobStore) -> None:
    found = asking(settings, store, 0.2).enhance("default", job("a fox"), {})
    assert found == Enhancement(enhancement_skipped="no answer within 0.2 s")

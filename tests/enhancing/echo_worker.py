"""The enhancer's Celery worker with a model that only adds words: `python -m tests.enhancing.echo_worker`."""

from __future__ import annotations

from omni_jobs.settings import load_settings
from omni_jobs.store import connect
from workers.enhancing.vllm_worker import hear


def answer(prompt: str, instruction: str) -> str:
    if "broken" in prompt:
        raise RuntimeError("out of words")
    return f"<think>{instruction}</think>{prompt}, at dawn"


if __name__ == "__main__":
    hear(connect(load_settings()), answer, slots=2)

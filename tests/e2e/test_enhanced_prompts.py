"""`enhance_prompt` all the way: the revised prompt is drawn and told, the original kept."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import Job
from tests.e2e.deployment import Deployment
from tests.enhancing.chat_server import chat_server


def pixels(deployment: Deployment, job: Job) -> bytes:
    content = deployment.objects.get(job.artifacts[0].key)
    with Image.open(io.BytesIO(content)) as image:
        return image.tobytes()


def test_the_revised_prompt_is_drawn_and_the_original_kept(deployment: Deployment) -> None:
    with chat_server() as chat:
        deployment.start_worker(enhancer_url=chat.url, enhancer_model="writer", enhancer_timeout_seconds=0.5)
        enhanced, plain, written = deployment.finished(
            deployment.submit("a fox", seed=1, enhance_prompt=True),
            deployment.submit("a fox", seed=1),
            deployment.submit("a fox, golden light", seed=1),
        )
        assert enhanced.request.prompt == "a fox"
        assert enhanced.revised_prompt == "a fox, golden light"
        assert pixels(deployment, enhanced) == pixels(deployment, written) != pixels(deployment, plain)
        assert (plain.revised_prompt, plain.enhancement_skipped) == (None, None)
        chat.gate.clear()
        (late,) = deployment.finished(deployment.submit("a cup", seed=1, enhance_prompt=True))
    (down,) = deployment.finished(deployment.submit("a cup", seed=1, enhance_prompt=True))
    for job in (late, down):
        deployment.check(job)
        assert job.revised_prompt is None
        assert job.enhancement_skipped
    (cup,) = deployment.finished(deployment.submit("a cup", seed=1))
    assert pixels(deployment, late) == pixels(deployment, cup)


def test_a_worker_without_an_enhancer_says_so_at_once(deployment: Deployment) -> None:
    deployment.start_worker()
    with pytest.raises(InvalidRequest, match="`enhance_prompt`"):
        deployment.submit("a fox", enhance_prompt=True)

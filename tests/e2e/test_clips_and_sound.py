"""Clips and sound of real (tiny, random) pipelines through everything: files that another program plays."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.zoo import case
from omni_jobs.schemas import Job
from tests.e2e.deployment import Deployment

STEPS = 2
CLIP = {"width": 64, "height": 32, "num_frames": 9, "max_sequence_length": 32}


@pytest.fixture
def served(deployment: Deployment, tmp_path: Path) -> Deployment:
    """One worker with two models that make clips and one that makes sound."""
    pytest.importorskip("torch")
    tables = []
    for name in ("wan", "ltx", "stable-audio"):
        case(name).build().save_pretrained(tmp_path / name)
        tables.append(f'[models.tiny-{name}]\nsource = "{tmp_path / name}"\n')
    tables[0] += "frame_rate = 12.0\n"
    (tmp_path / "omni.toml").write_text("".join(tables))
    deployment.start_worker(config=tmp_path / "omni.toml")
    return deployment


def opened(deployment: Deployment, job: Job) -> av.container.InputContainer:
    assert job.error is None, job.error
    deployment.check(job)
    (artifact,) = job.artifacts
    return av.open(io.BytesIO(deployment.objects.get(artifact.key)))


def test_clips_are_mp4_and_sound_is_wav_or_flac(served: Deployment) -> None:
    wan = served.submit(model="tiny-wan", steps=STEPS, seed=1, parameters=CLIP)
    ltx = served.submit(model="tiny-ltx", steps=STEPS, seed=1, parameters=CLIP | {"frame_rate": 30})
    wav = served.submit(model="tiny-stable-audio", steps=STEPS, seed=1)
    flac = served.submit(model="tiny-stable-audio", steps=STEPS, seed=1, output={"format": "flac"})
    wan, ltx, wav, flac = served.finished(wan, ltx, wav, flac)

    for job, rate in ((wan, 12), (ltx, 30)):
        with opened(served, job) as clip:
            stream = clip.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 64, 32)
            assert stream.average_rate == rate
            assert sum(1 for _ in clip.decode(video=0)) == 9
            assert json.loads(clip.metadata["comment"])["prompt"] == "a fox"
        assert job.artifacts[0].content_type == "video/mp4"

    heard = []
    for job, codec, content_type in ((wav, "pcm_s16le", "audio/wav"), (flac, "flac", "audio/flac")):
        with opened(served, job) as sound:
            stream = sound.streams.audio[0]
            assert (stream.codec_context.name, stream.channels) == (codec, 2)
            assert stream.rate == case("stable-audio").build().vae.config.sampling_rate
            frames = [frame.to_ndarray().reshape(-1) for frame in sound.decode(audio=0)]
            heard.append(np.concatenate(frames))
        assert job.artifacts[0].content_type == content_type
    assert heard[0].size
    assert np.array_equal(heard[0], heard[1]), "FLAC is lossless: both hold the same samples"

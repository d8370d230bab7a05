"""The same edit as a job, whose latents are an artifact of their own: python queued_edit.py API IMAGE PROMPT."""

import sys
from pathlib import Path

from safetensors.torch import load

from omni_jobs.client import Client

api, image, prompt = sys.argv[1:]
with Client(api) as client:
    job = client.submit(task="edit", model="shapes", prompt=prompt, images=[Path(image)], seed=0)
    job = client.wait(job)
    for artifact in job.artifacts:
        content = client.download(artifact)
        if artifact.content_type == "application/safetensors":
            for name, tensor in sorted(load(content).items()):
                print(f"{name} shape: {tuple(tensor.shape)}")
        else:
            Path("output_queued_edit.png").write_bytes(content)
            print("Saved output_queued_edit.png")

"""A manifest through one pipeline, calls shared, no server: python examples/offline_bulk.py [FOLDER] [OUTPUT].

FOLDER is any diffusers folder whose call takes the parameters below; the packaged model if absent.
"""

import sys
import time
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from workers.omni import Omni
from workers.shapes import DEFAULT_PARAMETERS, WEIGHTS

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS
output = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("pictures")
output.mkdir(parents=True, exist_ok=True)

# A line of the manifest: prompt, seed, steps. They need not agree in anything.
manifest = [
    (f"a {colour} {shape} on white", 100 + number, 6 + number % 3 * 2)
    for number, (colour, shape) in enumerate(
        (colour, shape) for colour in ("red", "green", "blue") for shape in ("circle", "star", "heart", "ring")
    )
]
pipe = DiffusionPipeline.from_pretrained(folder)
omni = Omni(pipeline=pipe, caps="fixed(8)")
started = time.perf_counter()
results = omni.map(
    (
        DEFAULT_PARAMETERS
        | {"prompt": prompt, "num_inference_steps": steps, "generator": torch.Generator().manual_seed(seed)}
        for prompt, seed, steps in manifest
    ),
    return_exceptions=True,  # one bad line does not end the others
)
for (prompt, seed, _), result in zip(manifest, results, strict=True):
    if isinstance(result, BaseException):
        print(f"{prompt}: {result}")
        continue
    result.images[0].save(output / f"{prompt.replace(' ', '-')}-{seed}.png")
seconds = time.perf_counter() - started
print(f"{len(manifest)} pictures in {seconds:.1f} s: {omni.stats.calls} calls, {omni.stats.forwards} forwards")
omni.close()

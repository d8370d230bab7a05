"""Edit a picture with the custom pipeline, in this process: no server, no queue."""

import argparse
from pathlib import Path

from PIL import Image

from workers import Omni
from workers.engine import OmniDiffusionSamplingParams

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default="shapes", help="a folder, a hub id, or a model known by name")
parser.add_argument("--image", type=Path, required=True, help="the picture to edit")
parser.add_argument("--prompt", required=True, help="what to do with it")
parser.add_argument("--output", type=Path, default=Path("output_image_edit.png"), help="where the result goes")
parser.add_argument("--num_inference_steps", type=int, default=10)
parser.add_argument("--seed", type=int, default=0)
asked = parser.parse_args()

omni = Omni(
    model=asked.model,
    diffusion_load_format="dummy",  # the custom class loads what it needs
    custom_pipeline_args={"pipeline_class": "custom_pipeline.CustomPipeline"},
)
outputs = omni.generate(
    {"prompt": asked.prompt, "multi_modal_data": {"image": Image.open(asked.image).convert("RGB")}},
    OmniDiffusionSamplingParams(num_inference_steps=asked.num_inference_steps, seed=asked.seed),
)
if outputs[0].error:
    raise SystemExit(outputs[0].error)
output = outputs[0].request_output[0]
output.images[0].save(asked.output)
print(f"Trajectory timesteps shape: {tuple(output.metrics['trajectory_timesteps'].shape)}")
print(f"Trajectory latents shape: {tuple(output.latents.shape)}")
print(f"Saved {asked.output}")
omni.close()

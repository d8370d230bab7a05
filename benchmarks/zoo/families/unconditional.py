"""Pipelines without a prompt: pixel and latent diffusion of pictures and sound, by class or from nothing."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

PromptlessCase = partial(Case, prompt_argument=None, size=None, output_type="np")
PIXELS = "UNet2DModel"
LATENT: dict[str, Any] = {"vqvae": "VQModel", "unet": "UNet2DModel/latent", "scheduler": "DDIMScheduler"}
DIT: dict[str, Any] = {
    "transformer": "DiTTransformer2DModel",
    "vae": "AutoencoderKL",
    "scheduler": "DDIMScheduler",
}

CASES = [
    PromptlessCase("ddpm", "DDPMPipeline", {"unet": PIXELS, "scheduler": "DDPMScheduler"}),
    PromptlessCase("ddim", "DDIMPipeline", {"unet": PIXELS, "scheduler": "DDIMScheduler"}, {"eta": 0.5}),
    PromptlessCase("pndm-pixels", "PNDMPipeline", {"unet": PIXELS, "scheduler": "PNDMScheduler"}),
    PromptlessCase("karras-ve", "KarrasVePipeline", {"unet": PIXELS, "scheduler": "KarrasVeScheduler"}),
    PromptlessCase("score-sde-ve", "ScoreSdeVePipeline", {"unet": PIXELS, "scheduler": "ScoreSdeVeScheduler"}),
    PromptlessCase(
        "repaint",
        "RePaintPipeline",
        {"unet": "UNet2DModel/32", "scheduler": "RePaintScheduler"},
        {"image": Picture((32, 32)), "mask_image": Mask((32, 32)), "jump_length": 2, "jump_n_sample": 2},
    ),
    PromptlessCase(
        "consistency-model",
        "ConsistencyModelPipeline",
        {"unet": "UNet2DModel/classes", "scheduler": "CMStochasticIterativeScheduler"},
        {"class_labels": 3},
    ),
    PromptlessCase(
        "dance-diffusion",
        "DanceDiffusionPipeline",
        {"unet": "UNet1DModel", "scheduler": "IPNDMScheduler"},
        output_type=None,
    ),
    PromptlessCase("ldm", "LDMPipeline", LATENT),
    PromptlessCase(
        "ldm-super-resolution",
        "LDMSuperResolutionPipeline",
        LATENT | {"unet": "UNet2DModel/super-resolution"},
        {"image": Picture()},
        size=(32, 48),
        pass_size=False,
    ),
    PromptlessCase("dit", "DiTPipeline", DIT, {"class_labels": [5], "guidance_scale": 4.0}),
    PromptlessCase("dit-no-cfg", "DiTPipeline", DIT, {"class_labels": [5], "guidance_scale": 1.0}),
]

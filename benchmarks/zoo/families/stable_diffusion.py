"""Stable Diffusion 1.x: text, image and inpainting pipelines, and the noise schedulers they take."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Noise, Picture

BASE: dict[str, Any] = {
    "scheduler": "DDIMScheduler",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "unet": "UNet2DConditionModel",
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}
CALL: dict[str, Any] = {"guidance_scale": 6.0, "negative_prompt": "bad quality"}
IMAGE: dict[str, Any] = CALL | {"image": Picture(), "strength": 0.8}
INPAINT: dict[str, Any] = CALL | {"image": Picture(), "mask_image": Mask()}
BARE: dict[str, Any] = {name: BASE[name] for name in ("scheduler", "vae", "text_encoder", "tokenizer", "unet")}

# Case suffix, scheduler row, and whether it draws its noise from the global generator.
SCHEDULERS = {
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "dpm-multistep": "DPMSolverMultistepScheduler",
    "dpm-multistep-karras": "DPMSolverMultistepScheduler/karras",
    "dpm-multistep-sde": "DPMSolverMultistepScheduler/sde",
    "dpm-singlestep": "DPMSolverSinglestepScheduler",
    "heun": "HeunDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "lms": "LMSDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
    "deis": "DEISMultistepScheduler",
    "ddpm": "DDPMScheduler",
    "kdpm2": "KDPM2DiscreteScheduler",
    "kdpm2-ancestral": "KDPM2AncestralDiscreteScheduler",
    "ddim-v-prediction": "DDIMScheduler/v",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
    "sasolver": "SASolverScheduler",
    "edm-euler": "EDMEulerScheduler",
    "edm-dpm": "EDMDPMSolverMultistepScheduler",
}

CASES = [
    Case("sd", "StableDiffusionPipeline", BASE, CALL),
    Case("sd-no-cfg", "StableDiffusionPipeline", BASE, {"guidance_scale": 1.0}),
    Case("sd-rescale", "StableDiffusionPipeline", BASE, CALL | {"guidance_rescale": 0.7, "eta": 1.0}),
    Case("sd-two-images", "StableDiffusionPipeline", BASE, CALL | {"num_images_per_prompt": 2}),
    Case("sd-img2img", "StableDiffusionImg2ImgPipeline", BASE, IMAGE, pass_size=False),
    Case("sd-inpaint", "StableDiffusionInpaintPipeline", BASE, INPAINT),
    Case(
        "sd-inpaint-9",
        "StableDiffusionInpaintPipeline",
        BASE | {"unet": "UNet2DConditionModel/inpaint"},
        INPAINT,
    ),
    Case(
        "sd-depth2img",
        "StableDiffusionDepth2ImgPipeline",
        BARE | {"unet": "UNet2DConditionModel/depth", "depth_estimator": None, "feature_extractor": None},
        IMAGE | {"depth_map": Noise((1, "H", "W"))},
        pass_size=False,
    ),
    Case(
        "sd-instruct-pix2pix",
        "StableDiffusionInstructPix2PixPipeline",
        BASE | {"unet": "UNet2DConditionModel/pix2pix"},
        CALL | {"image": Picture(), "image_guidance_scale": 1.5},
        pass_size=False,
    ),
    Case(
        "sd-latent-upscale",
        "StableDiffusionLatentUpscalePipeline",
        BARE | {"unet": "UNet2DConditionModel/latent-upscale", "scheduler": "EulerDiscreteScheduler"},
        CALL | {"image": Picture((32, 32))},
        size=None,
    ),
    Case(
        "sd-upscale",
        "StableDiffusionUpscalePipeline",
        BARE | {"unet": "UNet2DConditionModel/upscale", "low_res_scheduler": "DDPMScheduler"},
        CALL | {"image": Picture()},
        size=(16, 24),
        pass_size=False,
    ),
    Case("sd-panorama", "StableDiffusionPanoramaPipeline", BASE, CALL | {"view_batch_size": 2}),
    Case("sd-sag", "StableDiffusionSAGPipeline", BASE, CALL | {"sag_scale": 1.0}),
    Case(
        "sd-ldm3d",
        "StableDiffusionLDM3DPipeline",
        BASE | {"vae": "AutoencoderKL/ldm3d", "image_encoder": None},
        CALL,
        output_type="np",
    ),
    Case(
        "sd-semantic",
        "SemanticStableDiffusionPipeline",
        BASE,
        CALL | {"editing_prompt": ["a red fox"], "edit_warmup_steps": 1},
    ),
    Case(
        "lcm",
        "LatentConsistencyModelPipeline",
        BASE | {"unet": "UNet2DConditionModel/lcm", "scheduler": "LCMScheduler"},
        {"guidance_scale": 8.5},
    ),
    Case(
        "lcm-img2img",
        "LatentConsistencyModelImg2ImgPipeline",
        BASE | {"unet": "UNet2DConditionModel/lcm", "scheduler": "LCMScheduler"},
        {"guidance_scale": 8.5, "image": Picture(), "strength": 0.8},
        pass_size=False,
    ),
    Case("pag-sd", "StableDiffusionPAGPipeline", BASE, CALL | {"pag_scale": 3.0}),
    Case("pag-sd-img2img", "StableDiffusionPAGImg2ImgPipeline", BASE, IMAGE | {"pag_scale": 3.0}, pass_size=False),
    Case("pag-sd-inpaint", "StableDiffusionPAGInpaintPipeline", BASE, INPAINT | {"pag_scale": 0.9}),
    *(
        Case(f"sd-{suffix}", "StableDiffusionPipeline", BASE | {"scheduler": row}, CALL)
        for suffix, row in SCHEDULERS.items()
    ),
]

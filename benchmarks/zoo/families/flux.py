"""FLUX.1 and its relatives."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/flux",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "text_encoder_2": "T5EncoderModel",
    "tokenizer_2": "T5Tokenizer",
    "transformer": "FluxTransformer2DModel/dev",
}
CONTROL = BASE | {"transformer": "FluxTransformer2DModel/control"}
CONTROLNET = BASE | {"controlnet": "FluxControlNetModel"}
CALL: dict[str, Any] = {"max_sequence_length": 48, "guidance_scale": 3.5}
TRUE_CFG = CALL | {"negative_prompt": "bad quality", "true_cfg_scale": 2.0}
IMAGE = CALL | {"image": Picture(), "strength": 0.6}
INPAINT = IMAGE | {"mask_image": Mask()}
HINT = {"control_image": Picture(salt=5)}
KONTEXT = CALL | {"image": Picture(), "_auto_resize": False, "max_area": 32 * 48}

CASES = [
    Case("flux", "FluxPipeline", BASE, CALL),
    Case("flux-schnell", "FluxPipeline", BASE | {"transformer": "FluxTransformer2DModel"}, CALL),
    Case(
        "flux-dynamic-shift", "FluxPipeline", BASE | {"scheduler": "FlowMatchEulerDiscreteScheduler/dynamic"}, CALL
    ),
    Case("flux-true-cfg", "FluxPipeline", BASE, TRUE_CFG),
    Case("flux-two-images", "FluxPipeline", BASE, CALL | {"num_images_per_prompt": 2}),
    Case("flux-img2img", "FluxImg2ImgPipeline", BASE, IMAGE),
    Case("flux-inpaint", "FluxInpaintPipeline", BASE, INPAINT),
    Case(
        "flux-fill",
        "FluxFillPipeline",
        BASE | {"transformer": "FluxTransformer2DModel/fill"},
        CALL | {"image": Picture(), "mask_image": Mask()},
    ),
    Case("flux-control", "FluxControlPipeline", CONTROL, CALL | HINT),
    Case("flux-control-img2img", "FluxControlImg2ImgPipeline", CONTROL, IMAGE | HINT),
    Case("flux-control-inpaint", "FluxControlInpaintPipeline", CONTROL, INPAINT | HINT),
    Case("flux-controlnet", "FluxControlNetPipeline", CONTROLNET, CALL | HINT),
    Case(
        "flux-controlnet-union",
        "FluxControlNetPipeline",
        BASE | {"controlnet": "FluxControlNetModel/union"},
        CALL | HINT | {"control_mode": 0},
    ),
    Case("flux-controlnet-true-cfg", "FluxControlNetPipeline", CONTROLNET, TRUE_CFG | HINT),
    Case("flux-controlnet-img2img", "FluxControlNetImg2ImgPipeline", CONTROLNET, IMAGE | HINT),
    Case("flux-controlnet-inpaint", "FluxControlNetInpaintPipeline", CONTROLNET, INPAINT | HINT),
    Case("flux-kontext", "FluxKontextPipeline", BASE, KONTEXT),
    Case("flux-kontext-without-image", "FluxKontextPipeline", BASE, CALL | {"max_area": 32 * 48}),
    Case(
        "flux-kontext-inpaint",
        "FluxKontextInpaintPipeline",
        BASE,
        KONTEXT | {"image_reference": Picture(salt=3), "mask_image": Mask()},
    ),
    Case(
        "flux-prior-redux",
        "FluxPriorReduxPipeline",
        {
            "image_encoder": "SiglipVisionModel",
            "feature_extractor": "SiglipImageProcessor",
            "image_embedder": "diffusers.pipelines.flux.modeling_flux.ReduxImageEncoder",
            **{key: BASE[key] for key in ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")},
        },
        {"image": Picture()},
        pass_size=False,
        steps_argument=None,
        output_type=None,
        generator_argument=None,
    ),
]

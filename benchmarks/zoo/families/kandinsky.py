"""Kandinsky 2.1, 2.2 and 3: image priors, decoders, both combined, and control."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Noise, Picture

PRIOR: dict[str, Any] = {
    "prior": "PriorTransformer",
    "image_encoder": "CLIPVisionModelWithProjection",
    "text_encoder": "CLIPTextModelWithProjection",
    "tokenizer": "CLIPTokenizer",
    "scheduler": "UnCLIPScheduler/prior",
    "image_processor": "CLIPImageProcessor",
}
OLD: dict[str, Any] = {
    "text_encoder": "MultilingualCLIP",
    "tokenizer": "XLMRobertaTokenizer",
    "unet": "UNet2DConditionModel/kandinsky",
    "scheduler": "DDIMScheduler/kandinsky",
    "movq": "VQModel/movq",
}
NEW: dict[str, Any] = {
    "unet": "UNet2DConditionModel/kandinsky-2.2",
    "scheduler": "DDPMScheduler/kandinsky",
    "movq": "VQModel/movq",
}
CONTROL = NEW | {"movq": "VQModel/movq-eight", "unet": "UNet2DConditionModel/kandinsky-2.2-control"}
WITH_PRIOR = {f"prior_{name}": row for name, row in PRIOR.items()}
THREE: dict[str, Any] = {
    "tokenizer": "T5Tokenizer",
    "text_encoder": "T5EncoderModel",
    "unet": "Kandinsky3UNet",
    "scheduler": "DDPMScheduler/kandinsky",
    "movq": "VQModel/movq",
}
EMBEDS: dict[str, Any] = {
    "image_embeds": Noise((1, 32)),
    "negative_image_embeds": Noise((1, 32), salt=1),
    "guidance_scale": 2.0,
}
CFG: dict[str, Any] = {"guidance_scale": 2.0, "negative_prompt": "bad quality"}
COMBINED = CFG | {"prior_num_inference_steps": 2, "prior_guidance_scale": 3.0}
IMAGE: dict[str, Any] = {"image": Picture(), "strength": 0.8}
INPAINT: dict[str, Any] = {"image": Picture(), "mask_image": Mask()}
HINT: dict[str, Any] = {"hint": Noise((1, 3, "H", "W"), salt=5)}
PriorCase = partial(Case, size=None)
SizedCase = partial(Case, size=(64, 64), swap_sizes=False)
DecoderCase = partial(Case, size=(64, 64), swap_sizes=False, prompt_argument=None)

CASES = [
    PriorCase("kandinsky-prior", "KandinskyPriorPipeline", PRIOR, CFG),
    SizedCase("kandinsky", "KandinskyPipeline", OLD, CFG | EMBEDS),
    SizedCase("kandinsky-img2img", "KandinskyImg2ImgPipeline", OLD, CFG | EMBEDS | IMAGE),
    SizedCase(
        "kandinsky-inpaint",
        "KandinskyInpaintPipeline",
        OLD | {"unet": "UNet2DConditionModel/kandinsky-inpaint"},
        CFG | EMBEDS | INPAINT,
    ),
    SizedCase("kandinsky-combined", "KandinskyCombinedPipeline", OLD | WITH_PRIOR, COMBINED),
    SizedCase(
        "kandinsky-img2img-combined", "KandinskyImg2ImgCombinedPipeline", OLD | WITH_PRIOR, COMBINED | IMAGE
    ),
    SizedCase(
        "kandinsky-inpaint-combined",
        "KandinskyInpaintCombinedPipeline",
        OLD | WITH_PRIOR | {"unet": "UNet2DConditionModel/kandinsky-inpaint"},
        COMBINED | INPAINT,
    ),
    PriorCase("kandinsky22-prior", "KandinskyV22PriorPipeline", PRIOR, CFG),
    PriorCase(
        "kandinsky22-prior-emb2emb",
        "KandinskyV22PriorEmb2EmbPipeline",
        PRIOR,
        CFG | {"image": Picture((32, 32)), "strength": 0.8},
    ),
    DecoderCase("kandinsky22", "KandinskyV22Pipeline", NEW, EMBEDS),
    DecoderCase("kandinsky22-img2img", "KandinskyV22Img2ImgPipeline", NEW, EMBEDS | IMAGE),
    DecoderCase(
        "kandinsky22-inpaint",
        "KandinskyV22InpaintPipeline",
        NEW | {"unet": "UNet2DConditionModel/kandinsky-2.2-inpaint"},
        EMBEDS | INPAINT,
    ),
    DecoderCase("kandinsky22-controlnet", "KandinskyV22ControlnetPipeline", CONTROL, EMBEDS | HINT),
    DecoderCase(
        "kandinsky22-controlnet-img2img",
        "KandinskyV22ControlnetImg2ImgPipeline",
        CONTROL,
        EMBEDS | HINT | IMAGE,
    ),
    SizedCase("kandinsky22-combined", "KandinskyV22CombinedPipeline", NEW | WITH_PRIOR, COMBINED),
    SizedCase(
        "kandinsky22-img2img-combined",
        "KandinskyV22Img2ImgCombinedPipeline",
        NEW | WITH_PRIOR,
        COMBINED | IMAGE,
    ),
    SizedCase(
        "kandinsky22-inpaint-combined",
        "KandinskyV22InpaintCombinedPipeline",
        NEW | WITH_PRIOR | {"unet": "UNet2DConditionModel/kandinsky-2.2-inpaint"},
        COMBINED | INPAINT,
    ),
    SizedCase("kandinsky3", "Kandinsky3Pipeline", THREE, CFG),
    SizedCase("kandinsky3-img2img", "Kandinsky3Img2ImgPipeline", THREE, CFG | IMAGE, pass_size=False),
]

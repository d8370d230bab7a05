"""Stable Diffusion 1.x with other guidance or other encoders: GLIGEN, Alt Diffusion, image variations and more."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families.stable_diffusion import BARE, BASE, CALL, IMAGE
from benchmarks.zoo.media import Mask, Picture

ENCODER: dict[str, Any] = {
    "image_encoder": "CLIPVisionModelWithProjection",
    "feature_extractor": "CLIPImageProcessor",
}
BOX: dict[str, Any] = {"gligen_phrases": ["a red fox"], "gligen_boxes": [[0.1, 0.2, 0.6, 0.8]]}
ALT: dict[str, Any] = BASE | {
    "text_encoder": "RobertaSeriesModelWithTransformation",
    "tokenizer": "XLMRobertaTokenizer",
}

CASES = [
    Case(
        "sd-image-variation",
        "StableDiffusionImageVariationPipeline",
        {"vae": BASE["vae"], "unet": BASE["unet"], "scheduler": BASE["scheduler"], "safety_checker": None}
        | {"requires_safety_checker": False, **ENCODER},
        {"image": Picture((32, 32)), "guidance_scale": 4.0},
        prompt_argument=None,
    ),
    Case(
        "sd-gligen",
        "StableDiffusionGLIGENPipeline",
        BASE | {"unet": "UNet2DConditionModel/gligen"},
        CALL | BOX,
    ),
    Case(
        "sd-gligen-text-image",
        "StableDiffusionGLIGENTextImagePipeline",
        BASE
        | ENCODER
        | {"unet": "UNet2DConditionModel/gligen-text-image", "processor": "CLIPProcessor"}
        | {"image_project": "diffusers.pipelines.stable_diffusion.CLIPImageProjection"},
        CALL | BOX | {"gligen_images": [Picture((32, 32))]},
    ),
    Case(
        "sd-attend-and-excite",
        "StableDiffusionAttendAndExcitePipeline",
        BASE,
        CALL | {"token_indices": [2, 3], "max_iter_to_alter": 1, "thresholds": {0: 0.5}, "attn_res": (8, 12)},
        size=(32, 48),
        swap_sizes=False,
    ),
    Case("sd-model-editing", "StableDiffusionModelEditingPipeline", BASE, CALL),
    Case(
        "sd-paradigms",
        "StableDiffusionParadigmsPipeline",
        BASE | {"scheduler": "DDIMParallelScheduler"},
        CALL | {"parallel": 2},
    ),
    Case(
        "sd-cycle-diffusion",
        "CycleDiffusionPipeline",
        BASE,
        {"source_prompt": "a dog", "image": Picture(), "strength": 0.8, "guidance_scale": 3.0, "eta": 0.1},
        pass_size=False,
    ),
    Case(
        "paint-by-example",
        "PaintByExamplePipeline",
        {name: BASE[name] for name in ("vae", "scheduler", "safety_checker", "requires_safety_checker")}
        | {"unet": "UNet2DConditionModel/inpaint", "image_encoder": "PaintByExampleImageEncoder"}
        | {"feature_extractor": "CLIPImageProcessor"},
        {"image": Picture(), "mask_image": Mask(), "example_image": Picture((32, 32), salt=3)},
        prompt_argument=None,
    ),
    Case(
        "versatile-image-variation",
        "VersatileDiffusionImageVariationPipeline",
        {"image_feature_extractor": "CLIPImageProcessor", "image_encoder": "CLIPVisionModelWithProjection"}
        | {"image_unet": BASE["unet"], "vae": BASE["vae"], "scheduler": BASE["scheduler"]},
        {"image": Picture((32, 32)), "guidance_scale": 4.0},
        prompt_argument=None,
    ),
    Case("alt-diffusion", "AltDiffusionPipeline", ALT, CALL),
    Case("alt-diffusion-img2img", "AltDiffusionImg2ImgPipeline", ALT, IMAGE, pass_size=False),
    Case(
        "ldm-text-to-image",
        "LDMTextToImagePipeline",
        {"vqvae": "AutoencoderKL", "bert": "LDMBertModel", "tokenizer": "BertTokenizer"}
        | {"unet": BARE["unet"], "scheduler": BARE["scheduler"]},
        {"guidance_scale": 3.0},
    ),
    Case(
        "kolors",
        "KolorsPipeline",
        {"vae": "AutoencoderKL", "text_encoder": "ChatGLMModel", "tokenizer": "ChatGLMTokenizer"}
        | {"unet": "UNet2DConditionModel/kolors", "scheduler": "EulerDiscreteScheduler"},
        CALL | {"max_sequence_length": 32},
    ),
    Case(
        "kolors-img2img",
        "KolorsImg2ImgPipeline",
        {"vae": "AutoencoderKL", "text_encoder": "ChatGLMModel", "tokenizer": "ChatGLMTokenizer"}
        | {"unet": "UNet2DConditionModel/kolors", "scheduler": "EulerDiscreteScheduler"},
        IMAGE | {"max_sequence_length": 32},
    ),
    Case(
        "pag-kolors",
        "KolorsPAGPipeline",
        {"vae": "AutoencoderKL", "text_encoder": "ChatGLMModel", "tokenizer": "ChatGLMTokenizer"}
        | {"unet": "UNet2DConditionModel/kolors", "scheduler": "EulerDiscreteScheduler"},
        CALL | {"max_sequence_length": 32, "pag_scale": 3.0},
    ),
]

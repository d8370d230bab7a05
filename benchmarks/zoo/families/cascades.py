"""Cascades of models: unCLIP, Wuerstchen, Stable Cascade; and masked-token models: aMUSEd, VQ-Diffusion."""

from functools import partial
from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Noise, Picture

TEXT: dict[str, Any] = {"text_encoder": "CLIPTextModelWithProjection", "tokenizer": "CLIPTokenizer"}
SUPER_RESOLUTION: dict[str, Any] = {
    "decoder": "UNet2DConditionModel/unclip",
    "text_proj": "diffusers.pipelines.deprecated.unclip.text_proj.UnCLIPTextProjModel",
    "super_res_first": "UNet2DModel/unclip",
    "super_res_last": "UNet2DModel/unclip-last",
    "decoder_scheduler": "UnCLIPScheduler/decoder",
    "super_res_scheduler": "UnCLIPScheduler",
}
SUPER_RESOLUTION_CALL: dict[str, Any] = {"super_res_num_inference_steps": 2}
NOISED: dict[str, Any] = {
    "image_normalizer": "diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer."
    "StableUnCLIPImageNormalizer",
    "image_noising_scheduler": "DDPMScheduler",
    "tokenizer": "CLIPTokenizer",
    "text_encoder": "CLIPTextModel",
    "unet": "UNet2DConditionModel/stable-unclip",
    "scheduler": "DDIMScheduler/v",
    "vae": "AutoencoderKL",
}
WUERSTCHEN_PRIOR: dict[str, Any] = {
    "tokenizer": "CLIPTokenizer",
    "text_encoder": "CLIPTextModel",
    "prior": "diffusers.pipelines.deprecated.wuerstchen.WuerstchenPrior",
    "scheduler": "DDPMWuerstchenScheduler",
}
WUERSTCHEN: dict[str, Any] = {
    "tokenizer": "CLIPTokenizer",
    "text_encoder": "CLIPTextModel",
    "decoder": "diffusers.pipelines.deprecated.wuerstchen.WuerstchenDiffNeXt",
    "scheduler": "DDPMWuerstchenScheduler",
    "vqgan": "diffusers.pipelines.deprecated.wuerstchen.PaellaVQModel",
}
CASCADE_PRIOR: dict[str, Any] = TEXT | {
    "prior": "StableCascadeUNet/prior",
    "scheduler": "DDPMWuerstchenScheduler",
}
CASCADE: dict[str, Any] = TEXT | {
    "decoder": "StableCascadeUNet",
    "scheduler": "DDPMWuerstchenScheduler",
    "vqgan": "diffusers.pipelines.deprecated.wuerstchen.PaellaVQModel",
}
AMUSED: dict[str, Any] = {
    "vqvae": "VQModel/amused",
    "tokenizer": "CLIPTokenizer",
    "text_encoder": "CLIPTextModelWithProjection/8",
    "transformer": "UVit2DModel",
    "scheduler": "AmusedScheduler",
}
CFG: dict[str, Any] = {"guidance_scale": 4.0, "negative_prompt": "bad quality"}
EMBEDDINGS: dict[str, Any] = {"image_embeddings": Noise((1, 4, 4, 4))}
BOTH: dict[str, Any] = {
    "prior_num_inference_steps": 2,
    "prior_guidance_scale": 4.0,
    "decoder_guidance_scale": 3.0,
    "negative_prompt": "bad quality",
}
SizelessCase = partial(Case, size=None)
LargeCase = partial(Case, size=(128, 128), swap_sizes=False)

CASES = [
    SizelessCase(
        "unclip",
        "UnCLIPPipeline",
        TEXT | SUPER_RESOLUTION | {"prior": "PriorTransformer", "prior_scheduler": "UnCLIPScheduler/prior"},
        SUPER_RESOLUTION_CALL | {"decoder_num_inference_steps": 2},
        steps_argument="prior_num_inference_steps",
    ),
    SizelessCase(
        "unclip-image-variation",
        "UnCLIPImageVariationPipeline",
        TEXT
        | SUPER_RESOLUTION
        | {"feature_extractor": "CLIPImageProcessor", "image_encoder": "CLIPVisionModelWithProjection"},
        SUPER_RESOLUTION_CALL | {"image": Picture((32, 32))},
        prompt_argument=None,
        steps_argument="decoder_num_inference_steps",
    ),
    Case(
        "stable-unclip",
        "StableUnCLIPPipeline",
        NOISED
        | {"prior_tokenizer": "CLIPTokenizer", "prior_text_encoder": "CLIPTextModelWithProjection"}
        | {"prior": "PriorTransformer", "prior_scheduler": "DDPMScheduler/prior"},
        {"prior_num_inference_steps": 2, "negative_prompt": "bad quality"},
    ),
    Case(
        "stable-unclip-img2img",
        "StableUnCLIPImg2ImgPipeline",
        NOISED | {"feature_extractor": "CLIPImageProcessor", "image_encoder": "CLIPVisionModelWithProjection"},
        {"image": Picture((32, 32)), "negative_prompt": "bad quality"},
    ),
    LargeCase("wuerstchen-prior", "WuerstchenPriorPipeline", WUERSTCHEN_PRIOR, CFG),
    SizelessCase("wuerstchen-decoder", "WuerstchenDecoderPipeline", WUERSTCHEN, CFG | EMBEDDINGS),
    LargeCase(
        "wuerstchen-combined",
        "WuerstchenCombinedPipeline",
        WUERSTCHEN | {f"prior_{name}": row for name, row in WUERSTCHEN_PRIOR.items()},
        BOTH,
    ),
    LargeCase("stable-cascade-prior", "StableCascadePriorPipeline", CASCADE_PRIOR, CFG),
    SizelessCase("stable-cascade-decoder", "StableCascadeDecoderPipeline", CASCADE, CFG | EMBEDDINGS),
    LargeCase(
        "stable-cascade-combined",
        "StableCascadeCombinedPipeline",
        CASCADE | {f"prior_{name}": row for name, row in CASCADE_PRIOR.items()},
        BOTH,
    ),
    Case("amused", "AmusedPipeline", AMUSED, CFG, size=(8, 16)),
    Case(
        "amused-img2img",
        "AmusedImg2ImgPipeline",
        AMUSED,
        CFG | {"image": Picture()},
        size=(8, 16),
        pass_size=False,
    ),
    Case(
        "amused-inpaint",
        "AmusedInpaintPipeline",
        AMUSED,
        CFG | {"image": Picture(), "mask_image": Mask()},
        size=(8, 16),
        pass_size=False,
    ),
    SizelessCase(
        "vq-diffusion",
        "VQDiffusionPipeline",
        {
            "vqvae": "VQModel/discrete",
            "text_encoder": "CLIPTextModel",
            "tokenizer": "CLIPTokenizer",
            "transformer": "Transformer2DModel/discrete",
            "scheduler": "VQDiffusionScheduler",
            "learned_classifier_free_sampling_embeddings": "diffusers.pipelines.deprecated.vq_diffusion."
            "pipeline_vq_diffusion.LearnedClassifierFreeSamplingEmbeddings",
        },
    ),
    SizelessCase(
        "shap-e",
        "ShapEPipeline",
        TEXT
        | {"prior": "PriorTransformer/shap-e", "scheduler": "HeunDiscreteScheduler/shap-e"}
        | {"shap_e_renderer": "diffusers.pipelines.shap_e.ShapERenderer"},
        output_type="latent",
    ),
    SizelessCase(
        "shap-e-img2img",
        "ShapEImg2ImgPipeline",
        {"image_encoder": "CLIPVisionModel", "image_processor": "CLIPImageProcessor"}
        | {"prior": "PriorTransformer/shap-e-image", "scheduler": "HeunDiscreteScheduler/shap-e"}
        | {"shap_e_renderer": "diffusers.pipelines.shap_e.ShapERenderer"},
        {"image": Picture((32, 32))},
        output_type="latent",
        prompt_argument=None,
    ),
]

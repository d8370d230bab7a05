"""Text-to-image transformers with few relatives: PixArt, Lumina, Chroma, Hunyuan."""

from typing import Any

from benchmarks.zoo.case import Case, Plain
from benchmarks.zoo.media import Mask, Picture

PIXART: dict[str, Any] = {
    "scheduler": "DPMSolverMultistepScheduler",
    "vae": "AutoencoderKL",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "PixArtTransformer2DModel",
}
PIXART_CALL: dict[str, Any] = {
    "guidance_scale": 4.5,
    "negative_prompt": "bad quality",
    "use_resolution_binning": False,
    "clean_caption": False,
    "max_sequence_length": 48,
}
LUMINA_2: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/sd3",
    "text_encoder": "Gemma2Model",
    "tokenizer": "GemmaTokenizer",
    "transformer": "Lumina2Transformer2DModel",
}
LUMINA_CALL: dict[str, Any] = {"guidance_scale": 4.0, "negative_prompt": "bad quality", "max_sequence_length": 64}
CHROMA: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/flux",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "transformer": "ChromaTransformer2DModel",
}
CHROMA_CALL: dict[str, Any] = {
    "guidance_scale": 5.0,
    "negative_prompt": "bad quality",
    "max_sequence_length": 48,
}
HUNYUAN_IMAGE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLHunyuanImage",
    "text_encoder": "Qwen2_5_VLForConditionalGeneration",
    "tokenizer": "Qwen2Tokenizer",
    "text_encoder_2": "T5EncoderModel/byte",
    "tokenizer_2": "ByT5Tokenizer",
    "transformer": "HunyuanImageTransformer2DModel",
    "guider": "AdaptiveProjectedMixGuidance",
    "ocr_guider": "AdaptiveProjectedMixGuidance/ocr",
}
HUNYUAN_DIT: dict[str, Any] = {
    "scheduler": "DDPMScheduler",
    "vae": "AutoencoderKL/eight",
    "text_encoder": "BertModel",
    "tokenizer": "BertTokenizer",
    "text_encoder_2": "T5EncoderModel",
    "tokenizer_2": "T5Tokenizer",
    "transformer": "HunyuanDiT2DModel",
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}
HUNYUAN_DIT_CALL: dict[str, Any] = {
    "guidance_scale": 5.0,
    "negative_prompt": "bad quality",
    "use_resolution_binning": False,
}


def _declare_no_guidance(pipeline: Any) -> None:
    """The inpainting pipeline reads a configuration entry that Chroma's transformer never had."""
    pipeline.transformer.register_to_config(guidance_embeds=False)


CASES = [
    Case("pixart-sigma", "PixArtSigmaPipeline", PIXART, PIXART_CALL),
    Case("pixart-sigma-no-cfg", "PixArtSigmaPipeline", PIXART, PIXART_CALL | {"guidance_scale": 1.0}),
    Case("pixart-alpha", "PixArtAlphaPipeline", PIXART, PIXART_CALL),
    Case(
        "pixart-alpha-1024",
        "PixArtAlphaPipeline",
        PIXART | {"transformer": "PixArtTransformer2DModel/alpha"},
        PIXART_CALL,
    ),
    Case(
        "pag-pixart-sigma",
        "PixArtSigmaPAGPipeline",
        PIXART | {"pag_applied_layers": Plain(["blocks.1"])},
        PIXART_CALL | {"pag_scale": 3.0},
    ),
    Case(
        "lumina2",
        "Lumina2Pipeline",
        LUMINA_2,
        LUMINA_CALL | {"system_prompt": "You are an assistant"},
        size=(64, 96),
    ),
    Case(
        "lumina2-truncated-cfg", "Lumina2Pipeline", LUMINA_2, LUMINA_CALL | {"cfg_trunc_ratio": 0.4}, size=(64, 96)
    ),
    Case(
        "lumina",
        "LuminaPipeline",
        LUMINA_2 | {"transformer": "LuminaNextDiT2DModel", "text_encoder": "GemmaModel", "vae": "AutoencoderKL"},
        LUMINA_CALL | {"clean_caption": False},
        size=(64, 96),
    ),
    Case("chroma", "ChromaPipeline", CHROMA, CHROMA_CALL),
    Case("chroma-no-cfg", "ChromaPipeline", CHROMA, CHROMA_CALL | {"guidance_scale": 1.0}),
    Case("chroma-img2img", "ChromaImg2ImgPipeline", CHROMA, CHROMA_CALL | {"image": Picture(), "strength": 0.6}),
    Case(
        "chroma-inpaint",
        "ChromaInpaintPipeline",
        CHROMA,
        CHROMA_CALL | {"image": Picture(), "mask_image": Mask(), "strength": 0.6},
        prepare=_declare_no_guidance,
    ),
    Case("hunyuan-image", "HunyuanImagePipeline", HUNYUAN_IMAGE, {"negative_prompt": "bad quality"}),
    Case(
        "hunyuan-image-distilled",
        "HunyuanImagePipeline",
        HUNYUAN_IMAGE
        | {"transformer": "HunyuanImageTransformer2DModel/distilled", "guider": None, "ocr_guider": None},
        {"distilled_guidance_scale": 3.5},
    ),
    Case(
        "hunyuan-image-refiner",
        "HunyuanImageRefinerPipeline",
        {key: HUNYUAN_IMAGE[key] for key in ("scheduler", "text_encoder", "tokenizer", "guider")}
        | {"vae": "AutoencoderKLHunyuanImageRefiner", "transformer": "HunyuanImageTransformer2DModel/refiner"},
        {"image": Picture(), "distilled_guidance_scale": 3.5},
    ),
    Case("hunyuan-dit", "HunyuanDiTPipeline", HUNYUAN_DIT, HUNYUAN_DIT_CALL),
    Case(
        "hunyuan-dit-controlnet",
        "HunyuanDiTControlNetPipeline",
        HUNYUAN_DIT | {"controlnet": "HunyuanDiT2DControlNetModel"},
        HUNYUAN_DIT_CALL | {"control_image": Picture(salt=5)},
        global_random=True,
    ),
    Case(
        "pag-hunyuan-dit",
        "HunyuanDiTPAGPipeline",
        HUNYUAN_DIT | {"pag_applied_layers": Plain(["blocks.1"])},
        HUNYUAN_DIT_CALL | {"pag_scale": 3.0},
    ),
]

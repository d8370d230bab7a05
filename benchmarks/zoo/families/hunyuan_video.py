"""HunyuanVideo 1 and 1.5, SkyReels on it, and Framepack."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLHunyuanVideo",
    "text_encoder": "LlamaModel",
    "tokenizer": "LlamaTokenizer",
    "text_encoder_2": "CLIPTextModel",
    "tokenizer_2": "CLIPTokenizer",
    "transformer": "HunyuanVideoTransformer3DModel",
}
FIFTEEN: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLHunyuanVideo15",
    "text_encoder": "Qwen2_5_VLTextModel",
    "tokenizer": "Qwen2Tokenizer",
    "text_encoder_2": "T5EncoderModel/byte",
    "tokenizer_2": "ByT5Tokenizer",
    "transformer": "HunyuanVideo15Transformer3DModel",
    "guider": "ClassifierFreeGuidance",
}
SIGLIP: dict[str, Any] = {
    "image_encoder": "SiglipVisionModel",
    "feature_extractor": "SiglipImageProcessor",
}
CALL: dict[str, Any] = {
    "num_frames": 9,
    "guidance_scale": 4.5,
    "max_sequence_length": 32,
    "prompt_template": {"template": "{}", "crop_start": 0},
}
TRUE_CFG = {"true_cfg_scale": 2.0, "negative_prompt": "bad quality"}
SHORT = {"tokenizer_max_length": 64, "tokenizer_2_max_length": 32}

CASES = [
    Case("hunyuan-video", "HunyuanVideoPipeline", BASE, CALL),
    Case("hunyuan-video-true-cfg", "HunyuanVideoPipeline", BASE, CALL | TRUE_CFG),
    Case(
        "hunyuan-video-image-to-video",
        "HunyuanVideoImageToVideoPipeline",
        BASE
        | {"text_encoder": "LlavaForConditionalGeneration", "image_processor": "CLIPImageProcessor"}
        | {"transformer": "HunyuanVideoTransformer3DModel/latent-concat"},
        CALL
        | {"image": Picture(), "max_sequence_length": 48}
        | {
            "prompt_template": {
                "template": "{}",
                "crop_start": 0,
                "image_emb_len": 16,
                "image_emb_start": 3,
                "image_emb_end": 19,
                "double_return_token_id": 271,
            }
        },
    ),
    Case(
        "hunyuan-skyreels-image-to-video",
        "HunyuanSkyreelsImageToVideoPipeline",
        BASE | {"transformer": "HunyuanVideoTransformer3DModel/skyreels"},
        CALL | TRUE_CFG | {"image": Picture()},
    ),
    Case(
        "hunyuan-video-framepack",
        "HunyuanVideoFramepackPipeline",
        BASE | SIGLIP | {"transformer": "HunyuanVideoFramepackTransformer3DModel"},
        CALL | {"image": Picture(), "latent_window_size": 3},
        size=(32, 64),
    ),
    Case(
        "hunyuan-video-1.5",
        "HunyuanVideo15Pipeline",
        FIFTEEN,
        {"num_frames": 5, "negative_prompt": "bad quality"},
        size=(16, 32),
        attributes=SHORT,
    ),
    Case(
        "hunyuan-video-1.5-image-to-video",
        "HunyuanVideo15ImageToVideoPipeline",
        FIFTEEN | SIGLIP,
        {"num_frames": 5, "negative_prompt": "bad quality", "image": Picture((32, 32))},
        size=None,
        attributes=SHORT,
    ),
]

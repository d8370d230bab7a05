"""Video transformers with few relatives: Latte, Allegro, Mochi, Sana Video, EasyAnimate, Lucy, ChronoEdit."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.families import sana, wan
from benchmarks.zoo.media import Frames, Picture

TEXT: dict[str, Any] = {"text_encoder": "T5EncoderModel", "tokenizer": "T5Tokenizer"}
CFG: dict[str, Any] = {"guidance_scale": 5.0, "negative_prompt": "bad quality"}
EASY: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLMagvit",
    "text_encoder": "Qwen2VLForConditionalGeneration",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "EasyAnimateTransformer3DModel",
}
SANA_VIDEO = sana.BASE | {"vae": "AutoencoderKLWan", "transformer": "SanaVideoTransformer3DModel"}
SANA_CALL = sana.CALL | {"frames": 9}

CASES = [
    Case(
        "latte",
        "LattePipeline",
        TEXT
        | {"vae": "AutoencoderKL/eight", "transformer": "LatteTransformer3DModel", "scheduler": "DDIMScheduler"},
        CFG | {"video_length": 2, "clean_caption": False},
    ),
    Case(
        "allegro",
        "AllegroPipeline",
        TEXT
        | {"vae": "AutoencoderKLAllegro", "transformer": "AllegroTransformer3DModel"}
        | {"scheduler": "DDIMScheduler"},
        CFG | {"num_frames": 8, "max_sequence_length": 16, "clean_caption": False},
        size=(16, 32),
        output_type="latent",
    ),
    Case(
        "mochi",
        "MochiPipeline",
        TEXT
        | {"vae": "AutoencoderKLMochi", "transformer": "MochiTransformer3DModel"}
        | {"scheduler": "FlowMatchEulerDiscreteScheduler"},
        CFG | {"num_frames": 7, "max_sequence_length": 16},
        size=(16, 32),
    ),
    Case("sana-video", "SanaVideoPipeline", SANA_VIDEO, SANA_CALL, size=(32, 64)),
    Case(
        "sana-image-to-video",
        "SanaImageToVideoPipeline",
        SANA_VIDEO,
        SANA_CALL | {"image": Picture()},
        size=(32, 64),
    ),
    Case("easyanimate", "EasyAnimatePipeline", EASY, CFG | {"num_frames": 5}, size=(16, 32)),
    Case(
        "lucy-edit",
        "LucyEditPipeline",
        wan.BASE
        | {"transformer": "WanTransformer3DModel/lucy", "expand_timesteps": True, "vae": "AutoencoderKLWan"},
        wan.CALL | {"video": Frames(9)},
    ),
    Case(
        "chrono-edit",
        "ChronoEditPipeline",
        wan.IMAGE | {"transformer": "ChronoEditTransformer3DModel"},
        wan.CALL | {"image": Picture()},
    ),
    Case(
        "helios",
        "HeliosPipeline",
        wan.BASE | {"transformer": "HeliosTransformer3DModel", "scheduler": "HeliosScheduler"},
        wan.CALL,
    ),
    Case(
        "motif-video",
        "MotifVideoPipeline",
        TEXT
        | {"scheduler": "FlowMatchEulerDiscreteScheduler", "vae": "AutoencoderKLWan"}
        | {"transformer": "MotifVideoTransformer3DModel", "guider": "ClassifierFreeGuidance"},
        {"num_frames": 9, "max_sequence_length": 32, "negative_prompt": "bad quality"},
    ),
    Case(
        "anyflow-far",
        "AnyFlowFARPipeline",
        wan.BASE | {"transformer": "AnyFlowFARTransformer3DModel", "scheduler": "FlowMapEulerDiscreteScheduler"},
        {"num_frames": 9, "max_sequence_length": 32, "chunk_partition": [1, 2]},
        size=(32, 64),
    ),
    Case(
        "anyflow",
        "AnyFlowPipeline",
        wan.BASE | {"transformer": "AnyFlowTransformer3DModel", "scheduler": "FlowMapEulerDiscreteScheduler"},
        {"num_frames": 9, "max_sequence_length": 32},
    ),
]

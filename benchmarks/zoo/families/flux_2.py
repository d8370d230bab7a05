"""FLUX.2 and FLUX.2 Klein."""

from typing import Any

from benchmarks.zoo.case import Case
from benchmarks.zoo.media import Mask, Picture

BASE: dict[str, Any] = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKLFlux2",
    "text_encoder": "Mistral3ForConditionalGeneration",
    "tokenizer": "Qwen2Tokenizer",
    "transformer": "Flux2Transformer2DModel",
}
KLEIN: dict[str, Any] = BASE | {
    "text_encoder": "Qwen3ForCausalLM",
    "transformer": "Flux2Transformer2DModel/plain",
}
CALL: dict[str, Any] = {"max_sequence_length": 200, "guidance_scale": 4.0, "text_encoder_out_layers": (1, 2)}
KV: dict[str, Any] = {"max_sequence_length": 64, "text_encoder_out_layers": (1, 2)}
REFERENCE = Picture((64, 64), salt=3)

CASES = [
    Case("flux2", "Flux2Pipeline", BASE, CALL),
    Case("flux2-edit", "Flux2Pipeline", BASE, CALL | {"image": REFERENCE}),
    Case("flux2-edit-two", "Flux2Pipeline", BASE, CALL | {"image": [REFERENCE, Picture((64, 64), salt=4)]}),
    Case("flux2-klein", "Flux2KleinPipeline", KLEIN, CALL | {"max_sequence_length": 64}),
    Case("flux2-klein-distilled", "Flux2KleinPipeline", KLEIN | {"is_distilled": True}, KV),
    Case(
        "flux2-klein-edit", "Flux2KleinPipeline", KLEIN, CALL | {"max_sequence_length": 64, "image": [REFERENCE]}
    ),
    Case(
        "flux2-klein-inpaint",
        "Flux2KleinInpaintPipeline",
        KLEIN,
        KV | {"image": Picture(), "mask_image": Mask(), "guidance_scale": 4.0},
        size=(64, 96),
    ),
    Case("flux2-klein-kv", "Flux2KleinKVPipeline", KLEIN, KV | {"image": [REFERENCE]}),
]

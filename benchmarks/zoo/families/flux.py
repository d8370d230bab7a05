"""FLUX.1 and its relatives."""

from benchmarks.zoo.case import Case

BASE = {
    "scheduler": "FlowMatchEulerDiscreteScheduler",
    "vae": "AutoencoderKL/flux",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "text_encoder_2": "T5EncoderModel",
    "tokenizer_2": "T5Tokenizer",
    "transformer": "FluxTransformer2DModel/dev",
}
CALL = {"max_sequence_length": 48, "guidance_scale": 3.5}

CASES = [
    Case("flux", "FluxPipeline", BASE, CALL),
    Case("flux-schnell", "FluxPipeline", BASE | {"transformer": "FluxTransformer2DModel"}, CALL),
    Case("flux-true-cfg", "FluxPipeline", BASE, CALL | {"negative_prompt": "bad", "true_cfg_scale": 2.0}),
]

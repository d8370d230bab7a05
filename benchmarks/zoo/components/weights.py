"""Random weights under which every input of a module matters.

Libraries start gates, control branches and output layers at zero and leave some tokens uninitialised; a wrong
merge of requests would then go unseen, or the result would be garbage memory. So all of them are drawn anew.
"""

from __future__ import annotations

import torch

EMBEDDING_SPREAD = 0.5
BIAS_SPREAD = 0.05


# Factors on layers, by class and start of the parameter's name, whose random output would fill the range of a
# picture many times over; saturated pictures hide differences, and wild ones magnify rounding.
TAMED = {
    "AutoencoderKLCogVideoX": ("decoder.conv_out", 0.15),
    "AutoencoderKLCosmos": ("decoder.conv_out", 0.15),
    "PaellaVQModel": ("up_blocks.0.", 0.01),
    "StableCascadeUNet": ("clf.", 0.05),
    "VQModel": ("decoder.conv_out", 0.1),
    "WuerstchenDiffNeXt": ("clf.", 0.05),
    "WuerstchenPrior": ("out.", 0.05),
}


@torch.no_grad()
def randomise(module: torch.nn.Module) -> None:
    """Redraw all parameters from the global generator: matrices by fan-in, scales around one, biases small."""
    embeddings = {id(child.weight) for child in module.modules() if isinstance(child, torch.nn.Embedding)}
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point() or parameter.numel() == 0:
            continue
        if id(parameter) in embeddings:
            parameter.normal_(0.0, EMBEDDING_SPREAD)
        elif parameter.dim() >= 2:
            fan_in = max(1, parameter[0].numel())
            parameter.normal_(0.0, fan_in**-0.5)
        elif name.endswith(("weight", "gamma", "scale")):
            parameter.normal_(1.0, BIAS_SPREAD)
        else:
            parameter.normal_(0.0, BIAS_SPREAD)
        prefix, factor = TAMED.get(type(module).__name__, ("", 1.0))
        if prefix and name.startswith(prefix):
            parameter.mul_(factor)

"""What a denoising step believes the finished latent to be. Used for previews.

From the arguments and the result of one call of a noise scheduler's `step`, after guidance, whatever made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def clean_latent(scheduler: Any, given: Mapping[str, Any], result: Any) -> torch.Tensor | None:
    """The predicted clean latent of the first sample, fp32, (1, ...); the latent itself if it cannot be derived.

    Flow matching: x0 = x - sigma v (Lipman et al., arXiv:2210.02747). Noise: x0 = (x - sqrt(1 - a) e) / sqrt(a)
    (Ho et al., arXiv:2006.11239, eq. 15). Velocity: x0 = sqrt(a) x - sqrt(1 - a) v (Salimans and Ho,
    arXiv:2202.00512). None if the step is of another kind.

    Args:
        scheduler: the noise scheduler after its step.
        given: the arguments of its step by name.
        result: what the step returned.
    """
    predicted = _told(result)
    if predicted is None:
        predicted = _derived(scheduler, given)
    if predicted is None:
        predicted = _first(result)
    return None if predicted is None else predicted[:1].float()


def _told(result: Any) -> torch.Tensor | None:
    """What the scheduler itself says: the field, or the second member of a pair."""
    for name in ("pred_original_sample", "denoised"):
        if (value := getattr(result, name, None)) is not None:
            return _tensor(value)
    return _tensor(result[1]) if isinstance(result, tuple) and len(result) == 2 else None


def _derived(scheduler: Any, given: Mapping[str, Any]) -> torch.Tensor | None:
    sample, output = _tensor(given.get("sample")), _tensor(given.get("model_output"))
    if sample is None or output is None or sample.ndim < 3:
        return None
    sample, output = sample[:1].float(), output[:1].float()
    if output.shape[1] == 2 * sample.shape[1]:  # a learned variance comes along
        output = output.chunk(2, dim=1)[0]
    if output.shape != sample.shape:
        return None
    kind = scheduler.config.get("prediction_type", "epsilon")
    sigmas, alphas = getattr(scheduler, "sigmas", None), getattr(scheduler, "alphas_cumprod", None)
    if kind == "flow_prediction" or (alphas is None and sigmas is not None and float(sigmas.max()) <= 1):
        index = getattr(scheduler, "step_index", None)
        return None if index is None or sigmas is None else sample - sigmas[index - 1].to(sample) * output
    return None if alphas is None else _from_alpha(kind, sample, output, alphas, given.get("timestep"))


def _from_alpha(
    kind: str, sample: torch.Tensor, output: torch.Tensor, alphas: torch.Tensor, timestep: Any
) -> torch.Tensor | None:
    place = int(torch.as_tensor(timestep).flatten()[0])
    if not 0 <= place < len(alphas):
        return None
    alpha = alphas[place].to(sample)
    match kind:
        case "epsilon":
            return (sample - (1 - alpha).sqrt() * output) / alpha.sqrt()
        case "v_prediction":
            return alpha.sqrt() * sample - (1 - alpha).sqrt() * output
        case "sample":
            return output
    return None


def _first(result: Any) -> torch.Tensor | None:
    value = result[0] if isinstance(result, tuple) and result else getattr(result, "prev_sample", None)
    return _tensor(value)


def _tensor(value: Any) -> torch.Tensor | None:
    return value if isinstance(value, torch.Tensor) and value.ndim else None

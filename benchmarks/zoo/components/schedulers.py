"""Rows of noise schedulers; a class without a row is made with its defaults."""

from typing import Any

STABLE_DIFFUSION: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}

ROWS: dict[str, dict[str, Any]] = {
    "DDIMScheduler": STABLE_DIFFUSION | {"clip_sample": False, "set_alpha_to_one": False},
    "EulerDiscreteScheduler": STABLE_DIFFUSION | {"steps_offset": 1, "timestep_spacing": "leading"},
    "FlowMatchEulerDiscreteScheduler/dynamic": {"use_dynamic_shifting": True},
}

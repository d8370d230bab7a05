"""Rows of noise schedulers; a class without a row is made with its defaults."""

from typing import Any

STABLE_DIFFUSION: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
DPM: dict[str, Any] = STABLE_DIFFUSION | {"solver_order": 2}

ROWS: dict[str, dict[str, Any]] = {
    "DDIMScheduler": STABLE_DIFFUSION | {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1},
    "DDIMScheduler/v": STABLE_DIFFUSION | {"clip_sample": False, "prediction_type": "v_prediction"},
    "DDIMScheduler/kandinsky": {
        "beta_schedule": "linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "DDPMScheduler/kandinsky": {
        "beta_schedule": "linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "variance_type": "fixed_small",
    },
    "DDPMScheduler/prior": {
        "variance_type": "fixed_small_log",
        "prediction_type": "sample",
        "clip_sample_range": 5.0,
        "beta_schedule": "squaredcos_cap_v2",
    },
    "UnCLIPScheduler/prior": {"prediction_type": "sample", "clip_sample_range": 5.0},
    "UnCLIPScheduler/decoder": {"variance_type": "learned_range"},
    "HeunDiscreteScheduler/shap-e": {
        "beta_schedule": "exp",
        "num_train_timesteps": 1024,
        "prediction_type": "sample",
        "use_karras_sigmas": True,
        "clip_sample": True,
    },
    "AmusedScheduler": {"mask_token_id": 31},
    "VQDiffusionScheduler": {"num_vec_classes": 12},
    "DDPMScheduler/if": {
        "beta_schedule": "squaredcos_cap_v2",
        "thresholding": True,
        "dynamic_thresholding_ratio": 0.95,
        "sample_max_value": 1.0,
        "variance_type": "learned_range",
    },
    "DDPMScheduler": STABLE_DIFFUSION | {"clip_sample": False},
    "PNDMScheduler": STABLE_DIFFUSION | {"skip_prk_steps": True},
    "LMSDiscreteScheduler": STABLE_DIFFUSION,
    "EulerDiscreteScheduler": STABLE_DIFFUSION | {"steps_offset": 1, "timestep_spacing": "leading"},
    "EulerDiscreteScheduler/video": STABLE_DIFFUSION
    | {
        "interpolation_type": "linear",
        "prediction_type": "v_prediction",
        "sigma_max": 700.0,
        "sigma_min": 0.002,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "timestep_type": "continuous",
        "use_karras_sigmas": True,
    },
    "EulerAncestralDiscreteScheduler": STABLE_DIFFUSION | {"steps_offset": 1},
    "HeunDiscreteScheduler": STABLE_DIFFUSION,
    "KDPM2DiscreteScheduler": STABLE_DIFFUSION,
    "KDPM2AncestralDiscreteScheduler": STABLE_DIFFUSION,
    "DPMSolverMultistepScheduler": DPM,
    "DPMSolverMultistepScheduler/karras": DPM | {"use_karras_sigmas": True},
    "DPMSolverMultistepScheduler/sde": DPM | {"algorithm_type": "sde-dpmsolver++"},
    "DPMSolverMultistepScheduler/flow": {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
    "DPMSolverSinglestepScheduler": DPM,
    "UniPCMultistepScheduler": DPM,
    "DEISMultistepScheduler": DPM,
    "LCMScheduler": STABLE_DIFFUSION,
    "TCDScheduler": STABLE_DIFFUSION,
    "SASolverScheduler": STABLE_DIFFUSION,
    "UniPCMultistepScheduler/flow": {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
    "CosineDPMSolverMultistepScheduler": {
        "solver_order": 2,
        "prediction_type": "v_prediction",
        "sigma_data": 1.0,
        "sigma_schedule": "exponential",
    },
    "FlowMatchEulerDiscreteScheduler/karras": {"use_karras_sigmas": True},
    "EDMEulerScheduler/cosmos": {"sigma_max": 80, "sigma_data": 0.5, "final_sigmas_type": "sigma_min"},
    "FlowMatchEulerDiscreteScheduler/dynamic": {"use_dynamic_shifting": True},
}

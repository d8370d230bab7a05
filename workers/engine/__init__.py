"""The engine: take in, plan, execute, settle. Pure standard library: no torch, no Celery, no Redis."""

from workers.engine.batcher import Batcher, fixed
from workers.engine.calls import Advance, CallInfo, Failed, Finished, Lane, Parked, Preview, StepResult, Timing
from workers.engine.config import OmniDiffusionConfig
from workers.engine.engine import DiffusionEngine
from workers.engine.executor import DeviceOutOfMemory, DiffusionExecutor
from workers.engine.request import (
    DiffusionOutput,
    EngineEvent,
    LoRARequest,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    RequestCanceled,
    RequestCheckpoint,
    RequestFailed,
    RequestFinished,
    RequestNotSaved,
    RequestPreview,
    RequestProgress,
    RequestResumed,
)

__all__ = [
    "Advance",
    "Batcher",
    "CallInfo",
    "DeviceOutOfMemory",
    "DiffusionEngine",
    "DiffusionExecutor",
    "DiffusionOutput",
    "EngineEvent",
    "Failed",
    "Finished",
    "Lane",
    "LoRARequest",
    "OmniDiffusionConfig",
    "OmniDiffusionRequest",
    "OmniDiffusionSamplingParams",
    "Parked",
    "Preview",
    "RequestCanceled",
    "RequestCheckpoint",
    "RequestFailed",
    "RequestFinished",
    "RequestNotSaved",
    "RequestPreview",
    "RequestProgress",
    "RequestResumed",
    "StepResult",
    "Timing",
    "fixed",
]

"""The engine process and the worker's half of it: JSON lines over a socket pair, pixels as spool files."""

from workers.engine_process.errors import EngineLost, RequestDropped
from workers.engine_process.messages import Rendered, RenderRequest
from workers.engine_process.parent import EngineProcess
from workers.engine_process.replicas import Replicas
from workers.engine_process.residency import Action, Budget
from workers.engine_process.spool import SpoolFile, write_spool
from workers.engine_process.state import EngineStats, ModelState, Position

__all__ = [
    "Action",
    "Budget",
    "EngineLost",
    "EngineProcess",
    "EngineStats",
    "ModelState",
    "Position",
    "RenderRequest",
    "Rendered",
    "Replicas",
    "RequestDropped",
    "SpoolFile",
    "write_spool",
]

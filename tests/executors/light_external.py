"""A light rank that somebody else starts: its folder as argument, RANK and WORLD_SIZE as torchrun sets them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.executors.light_rank import LightWorker
from workers.executors.external_rank import KeptWorker, serve_for_ever

if __name__ == "__main__":
    kept = KeptWorker(int(os.environ["WORLD_SIZE"]), LightWorker)
    serve_for_ever(Path(sys.argv[1]), int(os.environ["RANK"]), kept)

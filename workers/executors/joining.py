"""Joins a rank to its process group: one for the model's collectives, one on the CPU for the lockstep."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist

from workers.stepping.lockstep import ALONE, GroupLockstep, Lockstep

#: How a rendezvous begins that ranks of several machines cannot have.
ONE_MACHINE = ("file:", "tcp://127.0.0.1:")


def join(rank: int, ranks: int, local_rank: int, rendezvous: str, reply_seconds: float) -> Lockstep:
    """Take this rank's device and meet the others at `rendezvous` (an `init_method` of torch.distributed).

    No collective waits longer than `reply_seconds`. A group of one needs no group.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    if ranks == 1:
        return ALONE
    if rendezvous.startswith(ONE_MACHINE):
        # The host's name may resolve to an address that its own processes cannot reach.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    patience = timedelta(seconds=reply_seconds)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, init_method=rendezvous, rank=rank, world_size=ranks, timeout=patience)
    return GroupLockstep(dist.new_group(backend="gloo", timeout=patience))

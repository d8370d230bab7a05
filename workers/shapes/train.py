"""Trains the transformer and the two text encoders of the demo model, jointly, on one CPU core.

    python -m workers.shapes.train --folder /tmp/shapes --minutes 80
    python -m workers.shapes.train --folder /tmp/shapes --minutes 40 --continue

Rectified flow on fixed latents (`latents.py`), generation first and edits joined in after a while. The run can
be stopped at any time and continued from its last checkpoint. The shipped weights took four runs on about half
of a core that others used too: 88 minutes, 25 at `--peak 0.8`, and twice 75 that began with the exported networks
(`--start-from`), at `--peak 0.9 --edit-share 0.35` and `--peak 0.7 --edit-share 0.3`. Thin shapes were preferred
(`data.py`) in the last three.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workers.shapes.data import Batch, SceneSource
from workers.shapes.latents import PatchBasis, fit_basis
from workers.shapes.models import SHIFT, TEXT_TOKENS, build_tokenizer
from workers.shapes.probe import probe
from workers.shapes.trainee import Trainee

BATCH = 64
EDIT_BATCH = 40
LEARNING_RATE = 2e-3
MUON_LEARNING_RATE = 3e-3
WARMUP_STEPS = 60
DECAY_FROM = 0.55
EMA = 0.995
# Where the shape is decided: the share of noise levels drawn from the top of the range.
TOP_SHARE, TOP_FROM = 0.1, 0.85
LONGEST_PROMPT = 512
CHECKPOINT_SECONDS = 150.0
PROBE_SECONDS = 300.0


@dataclass
class Progress:
    """Where a run stands; `seconds` counts training time over all continuations."""

    step: int = 0
    seconds: float = 0.0


def noise_levels(count: int) -> Tensor:
    """Sigmas in (0, 1], (count,): the pipeline's own shifted schedule, with extra weight near pure noise."""
    uniform = torch.rand(count)
    shifted = SHIFT * uniform / (1 + (SHIFT - 1) * uniform)
    top = TOP_FROM + (1 - TOP_FROM) * torch.rand(count)
    return torch.where(torch.rand(count) < TOP_SHARE, top, shifted).clamp(min=0.02)


def padded_length() -> int:
    """A prompt length: as short as can be, as long as the pipeline's default, or anything between."""
    choice = float(torch.rand(()))
    if choice < 0.4:
        return TEXT_TOKENS
    if choice < 0.7:
        return LONGEST_PROMPT
    span = math.log(LONGEST_PROMPT / TEXT_TOKENS)
    return int(TEXT_TOKENS * math.exp(span * float(torch.rand(()))))


def loss_of(trainee: Trainee, batch: Batch, flow: Any) -> Tensor:
    """Weighted squared error of the velocity at random noise levels."""
    level = noise_levels(batch.target.shape[0])
    noise = torch.randn_like(batch.target)
    noisy = torch.lerp(batch.target, noise, level[:, None, None])
    with torch.autocast("cpu", torch.bfloat16):
        predicted = trainee(noisy, level, batch, padded_length(), flow)
    error: Tensor = (predicted.float() - (noise - batch.target)).square() * batch.weights
    return error.mean()


def optimizers_of(trainee: Trainee) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the networks, AdamW for everything at their edges."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in trainee.named_parameters():
        if not parameter.requires_grad:
            continue
        edge = any(
            part in name for part in ("embed_tokens", "embedding", "shared", "embedder", "transformer.proj_out")
        )
        (rest if edge or parameter.ndim != 2 else matrices).append(parameter)
    muon = torch.optim.Muon(matrices, lr=MUON_LEARNING_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(rest, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    for group in (*muon.param_groups, *adam.param_groups):
        group["initial_lr"] = group["lr"]
    return [muon, adam]


def rate(step: int, share_done: float) -> float:
    """Learning-rate factor: a short warm-up, then constant, then down to 2 % from DECAY_FROM of the time on."""
    decay = max(0.02, min(1.0, (1 - share_done) / (1 - DECAY_FROM)))
    return min(1.0, (step + 1) / WARMUP_STEPS) * decay


class Run:
    """One training run in a folder."""

    def __init__(
        self, folder: Path, seed: int, *, edits_from_seconds: float, edit_share: float, compiled: bool = True
    ) -> None:
        self.folder = folder
        self.progress = Progress()
        self.basis: PatchBasis = fit_basis()
        self.source = SceneSource(build_tokenizer(), self.basis, seed)
        self.trainee = Trainee(seed)
        self.average = copy.deepcopy(self.trainee).requires_grad_(False).eval()
        self.optimizers = optimizers_of(self.trainee)
        transformer = self.trainee.transformer
        self.flow: Any = torch.compile(transformer) if compiled else transformer
        self.edits_from_seconds = edits_from_seconds
        self.edit_share = edit_share

    def load(self) -> None:
        """Take up the last checkpoint; data and noise go on with fresh random numbers."""
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        self.trainee.load_state_dict(state["trainee"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(state["step"], state["seconds"])
        torch.manual_seed(state["step"])

    def start_from(self, weights: Path) -> None:
        """Begin with the networks of an exported model; the optimizers begin anew."""
        for trainee in (self.trainee, self.average):
            for folder, network in (
                ("text_encoder", trainee.clip),
                ("text_encoder_2", trainee.t5),
                ("transformer", trainee.transformer),
            ):
                saved = type(network).from_pretrained(weights / folder)
                network.load_state_dict(saved.state_dict())

    def save(self) -> None:
        """Write a checkpoint, replacing the last one only when complete."""
        state = {
            "trainee": self.trainee.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.progress.step,
            "seconds": self.progress.seconds,
        }
        unfinished = self.folder / "checkpoint.part"
        torch.save(state, unfinished)
        unfinished.replace(self.folder / "checkpoint.pt")

    def step(self, factor: float) -> tuple[str, float]:
        """One update at learning rates scaled by `factor`; returns what it learned from and its loss."""
        editing = self.progress.seconds >= self.edits_from_seconds and float(torch.rand(())) < self.edit_share
        batch = self.source.edits(EDIT_BATCH) if editing else self.source.generations(BATCH)
        loss = loss_of(self.trainee, batch, self.flow)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.trainee.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        keep = min(EMA, (1 + self.progress.step) / (20 + self.progress.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.trainee.parameters()), 1 - keep)
        self.progress.step += 1
        return ("edit" if editing else "generate"), float(loss.detach())

    def train(self, minutes: float, peak: float) -> None:
        """Train for that long, with a line a minute, checkpoints and probes."""
        started, before = time.monotonic(), self.progress.seconds
        saved = probed = reported = started
        losses: dict[str, list[float]] = {"generate": [], "edit": []}
        while (share_done := (time.monotonic() - started) / (minutes * 60)) < 1:
            kind, loss = self.step(peak * rate(self.progress.step, share_done))
            losses[kind].append(loss)
            now = time.monotonic()
            self.progress.seconds = before + now - started
            if now - reported > 30:
                means = {kind: round(sum(part) / len(part), 4) for kind, part in losses.items() if part}
                print(f"{self.progress.seconds:.0f} s, step {self.progress.step}, loss {means}", flush=True)
                losses, reported = {"generate": [], "edit": []}, now
            if now - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = now
            if now - probed > PROBE_SECONDS:
                print("probe", probe(self.average, self.basis), flush=True)
                probed = time.monotonic()
        self.save()
        print("probe", probe(self.average, self.basis), flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="checkpoints go here")
    parser.add_argument("--minutes", type=float, default=80.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edits-from-minute", type=float, default=20.0)
    parser.add_argument("--edit-share", type=float, default=0.5)
    parser.add_argument("--peak", type=float, default=1.0, help="scales the learning rates, for a last stretch")
    parser.add_argument("--eager", action="store_true", help="do without a C++ compiler, at half the speed")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--continue", dest="resume", action="store_true", help="go on from the folder's checkpoint")
    start.add_argument("--start-from", type=Path, help="an exported model's folder to begin with")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run = Run(
        arguments.folder,
        arguments.seed,
        edits_from_seconds=arguments.edits_from_minute * 60,
        edit_share=arguments.edit_share,
        compiled=not arguments.eager,
    )
    if arguments.resume:
        run.load()
    elif arguments.start_from:
        run.start_from(arguments.start_from)
    run.train(arguments.minutes, arguments.peak)


if __name__ == "__main__":
    main()

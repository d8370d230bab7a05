"""The tiles of a tiled decode shared out among ranks; diffusers itself cuts them and blends their seams.

An autoencoder's `tiled_decode` runs twice: first with a decoder that only notes what it is asked, then with one
that answers from what the ranks have computed between. The pictures are those of one process, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from workers.acceleration.parts import Parts
from workers.parallel.degrees import refused
from workers.parallel.spread import Spread
from workers.stepping.lockstep import Lockstep

OPTION = "vae_patch_parallel_size"
#: Autoencoders whose tiles are calls of `decoder` that give one tensor each; a test holds them to it.
TILED = (
    "AutoencoderDC",
    "AutoencoderKL",
    "AutoencoderKLFlux2",
    "AutoencoderKLHunyuanImage",
    "AutoencoderKLHunyuanVideo",
    "AutoencoderKLLTXVideo",
    "AutoencoderKLQwenImage",
    "AutoencoderKLWan",
)


@dataclass(frozen=True)
class DecoderCall:
    """What the decoder was asked for one tile, or for some frames of one."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def tile(self) -> torch.Tensor:
        found: torch.Tensor = self.args[0]
        return found

    @property
    def cache(self) -> int | None:
        """Identity of the list that the frames of one tile hand on to each other, if they do."""
        lists = (value for value in (*self.args, *self.kwargs.values()) if isinstance(value, list))
        return next((id(value) for value in lists), None)


def check_tiles(parts: Parts, spread: Spread) -> None:
    """The pipeline must have an autoencoder whose tiles are known to be independent."""
    size = spread.config.vae_patch_parallel_size
    found = [type(module).__name__ for module in parts.modules.values() if hasattr(module, "tiled_decode")]
    if not any(name in TILED for name in found):
        kinds = ", ".join(found) or f"{type(parts.pipeline).__name__}, which has no tiled decode"
        raise refused(OPTION, size, f"the tiles of {kinds} cannot be shared out.")


def spread_tiles(parts: Parts, spread: Spread) -> None:
    """Have autoencoders decode in tiles, and share these out."""
    for vae in parts.vaes("tiled_decode"):
        if type(vae).__name__ in TILED:
            vae.enable_tiling()
            vars(vae)["tiled_decode"] = SpreadTiles(vae, spread.config.vae_patch_parallel_size, spread.lockstep)


class SpreadTiles:
    """Takes the place of an autoencoder's `tiled_decode`: its tiles are computed by the first `ranks` ranks."""

    def __init__(self, vae: Any, ranks: int, lockstep: Lockstep) -> None:
        self._decoder, self._decode = vae.decoder, vae.tiled_decode
        self._ranks = ranks
        self._lockstep = lockstep

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        calls = noted(self._decoder, lambda: self._decode(*args, **kwargs))
        owners = owners_of(calls, self._ranks)
        rank = dist.get_rank()
        mine = [index for index, owner in enumerate(owners) if owner == rank]
        computed = self._lockstep.attempt("tiles", lambda: compute(self._decoder, calls, mine))
        tiles = _exchanged(calls, owners, computed)
        return answered(self._decoder, tiles, lambda: self._decode(*args, **kwargs))


def noted(decoder: nn.Module, decode: Callable[[], Any]) -> list[DecoderCall]:
    """What `decode` asks of the decoder, which computes nothing and gives blanks of the tiles' sizes."""
    calls: list[DecoderCall] = []

    def note(*args: Any, **kwargs: Any) -> torch.Tensor:
        calls.append(DecoderCall(args, kwargs))
        return torch.zeros_like(calls[-1].tile)  # not the tile itself: blending writes into what it is given

    with _forward(decoder, note):
        decode()
    return calls


def owners_of(calls: Sequence[DecoderCall], ranks: int) -> list[int]:
    """The rank of each call: tiles go round, and all frames of a tile go to one rank."""
    chains: dict[int, int] = {}
    for index, call in enumerate(calls):
        chains.setdefault(call.cache or -index - 1, len(chains))
    return [chains[call.cache or -index - 1] % ranks for index, call in enumerate(calls)]


def compute(decoder: nn.Module, calls: Sequence[DecoderCall], chosen: Sequence[int]) -> dict[int, torch.Tensor]:
    """The chosen calls' outputs, in order, by their places."""
    return {index: decoder(*calls[index].args, **calls[index].kwargs).contiguous() for index in chosen}


def answered(decoder: nn.Module, tiles: Sequence[torch.Tensor], decode: Callable[[], Any]) -> Any:
    """The result of `decode` with a decoder that answers from `tiles`, in order."""
    waiting = iter(tiles)
    with _forward(decoder, lambda *_args, **_kwargs: next(waiting)):
        return decode()


def _exchanged(
    calls: Sequence[DecoderCall], owners: Sequence[int], computed: Mapping[int, torch.Tensor]
) -> list[torch.Tensor]:
    """All calls' outputs on every rank: their shapes first, then each rank's in one piece."""
    shapes = _shapes(calls, computed)
    parts: dict[int, torch.Tensor] = {}
    for owner in sorted(set(owners)):
        places = [index for index, other in enumerate(owners) if other == owner]
        sizes = [torch.Size(shapes[index]).numel() for index in places]
        tile = calls[0].tile
        flat = torch.empty(sum(sizes), dtype=tile.dtype, device=tile.device)
        if owner == dist.get_rank():
            torch.cat([computed[index].flatten() for index in places], out=flat)
        dist.broadcast(flat, src=owner)
        for index, part in zip(places, torch.split(flat, sizes), strict=True):
            parts[index] = part.reshape(shapes[index])
    return [parts[index] for index in range(len(calls))]


def _shapes(calls: Sequence[DecoderCall], computed: Mapping[int, torch.Tensor]) -> list[list[int]]:
    """The shape of each call's output, which has as many dimensions as its tile."""
    tile = calls[0].tile
    shapes = torch.zeros(len(calls), tile.ndim, dtype=torch.int64, device=tile.device)
    for index, output in computed.items():
        shapes[index] = torch.tensor(output.shape, device=tile.device)
    dist.all_reduce(shapes)
    known: list[list[int]] = shapes.tolist()
    return known


@contextmanager
def _forward(decoder: nn.Module, stand_in: Callable[..., Any]) -> Iterator[None]:
    """Let the decoder do something else for a while."""
    before = vars(decoder).get("forward")
    vars(decoder)["forward"] = stand_in
    try:
        yield
    finally:
        if before is None:
            del vars(decoder)["forward"]
        else:
            vars(decoder)["forward"] = before

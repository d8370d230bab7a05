"""How one model is spread over its ranks: the numbers of `parallel_config`, and how many ranks they need.

Torch-free: rows are read early. Whether a model can be spread so is known when it loads (see `apply`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.unserved import cannot_serve

#: Names of vLLM-Omni for what is not served: the values that ask for nothing, and why any other is refused.
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "pipeline_parallel_size": ((1,), "a step needs all layers; spread weights by `tensor_parallel_size`"),
    "data_parallel_size": ((1,), "copies of a model are workers of their own"),
    "text_encoder_tp_size": ((1,), "text encoders run whole on every rank"),
    "allgather_degree": ((1,), "diffusers has Ulysses and ring attention only"),
    "context_parallel_degree": ((1,), "give `ulysses_degree` and `ring_degree`"),
    "enable_expert_parallel": ((False,), "experts are not spread"),
    "use_hsdp": ((False,), "weights are spread by `tensor_parallel_size` only"),
    # Both modes are served by themselves: whatever divides evenly is divided evenly.
    "ulysses_mode": (("strict", "advanced_uaa"), "it is not known"),
}


@dataclass(frozen=True)
class DiffusionParallelConfig:
    """Ranks along each dimension; 1 leaves it out. The denoiser needs their product, without the VAE's.

    `tensor_parallel_size` spreads weights; `ulysses_degree` and `ring_degree` the tokens of a forward;
    `cfg_parallel_size` its rows, such as the two of guidance; `vae_patch_parallel_size` the tiles of a decode.

    Raises:
        Misconfigured: a number is no positive integer, or two options exclude each other.
    """

    tensor_parallel_size: int = 1
    ulysses_degree: int = 1
    ring_degree: int = 1
    cfg_parallel_size: int = 1
    vae_patch_parallel_size: int = 1

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if type(value) is not int or value < 1:
                raise refused(item.name, value, "it is no number of ranks.", "Give a positive integer.")
        if self.tensor_parallel_size > 1 and self.sequence_parallel_size > 1:
            raise refused(
                "tensor_parallel_size",
                self.tensor_parallel_size,
                "diffusers does not combine it with context parallelism.",
                "Give either, and `cfg_parallel_size` with it.",
            )
        if self.denoiser_ranks > 1 and self.vae_patch_parallel_size > self.denoiser_ranks:
            raise refused(
                "vae_patch_parallel_size",
                self.vae_patch_parallel_size,
                f"the denoiser has {self.denoiser_ranks} ranks.",
                f"Give at most {self.denoiser_ranks}.",
            )

    @property
    def sequence_parallel_size(self) -> int:
        """Ranks among which a forward's tokens are spread."""
        return self.ulysses_degree * self.ring_degree

    @property
    def denoiser_ranks(self) -> int:
        """The product of all degrees but the VAE's."""
        return self.tensor_parallel_size * self.sequence_parallel_size * self.cfg_parallel_size

    @property
    def ranks(self) -> int:
        """Ranks that the whole needs."""
        return max(self.denoiser_ranks, self.vae_patch_parallel_size)

    @property
    def asked(self) -> dict[str, int]:
        """The options that ask for something."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value > 1}


#: All names of `parallel_config`, which `Omni(...)` takes beside it as well.
DEGREES = frozenset({*(item.name for item in fields(DiffusionParallelConfig)), "sequence_parallel_size", *REFUSED})


def parallel_config(given: Mapping[str, Any] | DiffusionParallelConfig) -> DiffusionParallelConfig:
    """The configuration that these options mean, by the names of vLLM-Omni.

    Raises:
        Misconfigured: an option is unknown, not served, or contradicts another.
    """
    if isinstance(given, DiffusionParallelConfig):
        return given
    known = {item.name for item in fields(DiffusionParallelConfig)}
    asked = {name: value for name, value in given.items() if value is not None}
    config = DiffusionParallelConfig(**{name: value for name, value in asked.items() if name in known})
    for name in asked.keys() - known:
        if name == "sequence_parallel_size":
            _check_product(asked[name], config)
        else:
            _check_asks_for_nothing(name, asked[name])
    return config


def ranks_of(given: Mapping[str, Any] | DiffusionParallelConfig, num_gpus: int | None) -> int:
    """How many ranks a model gets: as many as `num_gpus` says, else as its degrees need.

    More ranks than one without any degree are allowed: they all do the same, for classes that divide their work
    themselves.

    Raises:
        Misconfigured: the degrees need another number than `num_gpus`; or see `parallel_config`.
    """
    needed = parallel_config(given).ranks
    if num_gpus is None:
        return needed
    if needed not in (1, num_gpus):
        raise Misconfigured(
            f"`num_gpus`: {num_gpus} is not the product of the degrees in `parallel_config`, which is {needed}.",
            field="num_gpus",
            value=num_gpus,
            remedy=f"Give num_gpus = {needed}, or leave it out.",
        )
    return num_gpus


def refused(option: str, value: Any, reason: str, remedy: str = "Leave it out.") -> Misconfigured:
    """The error for an option that cannot be served."""
    return cannot_serve(f"parallel_config.{option}", value, reason, remedy)


def _check_product(value: Any, config: DiffusionParallelConfig) -> None:
    if value != config.sequence_parallel_size:
        raise refused(
            "sequence_parallel_size",
            value,
            f"`ulysses_degree` times `ring_degree` is {config.sequence_parallel_size}.",
            "Leave it out, and give these two.",
        )


def _check_asks_for_nothing(name: str, value: Any) -> None:
    if name not in REFUSED:
        raise Misconfigured(
            f"`parallel_config.{name}` is not an option.",
            field=f"parallel_config.{name}",
            value=value,
            remedy=nearest(name, DEGREES),
        )
    neutral, reason = REFUSED[name]
    if not any(type(value) is type(other) and value == other for other in neutral):
        raise refused(name, value, f"{reason}.")

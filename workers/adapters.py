"""The LoRA adapters of one pipeline: each file loaded once, within a bound of bytes; the runner asks per request.

Loading happens between two forwards, and what is loaded acts for nobody until a request asks for it.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omni_jobs.errors import InvalidRequest
from workers.engine.config import LORA_CACHE_BYTES
from workers.engine.request import LoRARequest
from workers.lora_loader import Adapter, LoraLoader
from workers.stepping.adapters import OUR_ADAPTERS, Activation, AdapterSwitch

#: What tells one state of a file from another: path, size in bytes, time of the last change.
FileState = tuple[str, int, int]


class Adapters:
    """All methods are called from the engine's thread, between forwards. `loads` counts files read so far."""

    def __init__(self, pipeline: Any, limit_bytes: int = LORA_CACHE_BYTES) -> None:
        self.loads = 0
        self._loader = LoraLoader(pipeline)
        self._limit_bytes = limit_bytes
        self._switch = AdapterSwitch()
        self._names = (f"{OUR_ADAPTERS}{number}" for number in itertools.count(1))
        self._loaded: OrderedDict[FileState, Adapter] = OrderedDict()
        self._activations: dict[tuple[tuple[str, float], ...], Activation] = {}
        self._members: dict[Activation, Sequence[Adapter]] = {}

    @property
    def off(self) -> Activation:
        """No adapters."""
        return self._switch.off

    @property
    def size_bytes(self) -> int:
        """Memory that adapters hold."""
        return sum(adapter.size_bytes for adapter in self._loaded.values())

    def check(self) -> None:
        """Raise Misconfigured if this pipeline, or this machine, can have no adapters."""
        self._loader.check()

    def take(self, loras: Sequence[LoRARequest], arguments: Mapping[str, Any]) -> Activation:
        """These adapters, in this order, loaded if they were not; to be given back when the request ends.

        `arguments` are those of the pipeline's call, which must not scale adapters on its own.

        Raises:
            InvalidRequest: a file is missing, given twice, not for this model, or would change it for everybody.
            Misconfigured: this pipeline can have no adapters.
        """
        if not loras:
            return self.off
        self._loader.check()
        self._loader.check_is_plain()
        _refuse_scales(arguments)
        paths = [_file_of(lora) for lora in loras]
        held: list[Adapter] = []
        try:
            for lora, path in zip(loras, paths, strict=True):
                held.append(self._adapter(lora.lora_name, path))
                held[-1].users += 1
            if len(set(held)) < len(held):
                raise InvalidRequest("`loras`: one adapter is given twice.", field="loras")
            activation = self._activation(held, [lora.scale for lora in loras])
        except BaseException:
            for adapter in held:
                adapter.users -= 1
            raise
        self._evict()
        return activation

    def give_back(self, activation: Activation) -> None:
        """A request ended that had taken this."""
        for adapter in self._members.get(activation, ()):
            adapter.users -= 1

    def rest(self) -> None:
        """Nobody runs: the pipeline computes what it did when it was given."""
        self.off.install()

    def close(self) -> None:
        """Take all adapters out of the modules again."""
        if self._loaded:
            self._forget(list(self._loaded))

    def _adapter(self, label: str, path: Path) -> Adapter:
        status = path.stat()
        state = (str(path), status.st_size, status.st_mtime_ns)
        if state not in self._loaded:
            name = next(self._names)
            try:
                self._loaded[state] = self._loader.load(name, label, path)
            except BaseException:
                self._unload([name])
                raise
            self._switch.renew(self._loader.layers())
            self.loads += 1
        self._loaded.move_to_end(state)
        return self._loaded[state]

    def _activation(self, adapters: Sequence[Adapter], scales: Sequence[float]) -> Activation:
        """What diffusers makes of these adapters and scales, asked for once and kept."""
        pairs = list(zip(adapters, scales, strict=True))
        chosen = tuple((adapter.name, scale) for adapter, scale in pairs)
        if chosen not in self._activations:
            names = [name for name, _ in chosen]
            scalings = self._loader.activate(names, scales)
            self._switch.renew(self._loader.layers())
            keys: dict[int, tuple[tuple[str, float], ...]] = {}
            kinds: dict[int, set[str]] = {}
            for adapter, scale in pairs:
                for module, found in adapter.kinds.items():
                    keys[module] = (*keys.get(module, ()), (adapter.name, scale))
                    kinds[module] = kinds.get(module, set()) | found
            ordered = {module: tuple(sorted(found)) for module, found in kinds.items()}
            made = Activation(self._switch, names, scalings, keys, ordered)
            self._activations[chosen], self._members[made] = made, adapters
        return self._activations[chosen]

    def _evict(self) -> None:
        """Forget the least recently used adapters that nobody uses, until the rest is within the bound."""
        gone: list[FileState] = []
        excess = self.size_bytes - self._limit_bytes
        for state, adapter in self._loaded.items():
            if excess > 0 and not adapter.users:
                gone.append(state)
                excess -= adapter.size_bytes
        if gone:
            self._forget(gone)

    def _forget(self, states: Sequence[FileState]) -> None:
        adapters = {self._loaded.pop(state) for state in states}
        for chosen, activation in list(self._activations.items()):
            if adapters.intersection(self._members[activation]):
                del self._activations[chosen], self._members[activation]
        self._unload([adapter.name for adapter in adapters])

    def _unload(self, names: Sequence[str]) -> None:
        self.off.install()
        if self._loaded:
            self._loader.unload(names)
        else:
            self._loader.unload_all()
        self._switch.renew(self._loader.layers())


def _file_of(lora: LoRARequest) -> Path:
    path = Path(lora.lora_path)
    if path.suffix == ".safetensors" and path.is_file():
        return path
    raise InvalidRequest(
        f"`loras`: {lora.lora_name!r} is no .safetensors file here.", field="loras", value=lora.lora_name
    )


def _refuse_scales(arguments: Mapping[str, Any]) -> None:
    # A pipeline with such a scale turns it up in the shared text encoder, for as long as its prompt is encoded.
    for name, value in arguments.items():
        if isinstance(value, Mapping) and "scale" in value:
            raise InvalidRequest(
                f"`{name}`: holds a scale, and so does each of the `loras`.",
                field=name,
                value=value["scale"],
                remedy="Give the scale with the adapter.",
            )

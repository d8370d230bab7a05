"""CUDA graphs of a denoiser's forwards, one for each shape and batch size that the warm-up runs.

A small forward spends its time launching kernels; a graph launches them all at once. Graphs are recorded during
warm-up alone, each is tried on other values before it is trusted, and any call without one runs as ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from workers.acceleration.parts import Parts
from workers.acceleration.refusal import refused
from workers.stepping.contents import freeze
from workers.stepping.deviation import Deviation, bound, deviation

#: Graphs kept for a module; each holds the memory of one forward.
MOST_GRAPHS = 32

#: Runs a function on fixed memory: gives what replays it, and its outputs, which each replay writes anew.
Recorder = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]


@dataclass(frozen=True)
class Recorded:
    """One graph: where its inputs are written before a replay, and where its outputs are read after."""

    inputs: tuple[torch.Tensor, ...]
    replay: Callable[[], None]
    output: Any

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Any:
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine.copy_(given)
        self.replay()
        return pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, self.output)


class GraphedForward:
    """Takes the place of a module's `forward`. `is_recording` is on during warm-up."""

    def __init__(self, module: nn.Module, record: Recorder, most: int = MOST_GRAPHS) -> None:
        self._module = module
        self._forward = module.forward
        self._record = record
        self._most = most
        self._attentions = [part for part in module.modules() if getattr(part, "processor", None) is not None]
        self._graphs: OrderedDict[Hashable, Recorded] = OrderedDict()
        self.is_recording = False
        self.replays = 0

    def __len__(self) -> int:
        return len(self._graphs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, tree = pytree.tree_flatten((args, kwargs))
        key = self._key(leaves, tree)
        inputs = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        graph = self._graphs.get(key) if key is not None else None
        if graph is not None:
            self.replays += 1
            self._graphs.move_to_end(key)
            return graph(inputs)
        if self.is_recording and key is not None:
            self._graphs[key] = self._recorded(leaves, tree, inputs)
            while len(self._graphs) > self._most:
                self._graphs.popitem(last=False)
        return self._forward(*args, **kwargs)

    def _key(self, leaves: Sequence[Any], tree: pytree.TreeSpec) -> Hashable | None:
        """What a graph is good for: shapes, plain values, processors, modes, and where the weights lie.

        None: no graph can serve this call, since something of it is not on the device or cannot be compared.
        """
        weight = next(self._module.parameters())
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if getattr(self._module, "_hf_peft_config_loaded", False):
            return None  # an adapter changes what is computed without a trace in the arguments
        if any(tensor.device != weight.device for tensor in tensors):
            return None
        try:
            plain = freeze([leaf for leaf in leaves if not isinstance(leaf, torch.Tensor)])
            shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
            # Themselves: a graph's processors must live as long as it does, or others would get their places.
            processors = tuple(part.processor for part in self._attentions)
            modes = (torch.is_autocast_enabled(weight.device.type), torch.is_grad_enabled())
            key = (str(tree), shapes, plain, processors, modes, weight.data_ptr())
            hash(key)
        except TypeError:
            return None
        return key

    def _recorded(self, leaves: Sequence[Any], tree: pytree.TreeSpec, inputs: Sequence[torch.Tensor]) -> Recorded:
        """Record this call, and try the graph on other values: what was computed on the host would show."""
        own = tuple(item.clone() for item in inputs)
        values = iter(own)
        places = [next(values) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        args, kwargs = pytree.tree_unflatten(places, tree)
        replay, output = self._record(lambda: self._forward(*args, **kwargs))
        graph = Recorded(own, replay, output)
        other = [item * 0.9 if item.is_floating_point() else item.clone() for item in inputs]
        replayed = graph(other)
        expected = self._forward(*args, **kwargs)  # its inputs hold the other values now
        dtype = next(self._module.parameters()).dtype
        if not deviation(expected, replayed).within(bound(Deviation(), dtype)):
            kind = type(self._module).__name__
            raise refused("cuda_graphs", True, f"a graph of {kind} does not give what its forward gives.")
        return graph


def graph_forwards(parts: Parts, options: Mapping[str, Any], record: Recorder | None = None) -> None:
    """Put a GraphedForward on every denoiser.

    Raises:
        Misconfigured: the model is not on a CUDA device, or requests may swap what its attention keeps.
    """
    if record is None:
        if parts.device.type != "cuda":
            raise refused("cuda_graphs", dict(options), f"graphs need a CUDA device, and this is {parts.device}.")
        record = CudaRecorder()
    for module in parts.denoisers.values():
        vars(module)["forward"] = GraphedForward(module, record, options.get("most", MOST_GRAPHS))


def graphed(parts: Parts) -> list[GraphedForward]:
    """The graphed forwards of a pipeline."""
    found = [vars(module).get("forward") for module in parts.denoisers.values()]
    return [forward for forward in found if isinstance(forward, GraphedForward)]


class CudaRecorder:
    """Records with `torch.cuda.graph`; all graphs share one pool, for they never run at the same time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # Twice: libraries choose their kernels and allocate their workspaces on the first runs.
            run()
            run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            output = run()
        return graph.replay, output

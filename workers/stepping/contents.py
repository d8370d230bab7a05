"""What a leaf holds, as something that can be compared and put into a key without holding the tensor.

Batch keys, proofs and the encode cache ask here whether two calls agree in an argument.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Hashable
from typing import Any

import torch


def freeze(value: Any) -> Hashable:
    """A plain value, of any nesting, as something hashable."""
    if isinstance(value, list | tuple):
        return (type(value).__name__, tuple(freeze(item) for item in value))
    return (type(value).__name__, value)


def version_of(value: torch.Tensor) -> int | None:
    """How often the tensor has been written to; inference tensors do not tell."""
    return None if value.is_inference() else value._version


def content(value: Any) -> Hashable:
    """What is equal exactly when two leaves are: a tensor's digest, or the plain value."""
    return digest(value) if isinstance(value, torch.Tensor) else freeze(value)


_digests: dict[int, tuple[weakref.ref[torch.Tensor], int | None, bytes]] = {}


def digest(value: torch.Tensor) -> bytes:
    """A hash of shape, dtype and content, remembered for the tensor object: on a GPU it synchronises."""
    version = version_of(value)
    held = _digests.get(id(value))
    if version is not None and held is not None and held[0]() is value and held[1] == version:
        return held[2]
    flat = torch.empty(value.shape, dtype=value.dtype).copy_(value.detach())
    flat = torch.view_as_real(flat) if flat.is_complex() else flat
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() and flat.ndim else repr(flat.tolist()).encode()
    made = (
        hashlib.blake2b(raw, digest_size=16, person=b"leaf").digest() + repr((value.shape, value.dtype)).encode()
    )
    key = id(value)
    _digests[key] = (weakref.ref(value, lambda _ref: _digests.pop(key, None)), version, made)
    return made

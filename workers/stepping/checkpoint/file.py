"""A checkpoint as bytes: one safetensors file, its state as JSON in the header's metadata, a SHA-256 over both.

Nothing in it is code, and nothing is pickled: a file from anywhere can be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from workers.stepping.checkpoint.refusal import Refused

#: Changes when the state's JSON does; another version is refused.
FORMAT = "omni-jobs checkpoint 1"
#: Of a safetensors file: the length of its JSON header, little endian.
LENGTH_BYTES = 8


def pack(state: dict[str, Any], blobs: Sequence[torch.Tensor]) -> bytes:
    """The file. `blobs` are flat uint8 tensors on any device; they are brought to the host here."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    tensors = {str(place): blob.cpu() for place, blob in enumerate(blobs)}
    digest = _digest(text, list(tensors.values()))
    content: bytes = save(tensors, {"format": FORMAT, "state": text, "sha256": digest})
    return content


def unpack(content: bytes) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """State and blobs of a file.

    Raises:
        Refused: it is cut short, altered, of another format, or no such file at all.
    """
    try:
        length = int.from_bytes(content[:LENGTH_BYTES], "little")
        metadata = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length])["__metadata__"]
        loaded = load(content)
        blobs = [loaded[str(place)] for place in range(len(loaded))]
        if metadata["format"] != FORMAT:
            raise Refused(f"its format is {metadata['format']!r}, not {FORMAT!r}")
        if metadata["sha256"] != _digest(metadata["state"], blobs):
            raise Refused("its checksum is wrong")
        state: dict[str, Any] = json.loads(metadata["state"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"it is no checkpoint: {str(error)[:120]}") from error
    return state, blobs


def _digest(text: str, blobs: Sequence[torch.Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for blob in blobs:
        digest.update(blob.numpy().tobytes())
    return digest.hexdigest()

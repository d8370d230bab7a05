"""Writes the demo model as a diffusers folder: the averaged networks of a run and its trained autoencoder.

python -m workers.shapes.export --folder /tmp/shapes --weights workers/shapes/weights
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from workers.shapes.probe import pipeline_of
from workers.shapes.trainee import Trainee

# Transformers 5 names its tokenizer classes differently from what every version can load.
TOKENIZER_CLASS = "PreTrainedTokenizerFast"


def export(folder: Path, weights: Path) -> None:
    """Save `folder`'s checkpoint under `weights`, in float32; raises FileNotFoundError if a part is missing."""
    trainee = Trainee(seed=0)
    trainee.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["average"])
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    pipeline_of(trainee.eval(), vae).save_pretrained(weights, safe_serialization=True)
    _name_tokenizers(weights)
    _forget_origin(weights / "vae" / "config.json")


def _forget_origin(config_file: Path) -> None:
    """A loaded part says which folder it came from, which means nothing elsewhere."""
    config = json.loads(config_file.read_text())
    config.pop("_name_or_path", None)
    config_file.write_text(json.dumps(config, indent=2) + "\n")


def _name_tokenizers(weights: Path) -> None:
    index_file = weights / "model_index.json"
    index = json.loads(index_file.read_text())
    for name in ("tokenizer", "tokenizer_2"):
        index[name] = ["transformers", TOKENIZER_CLASS]
        config_file = weights / name / "tokenizer_config.json"
        config = {**json.loads(config_file.read_text()), "tokenizer_class": TOKENIZER_CLASS}
        config_file.write_text(json.dumps(config, indent=2) + "\n")
    index_file.write_text(json.dumps(index, indent=2) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of the training run")
    parser.add_argument("--weights", type=Path, required=True, help="the diffusers folder to write")
    arguments = parser.parse_args()
    export(arguments.folder, arguments.weights)


if __name__ == "__main__":
    main()

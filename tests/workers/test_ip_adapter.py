"""Image prompt adapters that a row names: loaded as diffusers does, each request with its own picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from benchmarks.zoo import case
from benchmarks.zoo.components.image_encoders import VISION
from omni_jobs.errors import Misconfigured
from tests.stepping.test_omni import BOUND, greatest_difference
from workers import Omni
from workers.engine_process.describe import describe
from workers.loader import load_pipeline
from workers.registry import ModelRow

WEIGHTS = "adapter.safetensors"


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.3


def adapter_weights(pipeline: Any) -> dict[str, torch.Tensor]:
    """Random weights of a plain IP-Adapter for this pipeline's denoiser, by the names that its files have."""
    if hasattr(pipeline, "unet"):
        config, blocks = pipeline.unet.config, pipeline.unet.attn_processors
        text, sizes = config.cross_attention_dim, list(config.block_out_channels)
        names = [name for name in blocks if name.endswith("attn2.processor")]
        widths = [
            sizes[-1]
            if name[:3] == "mid"
            else (sizes if name[:4] == "down" else sizes[::-1])[int(name.split(".")[1])]
            for name in names
        ]
        layers = {f"{2 * index + 1}.to_{kind}_ip": width for index, width in enumerate(widths) for kind in "kv"}
        biases: dict[str, int] = {}
    else:
        text = pipeline.transformer.config.joint_attention_dim
        count = pipeline.transformer.config.num_layers
        layers = {
            f"{index}.to_{kind}_ip": pipeline.transformer.inner_dim for index in range(count) for kind in "kv"
        }
        biases = layers
    weights = {f"ip_adapter.{name}.weight": random(width, text) for name, width in layers.items()}
    weights |= {f"ip_adapter.{name}.bias": random(width) for name, width in biases.items()}
    projection = {"proj.weight": random(4 * text, VISION["projection_dim"]), "proj.bias": random(4 * text)}
    norm = {"norm.weight": torch.ones(text), "norm.bias": torch.zeros(text)}
    return weights | {f"image_proj.{name}": value for name, value in (projection | norm).items()}


@pytest.fixture(params=["sd", "flux"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A tiny model, and beside it an adapter with its image encoder."""
    name: str = request.param
    pipeline = case(name).build()
    pipeline.save_pretrained(tmp_path / "model")
    folder = tmp_path / "adapter" / "models"
    folder.mkdir(parents=True)
    save_file(adapter_weights(pipeline), folder / WEIGHTS)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).save_pretrained(folder / "image_encoder")
    return name, tmp_path


def entry(folder: Path, **others: Any) -> dict[str, Any]:
    return {
        "source": str(folder / "adapter"),
        "subfolder": "models",
        "weight_name": WEIGHTS,
        "scale": 0.8,
    } | others


def calls(name: str) -> list[dict[str, Any]]:
    """Two requests with the same words and other pictures."""
    return [
        case(name).inputs(seed, "a fox", 2) | {"ip_adapter_image": Image.new("RGB", (40, 40), colour)}
        for seed, colour in ((1, "red"), (1, "blue"))
    ]


def test_each_request_follows_its_own_picture(model: tuple[str, Path]) -> None:
    name, folder = model
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "adapter" / "models" / "image_encoder")
    plain = type(case(name).build()).from_pretrained(folder / "model", image_encoder=encoder)
    plain.load_ip_adapter(str(folder / "adapter"), subfolder="models", weight_name=WEIGHTS)
    plain.set_ip_adapter_scale(0.8)
    expected = [plain(**call) for call in calls(name)]
    assert greatest_difference(*expected) > 10 * BOUND

    omni = Omni(model=str(folder / "model"), weights_sources={"ip_adapter": entry(folder)})
    for call, wanted in zip(calls(name), expected, strict=True):
        assert greatest_difference(omni.map([call])[0], wanted) == 0
    for mine, wanted in zip(omni.map(calls(name)), expected, strict=True):
        assert greatest_difference(mine, wanted) <= BOUND
    assert omni.stats.max_batch == 2


@pytest.mark.parametrize("model", ["sd"], indirect=True)
def test_jobs_must_bring_the_picture(model: tuple[str, Path]) -> None:
    _, folder = model
    row = ModelRow("sd", str(folder / "model"), weights_sources={"ip_adapter": entry(folder)})
    card = describe(row, load_pipeline(row.engine_config())).facts["card"]
    assert card["inputs"]["ip_adapter_image"]["required"]


@pytest.mark.parametrize("model", ["sd"], indirect=True)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weight_name": "adapter.bin"}, r"`weights_sources\.ip_adapter\.weight_name`: 'adapter\.bin'"),
        ({"weight_name": "absent.safetensors"}, r"`weights_sources\.ip_adapter`: .* does not load"),
        ({"scales": 1}, r"`weights_sources\.ip_adapter\.scales` is not known.*scale"),
        ({"image_encoder": {"source": "/absent"}}, r"`weights_sources\.ip_adapter\.image_encoder`: /absent"),
    ],
)
def test_what_does_not_load_is_refused_by_name(
    model: tuple[str, Path], change: dict[str, Any], words: str
) -> None:
    _, folder = model
    with pytest.raises(Misconfigured, match=words):
        Omni(model=str(folder / "model"), weights_sources={"ip_adapter": entry(folder, **change)})


def test_a_pipeline_that_takes_no_adapter_is_refused(tmp_path: Path) -> None:
    case("qwen-image").build().save_pretrained(tmp_path)
    with pytest.raises(Misconfigured, match=r"`weights_sources\.ip_adapter`: QwenImagePipeline has no"):
        Omni(model=str(tmp_path), weights_sources={"ip_adapter": {"source": "x/y", "weight_name": WEIGHTS}})

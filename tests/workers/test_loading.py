"""What a row can say of loading, with real weights in real folders: classes, dtypes, components, own weight files,
and a model's own functions before and after its pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from benchmarks.zoo import case, flatten_output
from omni_jobs.errors import Misconfigured
from tests.stepping.pipelines import Denoiser
from workers import Omni, known, register_model
from workers.engine import DiffusionOutput, OmniDiffusionConfig, OmniDiffusionRequest, OmniDiffusionSamplingParams
from workers.loader import load_pipeline
from workers.registry import row_from
from workers.weights import AutoWeightsLoader, ComponentSource

HERE = "tests.workers.test_loading"


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SDXL as `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("sdxl")
    case("sdxl").build().save_pretrained(folder)
    return folder


def config(folder: Path, **facts: Any) -> OmniDiffusionConfig:
    return row_from("m", {"source": str(folder), **facts}).engine_config()


def test_a_row_names_the_class_that_its_folder_is_loaded_with(sdxl: Path) -> None:
    pipeline = load_pipeline(config(sdxl, pipeline_class="StableDiffusionXLImg2ImgPipeline"))
    assert type(pipeline).__name__ == "StableDiffusionXLImg2ImgPipeline"
    with pytest.raises(Misconfigured, match=r"no pipeline.*Did you mean `StableDiffusionXLPipeline`"):
        load_pipeline(config(sdxl, pipeline_class="StableDifusionXLPipeline"))


def test_each_component_may_have_its_own_dtype(sdxl: Path) -> None:
    pipeline = load_pipeline(config(sdxl, dtype={"default": "bfloat16", "vae": "float32"}))
    assert (pipeline.unet.dtype, pipeline.vae.dtype) == (torch.bfloat16, torch.float32)
    with pytest.raises(Misconfigured, match="float8"):
        load_pipeline(config(sdxl, dtype={"vae": "float8"}))


def test_a_component_comes_from_another_folder(sdxl: Path, tmp_path: Path) -> None:
    other = load_pipeline(config(sdxl)).unet
    for parameter in other.parameters():
        parameter.data.zero_()
    other.save_pretrained(tmp_path / "alone")
    other.save_pretrained(tmp_path / "within" / "unet")
    for source in (str(tmp_path / "alone"), {"source": str(tmp_path / "within"), "subfolder": "unet"}):
        pipeline = load_pipeline(config(sdxl, weights_sources={"unet": source}, dtype="bfloat16"))
        assert pipeline.unet.conv_in.weight.abs().sum() == 0
        assert pipeline.unet.dtype == torch.bfloat16
        assert pipeline.vae.encoder.conv_in.weight.abs().sum() > 0


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({"transformer": "x/y"}, "no such component"),
        ({"unet": "./nowhere"}, "does not load"),
        ({"unet": {"source": "x/y", "sub_folder": "unet"}}, "Did you mean `subfolder`"),
    ],
)
def test_a_wrong_source_of_a_component_is_named(sdxl: Path, sources: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        load_pipeline(config(sdxl, weights_sources=sources))


class OwnWeights(nn.Module):
    """A class of vLLM-Omni's contract that has its weights loaded."""

    def __init__(self, *, od_config: OmniDiffusionConfig, prefix: str = "") -> None:
        super().__init__()
        self.transformer = Denoiser()
        self.spare = nn.Linear(2, 2)  # in no source, and loaded by nobody
        self.weights_sources = [
            ComponentSource(
                str(od_config.model), subfolder="transformer", prefix="transformer.", fall_back_to_pt=True
            )
        ]

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        return AutoWeightsLoader(self).load_weights(weights)

    @torch.no_grad()
    def forward(self, req: OmniDiffusionRequest) -> DiffusionOutput:
        latents = torch.zeros(1, 8)
        for step in range(req.sampling_params.num_inference_steps or 2):
            latents = latents + self.transformer(latents, torch.tensor(float(step)))
        return DiffusionOutput(output=latents)


def own_weights(folder: Path, **changes: Any) -> None:
    """Put the denoiser's weights in two files below the folder."""
    weights = {name: torch.full_like(tensor, 0.25) for name, tensor in Denoiser().state_dict().items()} | changes
    weights = {name: tensor for name, tensor in weights.items() if tensor is not None}
    (folder / "transformer").mkdir()
    for part, wanted in (("a", "mix"), ("b", "out")):
        chosen = {name: tensor for name, tensor in weights.items() if name.startswith(wanted)}
        save_file(chosen, folder / "transformer" / f"{part}.safetensors")


def load_own(folder: Path) -> Any:
    return load_pipeline(config(folder, pipeline_class=f"{HERE}.OwnWeights"))


def test_a_class_of_the_contract_is_given_its_weights_and_runs(tmp_path: Path) -> None:
    own_weights(tmp_path)
    omni = Omni(model=str(tmp_path), model_class_name=f"{HERE}.OwnWeights")
    (result,) = omni.generate("a fox", OmniDiffusionSamplingParams(num_inference_steps=3))
    assert result.error is None
    assert omni.stats.calls == 3
    assert all((parameter == 0.25).all() for parameter in load_own(tmp_path).transformer.parameters())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mix.weight": None}, r"in no weight file: 'transformer\.mix\.weight'"),
        ({"mix.wrong": torch.zeros(1)}, r"hold 'transformer\.mix\.wrong'"),
        ({"mix.weight": torch.zeros(2, 2)}, r"is \(2, 2\) in the weights and \(8, 8\)"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    own_weights(tmp_path, **changes)
    with pytest.raises(Misconfigured, match=words):
        load_own(tmp_path)


def test_only_safetensors_are_read(tmp_path: Path) -> None:
    (tmp_path / "transformer").mkdir()
    torch.save(Denoiser().state_dict(), tmp_path / "transformer" / "weights.bin")
    with pytest.raises(Misconfigured, match="holds no safetensors"):
        load_own(tmp_path)


def get_darken(_od_config: OmniDiffusionConfig) -> Any:
    """Before: pictures are halved in brightness; a white one is not wanted."""

    def darken(images: list[Image.Image]) -> list[Image.Image]:
        if images[0].getpixel((0, 0)) == (255, 255, 255):
            raise ValueError("this picture is not wanted")
        return [image.point(lambda value: value // 2) for image in images]

    return darken


def get_invert(_od_config: OmniDiffusionConfig) -> Any:
    """After: colours are turned round."""
    return lambda output: {"images": 1 - output.images}


def test_a_models_own_functions_run_around_its_pipeline(sdxl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_registered", {})
    facts: dict[str, Any] = {
        "pipeline_class": "StableDiffusionXLImg2ImgPipeline",
        "defaults": {"num_inference_steps": 2, "strength": 1.0, "guidance_scale": 3.0, "output_type": "pt"},
    }
    register_model("plain", str(sdxl), **facts)
    names = {"pre_process": f"{HERE}.get_darken", "post_process": f"{HERE}.get_invert"}
    register_model("processed", str(sdxl), **facts, **names)
    red, dark, white = (
        Image.new("RGB", (48, 32), colour) for colour in ((200, 0, 0), (100, 0, 0), (255, 255, 255))
    )

    def drawn(model: str, *pictures: Image.Image) -> list[Any]:
        prompts = [{"prompt": "a fox", "multi_modal_data": {"image": picture}} for picture in pictures]
        return Omni(model=model).generate(prompts, OmniDiffusionSamplingParams(seed=1))

    (plain,) = drawn("plain", dark)
    processed, refused = drawn("processed", red, white)
    assert plain.error is None
    assert processed.outputs[0].metrics["calls"] == 2
    (mine,), (theirs,) = flatten_output(plain.images), flatten_output(processed.images)
    assert abs((1 - mine) - theirs).max() < 1e-6
    assert "this picture is not wanted" in refused.error


def test_a_function_that_makes_none_is_refused(sdxl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_registered", {})
    register_model("wrong", str(sdxl), post_process="builtins.bool")
    with pytest.raises(Misconfigured, match=r"post_process.*returned no function"):
        Omni(model="wrong")

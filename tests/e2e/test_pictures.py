"""Jobs with control pictures and masks through everything: a job alone is what the plain pipeline's call makes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.zoo import case
from benchmarks.zoo.media import Mask, Picture
from omni_jobs import uploads
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import Job
from tests.e2e.deployment import Deployment

torch = pytest.importorskip("torch")

SIZE = (32, 32)
ROWS = """
[models.sim]
source = "{folder}/sd"
pipeline_class = "StableDiffusionControlNetPipeline"
weights_sources = {{ controlnet = "{folder}/edges" }}

[models.two]
source = "{folder}/sd"
pipeline_class = "StableDiffusionControlNetPipeline"
weights_sources = {{ controlnet = ["{folder}/edges", "{folder}/depth"] }}

[models.inpaint]
source = "{folder}/sdxl-inpaint"

[models.control]
source = "{folder}/flux-control"
"""


def stored(deployment: Deployment, picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return uploads.add_picture(deployment.store, deployment.objects, "default", file.getvalue()).id


def drawn(deployment: Deployment, job: Job) -> Any:
    with Image.open(io.BytesIO(deployment.objects.get(job.artifacts[0].key))) as picture:
        return np.asarray(picture)


def saved(folder: Path) -> dict[str, Any]:
    """The models as an operator has them, and the plain pipelines that they must equal."""
    plain = {"sim": case("sd-controlnet").build(), "two": case("sd-controlnet-two").build()}
    case("sd").build().save_pretrained(folder / "sd")
    for name, network in zip(("edges", "depth"), plain["two"].controlnet.nets, strict=True):
        network.save_pretrained(folder / name)
    for model, name in (("inpaint", "sdxl-inpaint"), ("control", "flux-control")):
        plain[model] = case(name).build()
        plain[model].save_pretrained(folder / name)
    return plain


def test_each_picture_reaches_its_argument(deployment: Deployment, tmp_path: Path) -> None:
    plain = saved(tmp_path)
    config = tmp_path / "omni.toml"
    config.write_text(ROWS.format(folder=tmp_path))
    deployment.start_worker(f"{tmp_path}/sd", config=config)
    deployment.until(lambda: set(deployment.worker("worker-0").models.values()) == {"ready"})  # type: ignore[union-attr]
    edges, depth, photo = (Picture(salt=salt).make(1, SIZE) for salt in (5, 6, 0))
    mask = Mask().make(1, SIZE)
    ids = {name: stored(deployment, one) for name, one in (("e", edges), ("d", depth), ("p", photo), ("m", mask))}

    sizes = {"width": SIZE[1], "height": SIZE[0]}
    jobs: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "sim": ({"inputs": {"control_image": [ids["e"]]}}, {"image": edges}),
        "two": (
            {
                "inputs": {"control_image": [ids["e"], ids["d"]]},
                "parameters": {"controlnet_conditioning_scale": [0.7, 0.4]},
            },
            {"image": [edges, depth], "controlnet_conditioning_scale": [0.7, 0.4]},
        ),
        "inpaint": (
            {"task": "edit", "images": [ids["p"]], "mask": ids["m"]},
            {"image": photo, "mask_image": mask},
        ),
        "control": ({"inputs": {"control_image": [ids["e"]]}}, {"control_image": edges}),
    }
    sent = {}
    for model, (fields, _) in jobs.items():
        parameters = sizes | fields.pop("parameters", {})
        sent[model] = deployment.submit(
            model=model, seed=4, steps=3, deterministic=True, parameters=parameters, **fields
        )
    for model, job in zip(sent, deployment.finished(*sent.values()), strict=True):
        deployment.check(job)
        generator = torch.Generator().manual_seed(4)
        call = jobs[model][1] | sizes | {"num_inference_steps": 3, "generator": generator}
        assert np.array_equal(drawn(deployment, job), np.asarray(plain[model]("a fox", **call).images[0])), model

    with pytest.raises(InvalidRequest, match=r"inputs\.control_image` is missing"):
        deployment.submit(model="control", parameters=sizes)
    with pytest.raises(InvalidRequest, match=r"inputs\.control_image\.0.*no upload"):
        deployment.submit(model="control", parameters=sizes, inputs={"control_image": ["upl_nothing"]})

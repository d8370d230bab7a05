"""The generated parts of the documentation: `python -m tests.docs.pages` writes them, a test keeps them current.

A part stands between two comments, `<!-- NAME -->` and `<!-- end of NAME -->`; what is outside is written by hand.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from omni_jobs.api.app import FACES
from omni_jobs.api.faces.fields import Table
from omni_jobs.api.fal import inputs as fal_inputs
from omni_jobs.api.openai import batches, files, image_fields, video_shapes
from omni_jobs.api.replicate import inputs
from omni_jobs.schemas import MOVES, Phase, Status
from omni_jobs.settings import PREFIX, Settings
from tests.chaos import report as chaos_report
from workers.registry import ModelRow

ROOT = Path(__file__).resolve().parents[2]

#: The settings that the README shows; the others stand in docs/configuration.md.
FIRST_SETTINGS = (
    "redis_url",
    "storage_url",
    "data_dir",
    "config",
    "api_host",
    "api_port",
    "api_key",
    "signing_secret",
    "slots",
    "webhook_allow",
)
MODEL_KEYS = {
    "source": "A folder written by `save_pretrained`, a hub id (`owner/name`, also `@revision`) or `simulated`.",
    "pipeline_class": "A pipeline class of diffusers by its name, any other by its qualified name; else the source's.",
    "dtype": "`float32` (if absent), `float16` or `bfloat16`, or one per component: `{default = ..., vae = ...}`.",
    "device": "A torch device; `cuda` if there is one, else `cpu`.",
    "variant": "Variant of the weight files, as diffusers knows it (`fp16`).",
    "load_format": "How the weights come: `default` is a diffusers folder of safetensors.",
    "custom_pipeline_args": "Arguments of a custom pipeline.",
    "worker_extension_cls": "A class, by its qualified name, whose methods the worker of each device gets.",
    "executor": "`uni`, `mp`, `vllm-omni`, `simulated`, or the qualified name of an executor class.",
    "num_gpus": "Devices that one copy of the model spans; as many as `parallel_config` needs, if absent.",
    "parallel_config": "How the model is spread over them: weights, tokens, rows, tiles"
    " ([parallelism](parallelism.md)).",
    "caps": "How many calls may share a forward: `measured` on this device, or `fixed(8)`.",
    "max_num_seqs": "Outputs in flight in one engine; further ones wait in it.",
    "cache_backend": "Step cache: `mask`, `taylor`, `mag_cache`, `tea_cache`, `easy_cache`, `cache_dit` or one of"
    " diffusers' ([acceleration](acceleration.md)).",
    "cache_config": "Options of the step cache.",
    "acceleration": "Attention back end, compilation, graphs, quantization, offload"
    " ([acceleration](acceleration.md)).",
    "trust_remote_code": "Whether code of the model's own may run: trust its author with the machine.",
    "options": "Options of the executor.",
    "weights_sources": "Components from elsewhere: `{transformer = \"owner/name@revision\"}`, or a table of `source`, "
    "`subfolder`, `variant`; a list of them for several, such as control networks. `ip_adapter` is an"
    " image prompt adapter.",
    "text_encoder": "`vllm`, or a table of `engine`, `model` and vLLM's engine arguments: who serves the text encoder"
    " ([vLLM](vllm.md)).",
    "pre_process": "Qualified name of a function that makes the model's function for input pictures.",
    "post_process": "Qualified name of a function that makes the model's function for outputs.",
    "output_check": "Qualified name of a function that makes the model's function that may refuse outputs"
    " ([security](security.md)).",
    "frame_rate": "Frames per second of a clip, where the pipeline has no such parameter; 16 if absent.",
    "defaults": "Parameters that a job leaves out, by diffusers' names; also `negative_prompt`.",
    "limits": "Greatest value of a parameter, by name.",
    "merge_rules": "Ways of merging proved offline: the JSON file of `Omni.proven_rules`, or its content.",
    "max_pixels": "Greatest width times height of an output.",
    "enhance_instructions": "How a language model is told to rewrite prompts, by task: `{generate = \"...\"}`"
    " ([vLLM](vllm.md)).",
    "description": "Shown in the catalogue; the pipeline class's own words if empty.",
    "licence": "Shown in the catalogue.",
    "lora_folder": "Where jobs find LoRA adapters: a folder of `.safetensors`, or `s3://bucket/prefix?...`.",
    "lora_cache_bytes": "Memory for adapters that are loaded and in use by nobody.",
    "call_budget_seconds": "A call that takes longer means a hung device: its leases end.",
    "load_budget_seconds": "The same for loading.",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def settings_table(names: Sequence[str]) -> str:
    """Environment variable, default and meaning of these settings."""
    chosen = [(name, Settings.model_fields[name]) for name in names]
    rows = [[f"`{PREFIX}{name.upper()}`", _setting_default(item), item.description or ""] for name, item in chosen]
    return table(("variable", "default", "meaning"), rows)


def _setting_default(item: FieldInfo) -> str:
    value = item.default
    shown = value.get_secret_value() if isinstance(value, SecretStr) else value
    return "" if shown in (None, "") else f"`{shown}`"


def model_table() -> str:
    """Key, default and meaning of what a model's table in `omni.toml` may hold."""
    keys = [item for item in fields(ModelRow) if item.name != "name"]
    return table(
        ("key", "default", "meaning"), [[f"`{key.name}`", _key_default(key), MODEL_KEYS[key.name]] for key in keys]
    )


def _key_default(key: Field[object]) -> str:
    if key.default_factory is not MISSING:
        return "`{}`"
    if key.default is MISSING:
        return "required"
    if isinstance(key.default, bool):
        return f"`{str(key.default).lower()}`"
    return "" if key.default in (None, "", ()) else f"`{key.default}`"


def lifecycle() -> str:
    """The statuses, the moves between them, and a diagram of both."""
    statuses = [[f"`{status}`", "yes" if status.is_terminal else "", status.sentence] for status in Status]
    moves = [[f"`{one}`", f"`{other}`", why] for one, others in MOVES.items() for other, why in others.items()]
    arrows = [
        f"    {one} --> {other}: {why.replace(',', '')}"
        for one, others in MOVES.items()
        for other, why in others.items()
    ]
    ends = [f"    {status} --> [*]" for status in Status if status.is_terminal]
    diagram = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Status.QUEUED}: submitted", *arrows, *ends, "```"]
    phases = ", ".join(f"`{phase}`" for phase in Phase)
    return "\n\n".join(
        [
            table(("status", "final", "meaning"), statuses),
            "## The moves\nNo other is possible: one function makes them, in one atomic Lua script.",
            table(("from", "to", "why"), moves),
            "\n".join(diagram),
            f"A running job announces its phase with its progress: {phases}.",
        ]
    )


def face_table(*bodies: tuple[str, Table]) -> str:
    """Every field of these endpoints with its status."""
    rows = [
        [name, f"`{field.name}`", field.status, field.note]
        for name, table_ in bodies
        for field in table_.fields.values()
    ]
    return table(("endpoint", "field", "status", "note"), rows)


def face_endpoints() -> str:
    """Every route of every face, in one sentence each."""
    rows = [
        [face.router.tags[0], " ".join(sorted(route.methods)), f"`{route.path}`", inspect.getdoc(route.endpoint) or ""]
        for face in FACES
        for route in face.router.routes
    ]
    return table(("face", "method", "path", "what it does"), [[*row[:3], row[3].split("\n")[0]] for row in rows])


#: What stands where: page, name of the part, its text.
PARTS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("README.md", "settings", lambda: settings_table(FIRST_SETTINGS)),
    ("docs/configuration.md", "all settings", lambda: settings_table(list(Settings.model_fields))),
    ("docs/configuration.md", "keys of a model", model_table),
    ("docs/lifecycle.md", "lifecycle", lifecycle),
    (
        "docs/faces.md",
        "openai images",
        lambda: face_table(
            ("POST /v1/images/generations", image_fields.GENERATION), ("POST /v1/images/edits", image_fields.EDIT)
        ),
    ),
    ("docs/faces.md", "endpoints", face_endpoints),
    ("docs/faces.md", "openai videos", lambda: face_table(("POST /v1/videos", video_shapes.VIDEO))),
    ("docs/faces.md", "openai batches", lambda: face_table(("POST /v1/batches", batches.BATCH))),
    ("docs/faces.md", "openai files", lambda: face_table(("POST /v1/files", files.FILE))),
    (
        "docs/faces.md",
        "replicate predictions",
        lambda: face_table(("POST /v1/predictions", inputs.PREDICTION), ("its `input`", inputs.INPUT)),
    ),
    (
        "docs/faces.md",
        "fal queue",
        lambda: face_table(("POST /fal/queue/{app}", fal_inputs.INPUT), ("header or query", fal_inputs.HEADERS)),
    ),
    ("docs/reliability.md", "chaos runs", chaos_report.table),
    ("docs/reliability.md", "chaos faults", chaos_report.faults),
    ("docs/reliability.md", "overload runs", chaos_report.overload),
)


def replaced(text: str, name: str, part: str) -> str:
    """The page with this part as it should be. Raises ValueError if the page has no place for it."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"there is no <!-- {name} --> ... <!-- end of {name} -->")
    return pattern.sub(lambda match: f"{match[1]}\n{part}\n\n{match[2]}", text)


def main() -> None:
    """Write every part into its page."""
    for page, name, make in PARTS:
        path = ROOT / page
        path.write_text(replaced(path.read_text("utf-8"), name, make()), "utf-8")


if __name__ == "__main__":
    main()

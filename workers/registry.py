"""Rows as data: everything this worker knows of each model before it is loaded.

Rows come from `omni.toml`, from `--model NAME=SOURCE` and from what is known by name (see `known`); they cross to
the engine process as JSON. A row without facts of its own gets them from the pipeline class (see `cards`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.acceleration.options import accelerations
from workers.engine.caps import cap_policy
from workers.engine.config import LORA_CACHE_BYTES, OmniDiffusionConfig
from workers.known import add_row, known_names, known_row
from workers.parallel.conflicts import check_spread
from workers.rules_file import read_rules
from workers.simulated_source import SIMULATED, simulated_options
from workers.stepping.cache_config import cache_policy


@dataclass(frozen=True)
class ModelRow:
    """One model: where it comes from, how it runs, what may be asked of it.

    `limits` bound parameters by name (`{"num_inference_steps": 50}`); `defaults` fill what a job leaves out.
    `enhance_instructions`, by task, tell a language model how prompts for this one are written.
    `pipeline_class`, `pre_process`, `post_process` and `output_check` are names: the engine process imports them.
    A forward that takes longer than `call_budget_seconds` means a hung device; loading has its own budget.
    """

    name: str
    source: str
    pipeline_class: str | None = None
    dtype: str | Mapping[str, str] | None = None
    device: str | None = None
    variant: str | None = None
    load_format: str = "default"
    custom_pipeline_args: Mapping[str, Any] | None = None
    worker_extension_cls: str | None = None
    executor: str | None = None
    num_gpus: int | None = None
    parallel_config: Mapping[str, Any] = field(default_factory=dict)
    caps: str = "measured"
    max_num_seqs: int = 64
    cache_backend: str | None = None
    cache_config: Mapping[str, Any] = field(default_factory=dict)
    acceleration: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    weights_sources: Mapping[str, Any] = field(default_factory=dict)
    text_encoder: str | Mapping[str, Any] | None = None
    pre_process: str | None = None
    post_process: str | None = None
    output_check: str | None = None
    frame_rate: float | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    merge_rules: str | Sequence[Mapping[str, Any]] = ()
    max_pixels: int | None = 4096 * 4096
    description: str = ""
    enhance_instructions: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    lora_folder: str | None = None
    lora_cache_bytes: int = LORA_CACHE_BYTES
    call_budget_seconds: float = 600.0
    load_budget_seconds: float = 3600.0

    def __post_init__(self) -> None:
        cap_policy(self.caps)
        cache_policy(self.cache_backend, self.cache_config)
        accelerations(self.acceleration)
        check_spread(self.parallel_config, self.num_gpus, self.acceleration, self.lora_folder)
        if not self.name or len(self.name) > 200 or any(letter.isspace() for letter in self.name):
            raise Misconfigured(
                f"model name {self.name!r}: 1 to 200 characters, no spaces.", field="name", value=self.name
            )

    @property
    def is_simulated(self) -> bool:
        return self.source.partition("?")[0] == SIMULATED

    def check_source(self) -> None:
        """Refuse files that cannot be what the row says before an engine process tries to load them.

        Raises:
            Misconfigured: the source looks like a folder and is none, or has no `model_index.json`; the merge
                rules cannot be read.
        """
        read_rules(self.merge_rules)
        own_class = "." in (self.pipeline_class or "")
        if self.is_simulated or self.load_format != "default" or own_class:
            return
        folder = Path(self.source).expanduser()
        looks_local = folder.is_absolute() or self.source.startswith((".", "~")) or folder.exists()
        if looks_local and not (folder / "model_index.json").is_file():
            raise Misconfigured(
                f"model `{self.name}`: {self.source!r} holds no model_index.json.",
                field=f"models.{self.name}.source",
                value=self.source,
                remedy="Name a folder written by `pipeline.save_pretrained`, or a hub id.",
            )

    def engine_config(self) -> OmniDiffusionConfig:
        """What the engine that runs this row is built from."""
        options, executor = dict(self.options), self.executor
        if self.is_simulated:
            options = simulated_options(self.source) | options
            executor = executor or SIMULATED
        return OmniDiffusionConfig(
            model=self.source,
            name=self.name,
            model_class_name=self.pipeline_class,
            dtype=self.dtype,
            device=self.device,
            variant=self.variant,
            load_format=self.load_format,
            custom_pipeline_args=self.custom_pipeline_args,
            worker_extension_cls=self.worker_extension_cls,
            distributed_executor_backend=executor,
            num_gpus=self.num_gpus,
            parallel_config=self.parallel_config,
            caps=self.caps,
            max_num_seqs=self.max_num_seqs,
            cache_backend=self.cache_backend,
            cache_config=self.cache_config,
            acceleration=self.acceleration,
            trust_remote_code=self.trust_remote_code,
            executor_options=options,
            weights_sources=self.weights_sources,
            text_encoder=self.text_encoder,
            pre_process=self.pre_process,
            post_process=self.post_process,
            output_check=self.output_check,
            defaults=self.defaults,
            merge_rules=read_rules(self.merge_rules),
            lora_folder=self.lora_folder,
            lora_cache_bytes=self.lora_cache_bytes,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it crosses to the engine process."""
        return asdict(self)


def row_from(name: str, table: Mapping[str, Any]) -> ModelRow:
    """A row from its table in `omni.toml`, filled up from the row known by its name, or by its source, if any.

    Raises:
        Misconfigured: an unknown key (with the nearest one), or no `source`.
    """
    _check_keys(name, table)
    source = table.get("source")
    by_source = known_row(source) if isinstance(source, str) and not Path(source).exists() else None
    if by_source is not None:
        return ModelRow(name=name, **{**by_source, **table, "source": by_source["source"]})
    table = {**_known_facts(name, table), **table}
    if not isinstance(table.get("source"), str):
        raise Misconfigured(
            f"`models.{name}` has no `source`.", field=f"models.{name}.source", remedy="Name a folder or a hub id."
        )
    return ModelRow(name=name, **table)


def register_model(name: str, source: str, *, aliases: Sequence[str] = (), **facts: Any) -> ModelRow:
    """Make a model known by name in this process, for `Omni(model=name)` and for workers started by it.

    `facts` are the keys of a model's table in `omni.toml`. Classes and functions are given by their qualified
    names. To have the command line know a model, install a plug-in (see docs/adding-a-model.md).

    Raises:
        Misconfigured: an unknown fact, or a value that does not fit.
    """
    table = {"source": source, **facts}
    _check_keys(name, table)
    row = ModelRow(name=name, **table)
    add_row(name, {**table, "aliases": tuple(aliases)})
    return row


def _check_keys(name: str, table: Mapping[str, Any]) -> None:
    known = {item.name for item in fields(ModelRow)} - {"name"}
    for key in table:
        if key not in known:
            raise Misconfigured(
                f"`models.{name}.{key}` is not a setting of a model.",
                field=f"models.{name}.{key}",
                remedy=nearest(key, known),
            )


def _known_facts(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a model of this name; of its files only if the table names no others."""
    facts = known_row(name) or {}
    files = ("variant", "weights_sources") if "source" in table else ()
    return {key: value for key, value in facts.items() if key not in files}


def read_rows(config: Path | None, models: Iterable[str] = (), caps: str | None = None) -> list[ModelRow]:
    """The rows of this worker: those of `config`, then each `NAME=SOURCE`, which wins over a row of its name.

    A model known by name needs no source. `caps` replaces the cap policy of every row.

    Raises:
        Misconfigured: the file is missing or malformed, or a model is.
    """
    tables = _tables(config) if config else {}
    for text in models:
        name, _, source = text.partition("=")
        if name and source:
            tables[name] = {**tables.get(name, {}), "source": source}
        elif text and known_row(text) is not None:
            tables.setdefault(text, {})
        else:
            raise Misconfigured(
                f"--model {text!r}: write NAME=SOURCE.",
                field="model",
                value=text,
                remedy=f"Some models need no source (`omni-jobs models --known`). {nearest(text, known_names())}",
            )
    if caps is not None:
        tables = {name: {**table, "caps": caps} for name, table in tables.items()}
    rows = [row_from(name, table) for name, table in tables.items()]
    for row in rows:
        row.check_source()
    return rows


def _tables(config: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(config.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"{config}: {error.strerror}.", field="config", value=str(config)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{config}: {error}.", field="config", value=str(config)) from error
    models = data.get("models", {})
    if not isinstance(models, dict) or not all(isinstance(table, dict) for table in models.values()):
        raise Misconfigured(
            f"{config}: `models` holds one table per model.", field="models", remedy="Write [models.NAME]."
        )
    for table in models.values():
        if isinstance(table.get("merge_rules"), str):
            table["merge_rules"] = str(config.parent / table["merge_rules"])
    return models

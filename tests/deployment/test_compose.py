"""docker-compose.yml and Dockerfile say what this code understands. No container is started.

`compose_spec.json` is the schema of the Compose Specification (https://github.com/compose-spec/compose-spec,
Apache-2.0), as shipped with docker-compose 1.29.2.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft7Validator

from omni_jobs.settings import PREFIX, Settings
from tests.servers.moto import moto
from tests.servers.processes import environment

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if str(one["image"]).startswith("omni-jobs")}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_it_fits_the_schema() -> None:
    schema = json.loads(Path(__file__).with_name("compose_spec.json").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)] == []


@pytest.mark.parametrize("name", OURS)
def test_every_environment_name_is_a_setting(name: str) -> None:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    given = {key for key in OURS[name]["environment"] if key.startswith(PREFIX)}
    assert given
    assert given <= known


@pytest.mark.parametrize("name", OURS)
def test_every_command_parses(name: str) -> None:
    command = OURS[name]["command"]
    assert command[0] == "python"
    ended = subprocess.run(
        [sys.executable, *command[1:], "--help"], cwd=ROOT, env=environment({}), capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_option_of_a_command_is_one(name: str) -> None:
    command = OURS[name]["command"]
    told = subprocess.run(
        [sys.executable, *command[1:3], "--help"], cwd=ROOT, env=environment({}), capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    for option in (part for part in command[3:] if part.startswith("--")):
        assert option in told


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secret = re.compile(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(:?[-?])?")
    found = secret.findall(text)
    assert found
    assert {mark for _, mark in found} == {":?"}


def test_whoever_depends_waits_until_it_is_healthy() -> None:
    for name, one in SERVICES.items():
        for other, wanted in one.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"


def test_every_named_volume_is_declared_and_every_store_has_one() -> None:
    used = {
        mount.partition(":")[0]
        for one in SERVICES.values()
        for mount in one.get("volumes", [])
        if not mount.startswith((".", "/"))
    }
    assert used == set(COMPOSE["volumes"])
    for name in ("redis", "objects"):
        assert SERVICES[name]["volumes"]


def test_redis_keeps_what_it_acknowledged_and_evicts_nothing() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    for option in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert option in command


def test_nothing_is_published_beyond_this_machine() -> None:
    for one in SERVICES.values():
        for port in one.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_the_images_install_what_the_makefile_installs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "--constraint constraints.txt torch" in makefile
    stages = dict(re.findall(r"^FROM \S+ AS (\w+)$(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    assert "torch" not in stages["api"]
    assert "--constraint constraints.txt '.[server]'" in stages["api"]
    worker = stages["worker"]
    assert worker.index("torch\n") < worker.index("--constraint constraints.txt '.[all]'")
    for stage in (stages["api"], worker):
        assert "USER omni" in stage
    for one in OURS.values():
        if "build" in one:
            assert one["build"]["target"] in stages


def test_the_copied_paths_exist() -> None:
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            if source != "README.md":
                assert (ROOT / source).exists(), source


def test_the_bucket_is_made_once_and_again() -> None:
    with moto() as server:
        settings = {
            "storage_url": f"s3://omni?endpoint={server.endpoint}&region=us-east-1",
            "storage_access_key": server.access_key_id,
            "storage_secret_key": server.secret_access_key,
        }
        for _ in range(2):
            ended = subprocess.run(
                [sys.executable, *SERVICES["bucket"]["command"][1:]], cwd=ROOT, env=environment(settings),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (ended.returncode, ended.stdout) == (0, "s3://omni takes objects\n"), ended.stderr


def test_the_api_image_needs_no_torch() -> None:
    probe = "import sys; sys.modules['torch'] = None; import omni_jobs.api, omni_jobs.webhooks.courier"
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True)

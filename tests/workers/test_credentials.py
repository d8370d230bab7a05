"""Outputs are signed as C2PA has it if an operator has a certificate; settings of no use are refused by name."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image

from omni_jobs import __version__
from omni_jobs.errors import Misconfigured, Unavailable, UploadFailed
from omni_jobs.schemas import JobRequest, OutputOptions
from omni_jobs.settings import Settings, load_settings
from tests.workers.certificates import KEYS, Files, reader, write_identity
from tests.workers.test_media import PARAMETERS, spooled
from tests.workers.timestamps import timestamps
from workers.credentials import Sign, open_signature
from workers.engine_process import write_spool
from workers.media import Encoded, encode

GENERATION = JobRequest(model="tiny", prompt="a füchslein")
EDIT = JobRequest(model="tiny", prompt="a füchslein", task="edit", images=("upl_1",))
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_identity(tmp_path)


def opened(files: Files, **settings: Any) -> Sign:
    return open_signature(Settings(c2pa_certificate=files.certificate, c2pa_key=files.key, **settings))


def read(encoded: Encoded, files: Files) -> tuple[str, dict[str, Any]]:
    """What C2PA's own reader says of a file: the state, and the manifest."""
    with reader(encoded.content_type, encoded.content, files) as found:
        return found.get_validation_state(), found.get_active_manifest()


def actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    (found,) = (one["data"]["actions"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2")
    return list(found)


def png(folder: Path) -> Encoded:
    return encode(spooled(folder, 8, 12, 3), OutputOptions(), PARAMETERS)


def pixels(encoded: Encoded) -> bytes:
    if encoded.content_type.startswith("image/"):
        with Image.open(io.BytesIO(encoded.content)) as picture:
            return picture.tobytes()
    with av.open(io.BytesIO(encoded.content)) as container:
        return b"".join(frame.to_ndarray().tobytes() for frame in container.decode(container.streams[0]))


@pytest.mark.parametrize(
    ("kind", "name", "shape", "rate"),
    [
        ("image", "png", (8, 12, 3), None),
        ("image", "png", (8, 12, 4), None),
        ("image", "jpeg", (8, 12, 3), None),
        ("image", "webp", (8, 12, 3), None),
        ("video", "mp4", (3, 32, 48, 3), 8.0),
    ],
)
def test_media_are_signed_and_stay_as_they_are(
    tmp_path: Path, files: Files, kind: str, name: str, shape: tuple[int, ...], rate: float | None
) -> None:
    file = spooled(tmp_path, *shape, kind=kind, rate=rate)
    encoded = encode(file, OutputOptions(format=name), PARAMETERS)
    signed = opened(files)(encoded, GENERATION)
    state, manifest = read(signed, files)
    (action,) = actions(manifest)
    assert state == "Trusted"
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == SOURCE_TYPES + "trainedAlgorithmicMedia"
    assert action["softwareAgent"] == {"name": "tiny"}
    assert manifest["claim_generator_info"][0].items() >= {"name": "omni-jobs", "version": __version__}.items()
    assert "füchslein" not in str(manifest)
    assert pixels(signed) == pixels(encoded)
    assert (signed.width, signed.height, signed.extension) == (encoded.width, encoded.height, encoded.extension)


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_sounds_are_signed_and_stay_as_they_are(tmp_path: Path, files: Files, name: str) -> None:
    samples = np.sin(np.arange(4000, dtype=np.float32) / 9).reshape(-1, 1)
    file = write_spool(tmp_path, samples.tobytes(), samples.shape, dtype="float32", kind="audio", rate=8000.0)
    encoded = encode(file, OutputOptions(format=name), PARAMETERS)
    signed = opened(files)(encoded, GENERATION)
    assert read(signed, files)[0] == "Trusted"
    assert pixels(signed) == pixels(encoded)


def test_the_parameters_of_a_picture_are_still_in_it(tmp_path: Path, files: Files) -> None:
    before = png(tmp_path)
    with Image.open(io.BytesIO(before.content)) as unsigned:
        told = dict(unsigned.info)
    with Image.open(io.BytesIO(opened(files)(before, GENERATION).content)) as signed:
        assert told["parameters"]
        assert signed.info.items() >= told.items()


def test_an_edit_opens_its_picture_and_edits_it(tmp_path: Path, files: Files) -> None:
    state, manifest = read(opened(files)(png(tmp_path), EDIT), files)
    first, second = actions(manifest)
    assert state == "Trusted"
    assert [first["action"], second["action"]] == ["c2pa.opened", "c2pa.edited"]
    assert second["digitalSourceType"] == SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
    assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf"]


def test_a_job_that_says_no_to_metadata_is_signed_and_tells_nothing(tmp_path: Path, files: Files) -> None:
    quiet = GENERATION.model_copy(update={"output": OutputOptions(embed_metadata=False)})
    state, manifest = read(opened(files)(png(tmp_path), quiet), files)
    assert state == "Trusted"
    assert "tiny" not in str(manifest)


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_key_says_which_algorithm(tmp_path: Path, algorithm: str) -> None:
    files = write_identity(tmp_path, algorithm)
    state, manifest = read(opened(files)(png(tmp_path), GENERATION), files)
    assert (state, manifest["signature_info"]["alg"]) == ("Trusted", algorithm)


def test_a_changed_pixel_and_a_changed_parameter_are_noticed(tmp_path: Path, files: Files) -> None:
    encoded = encode(spooled(tmp_path, 8, 12, 3), OutputOptions(format="webp"), PARAMETERS)
    signed = opened(files)(encoded, GENERATION)
    for place in (signed.content.index(b"VP8 ") + 20, signed.content.index(b'"seed": 7') + 8):
        content = bytearray(signed.content)
        content[place] ^= 1
        changed = Encoded(bytes(content), signed.content_type, signed.extension)
        assert read(changed, files)[0] == "Invalid"


def test_threads_sign_at_the_same_time(tmp_path: Path, files: Files) -> None:
    sign, encoded = opened(files), png(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        signed = list(threads.map(lambda _: sign(encoded, GENERATION), range(24)))
    assert {read(one, files)[0] for one in signed} == {"Trusted"}
    assert len({one.content for one in signed}) == 24


def test_a_file_that_cannot_carry_a_signature_fails_at_once(files: Files) -> None:
    with pytest.raises(UploadFailed, match="cannot be signed"):
        opened(files)(Encoded(b"no picture", "image/png", "png"), GENERATION)


def test_without_settings_files_stay_as_they_are(tmp_path: Path) -> None:
    encoded = png(tmp_path)
    assert open_signature(Settings())(encoded, GENERATION) is encoded


def test_tensors_cannot_carry_a_signature(files: Files) -> None:
    tensors = Encoded(b"{}", "application/safetensors", "safetensors")
    assert opened(files)(tensors, GENERATION) is tensors


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"c2pa_certificate": "chain.pem"}, "c2pa_key"),
        ({"c2pa_key": "key.pem"}, "c2pa_certificate"),
        ({"c2pa_timestamp_url": "http://127.0.0.1:9/"}, "c2pa_certificate"),
    ],
)
def test_half_of_the_settings_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Misconfigured, match=f"OMNI_{field.upper()} is not set") as refusal:
        open_signature(Settings(**given))
    assert refusal.value.field == field


def encrypt(files: Files) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))


def swap_key(files: Files) -> None:
    other = files.key.parent / "other"
    other.mkdir()
    files.key.write_bytes(write_identity(other).key.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "field", "words"),
    [
        (lambda files: files.certificate.unlink(), "c2pa_certificate", "cannot be read"),
        (lambda files: files.key.unlink(), "c2pa_key", "cannot be read"),
        (lambda files: files.certificate.write_text("no"), "c2pa_certificate", "holds no certificate"),
        (lambda files: files.key.write_text("no"), "c2pa_key", "holds no private key"),
        (encrypt, "c2pa_key", "is encrypted"),
        (swap_key, "c2pa_key", "is not the key of the first certificate"),
        (lambda files: files.certificate.write_text(files.authority), "c2pa_key", "is not the key of"),
        (
            lambda files: write_identity(files.key.parent, usage=ExtendedKeyUsageOID.SERVER_AUTH),
            "c2pa_certificate",
            "nothing can be signed.*emailProtection",
        ),
        (
            lambda files: write_identity(files.key.parent, lasts=-timedelta(days=1)),
            "c2pa_certificate",
            "not valid at time of signing",
        ),
    ],
)
def test_files_of_no_use_are_refused_by_name(files: Files, spoil: Any, field: str, words: str) -> None:
    secret = files.key.read_text().splitlines()[1]
    spoil(files)
    with pytest.raises(Misconfigured, match=f"OMNI_{field.upper()}: .*{words}") as refusal:
        opened(files)
    path = files.certificate if field == "c2pa_certificate" else files.key
    assert (refusal.value.field, refusal.value.value) == (field, str(path))
    assert refusal.value.remedy
    assert secret not in str(refusal.value)


def test_a_missing_package_is_named(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(Misconfigured, match=r"Install omni-jobs\[c2pa\]"):
        opened(files)


def test_signatures_bear_the_time_that_a_service_tells(tmp_path: Path, files: Files) -> None:
    with timestamps(tmp_path / "timestamps") as service:
        signed = opened(files, c2pa_timestamp_url=service.url)(png(tmp_path), GENERATION)
    state, manifest = read(signed, files)
    assert state == "Trusted"
    told = datetime.fromisoformat(manifest["signature_info"]["time"])
    assert abs(datetime.now(UTC) - told) < timedelta(hours=1)


def test_a_timestamp_service_that_does_not_answer_is_named(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match=r"OMNI_C2PA_TIMESTAMP_URL: no timestamp from http://127\.0\.0\.1:9/"):
        opened(files, c2pa_timestamp_url="http://127.0.0.1:9/")
    monkeypatch.setenv("OMNI_C2PA_TIMESTAMP_URL", "digicert")
    with pytest.raises(Misconfigured, match="OMNI_C2PA_TIMESTAMP_URL"):
        load_settings()

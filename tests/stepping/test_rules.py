"""Merge rules proven in one process spare another the proofs; a wrong one is found before it does harm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo import UNEQUAL_PROMPTS, case, flatten_output
from omni_jobs.errors import Misconfigured
from tests.stepping.pipelines import seeded, tiny
from workers import Omni
from workers.registry import row_from

PROVE = """
import json, sys, torch
from benchmarks.zoo import UNEQUAL_PROMPTS, case
from workers import Omni
omni = Omni(pipeline=case("sd3").build())
omni.map([case("sd3").inputs(n, prompt, 2 + n) for n, prompt in enumerate(UNEQUAL_PROMPTS)])
json.dump(omni.proven_rules(), open(sys.argv[1], "w"))
print(omni.stats.proofs)
"""


def together(omni: Omni) -> list[Any]:
    return omni.map([{"generator": seeded(n), "num_inference_steps": 3 + n} for n in range(3)])


def test_rules_of_another_process_replace_the_proofs_and_not_the_audits(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    done = subprocess.run([sys.executable, "-c", PROVE, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0
    rules = row_from("m", {"source": "x/y", "merge_rules": str(path)}).engine_config().merge_rules
    pipeline = case("sd3").build()
    omni = Omni(pipeline=pipeline, merge_rules=rules)
    calls = [case("sd3").inputs(n, prompt, 2 + n) for n, prompt in enumerate(UNEQUAL_PROMPTS)]
    found = omni.map(calls)
    report = omni._engine.collective_rpc("merge_report", unique_reply_rank=0)
    assert report["proofs"] == 0
    assert report["audits"] > 0
    assert omni.stats.forwards < omni.stats.calls
    for n, prompt in enumerate(UNEQUAL_PROMPTS):
        (plain,) = flatten_output(pipeline(**case("sd3").inputs(n, prompt, 2 + n)))
        assert abs(plain - flatten_output(found[n])[0]).max() < 1e-4
    assert {rule["structure"] for rule in omni.proven_rules()} == {rule["structure"] for rule in rules}


def test_a_rule_that_does_not_hold_is_found_and_changes_no_output() -> None:
    good = Omni(pipeline=tiny())
    together(good)
    rules = json.loads(json.dumps(good.proven_rules()))
    assert [rule["component"] for rule in rules] == ["unet"]
    wrong = tiny("wrong in company")
    omni = Omni(pipeline=wrong, merge_rules=rules)
    found = together(omni)
    plain = [wrong(generator=seeded(n), num_inference_steps=3 + n) for n in range(3)]
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(found, plain, strict=True))
    assert omni.proven_rules()[0]["alone"]


def test_what_is_known_to_run_alone_is_not_tried_again() -> None:
    first = Omni(pipeline=tiny("random"))
    together(first)
    again = Omni(pipeline=tiny("random"), merge_rules=first.proven_rules())
    together(again)
    assert (first.stats.proofs > 0, again.stats.proofs) == (True, 0)
    assert again.stats.solo_reasons == first.stats.solo_reasons


def test_rules_of_another_precision_are_held_to_this_ones_rounding() -> None:
    first = Omni(pipeline=tiny())
    together(first)
    half = Omni(pipeline=tiny(dtype=torch.bfloat16), merge_rules=first.proven_rules())
    together(half)
    assert half.stats.proofs == 0
    assert half.stats.forwards < half.stats.calls


@pytest.mark.parametrize("rules", [[{"structure": "x"}], [{"plans": [{}]}], ["x"]])
def test_rules_that_are_none_are_refused(rules: list[Any]) -> None:
    with pytest.raises(Misconfigured, match=r"merge_rules.*proven_rules"):
        Omni(pipeline=tiny(), merge_rules=rules)


@pytest.mark.parametrize("text", ["{}", "[1]", "no json"])
def test_a_file_without_rules_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=r"merge_rules.*rules\.json"):
        row_from("m", {"source": "simulated", "merge_rules": str(path)}).check_source()

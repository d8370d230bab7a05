"""Every pipeline of the zoo, saved in the middle and resumed by another interpreter: byte for byte the same?

`python -m benchmarks.resume_conformance [GLOB ...]`: this process makes the reference, a run without a pause, and
the checkpoint; a child resumes it. With `--twice` the child goes on a little and saves it again for this process.
One line a case; exits non-zero if any output differs or any checkpoint is refused.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from benchmarks.zoo import EQUAL_PROMPTS, Case, case, cases, flatten_output
from workers import Omni

STEPS = 5
#: Where to save: of so many denoiser calls, after which.
PLACES: dict[str, Callable[[int], int]] = {
    "first": lambda calls: 1,
    "middle": lambda calls: max(1, calls // 2),
    "late": lambda calls: calls - 1,
}


@dataclass(frozen=True)
class Row:
    """One case: `verdict` is identical, DIFFERENT, or why there is nothing to compare.

    `made` of its denoiser `calls` were made by the process that resumed it last.
    """

    case: str
    pipeline: str
    verdict: str
    calls: int = 0
    saved_after: int = 0
    made: int = 0
    size_bytes: int = 0

    @property
    def is_wrong(self) -> bool:
        return self.verdict not in ("identical", TOO_SHORT)


TOO_SHORT = "fewer than two denoiser calls"


def inputs(chosen: Case) -> dict[str, Any]:
    """The case's call; the same in every process."""
    torch.manual_seed(0)
    return chosen.inputs(seed=3, prompt=EQUAL_PROMPTS[0], steps=STEPS)


def loaded(chosen: Case) -> Any:
    pipeline = chosen.build()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def digest(output: Any) -> str:
    """Of an output's raw bytes, shapes and types."""
    found = hashlib.sha256()
    for array in flatten_output(output):
        found.update(repr((array.shape, array.dtype)).encode())
        found.update(array.tobytes())
    return found.hexdigest()


class Resumer:
    """Another interpreter that resumes what it is told to."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.resume_conformance", "--child"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, name: str, file: Path, *, save_again: bool = False) -> dict[str, Any]:
        """Resume a case from a file; with `save_again`, save it one call later, into the same file."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, str(file), save_again]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process died"}
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def answer_all(questions: IO[str]) -> None:
    """The child: one JSON line for each."""
    for line in questions:
        name, file, save_again = json.loads(line)
        # What a process did before must not matter: another global random state.
        torch.manual_seed(len(name))
        try:
            answer = resumed(case(name), Path(file), save_again)
        except Exception as error:  # noqa: BLE001  whatever goes wrong is this case's finding
            answer = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def resumed(chosen: Case, file: Path, save_again: bool = False) -> dict[str, Any]:
    omni, call = Omni(pipeline=loaded(chosen)), inputs(chosen)
    torch.manual_seed(12345)
    if save_again:
        file.write_bytes(omni.checkpoint(call, after_calls=1, start=file.read_bytes()))
        return {"refused": None}
    found = omni.resume(call, file.read_bytes())
    return {"digest": digest(found.output), "refused": found.refused, "calls": omni.stats.calls}


def run(chosen: Case, place: str, resumer: Resumer, folder: Path, *, twice: bool = False) -> Row:
    """Reference, checkpoint, resumption."""
    omni = Omni(pipeline=loaded(chosen))
    torch.manual_seed(0)
    (whole,) = omni.map([inputs(chosen)])
    calls = omni.stats.calls
    if calls < 2 + twice:
        return Row(chosen.name, chosen.pipeline_class, TOO_SHORT, calls)
    after = min(PLACES[place](calls), calls - 1 - twice)
    torch.manual_seed(0)
    file = folder / f"{chosen.name}.safetensors"
    file.write_bytes(omni.checkpoint(inputs(chosen), after_calls=after))
    size = file.stat().st_size
    answer = resumer.ask(chosen.name, file, save_again=twice)
    if twice and "error" not in answer:
        answer = resumed(chosen, file)
    file.unlink()
    is_same = answer.get("digest") == digest(whole)
    verdict = answer.get("error") or answer["refused"] or ("identical" if is_same else "DIFFERENT")
    return Row(chosen.name, chosen.pipeline_class, verdict, calls, after, answer.get("calls", 0), size)


def told(row: Row) -> str:
    """A row as a line."""
    calls = f"{row.saved_after:3} + {row.made:3} of {row.calls:3}"
    return f"{row.case:40} {calls} {row.size_bytes // 1024:6} KiB {row.verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--place", choices=PLACES, default="middle")
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.child:
        answer_all(sys.stdin)
        return 0
    chosen = [one for one in cases() if any(fnmatch.fnmatch(one.name, pattern) for pattern in options.patterns)]
    resumer = Resumer()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for one in chosen:
            try:
                row = run(one, options.place, resumer, Path(folder), twice=options.twice)
            except Exception as error:  # noqa: BLE001  whatever goes wrong is this case's finding
                row = Row(one.name, one.pipeline_class, f"{type(error).__name__}: {str(error)[:200]}")
            rows.append(row)
            print(told(row), flush=True)
    resumer.close()
    wrong = [row for row in rows if row.is_wrong]
    print(f"{len(rows)} cases, {sum(row.verdict == 'identical' for row in rows)} identical, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Command line of the zoo: what it covers, and the plain reference check."""

from __future__ import annotations

import argparse
import fnmatch
import sys

from benchmarks.zoo.case import Case, cases
from benchmarks.zoo.words import EQUAL_PROMPTS


def _chosen(patterns: list[str]) -> list[Case]:
    known = cases()
    unknown = [p for p in patterns if not any(fnmatch.fnmatch(case.name, p) for case in known)]
    if unknown:
        raise SystemExit(f"no case matches {', '.join(unknown)}; --list names them all")
    return [case for case in known if not patterns or any(fnmatch.fnmatch(case.name, p) for p in patterns)]


def _check(patterns: list[str]) -> int:
    from benchmarks.zoo.check import check_case

    failures = 0
    print(f"{'case':<40} {'build s':>8} {'run s':>8} {'change':>8}  output or problem")
    for case in _chosen(patterns):
        verdict = check_case(case)
        failures += verdict.problem is not None
        print(
            f"{verdict.name:<40} {verdict.build_seconds:8.2f} {verdict.seconds:8.2f} {verdict.change:8.1e}  "
            f"{'FAIL ' + verdict.problem if verdict.problem else verdict.shape}",
            flush=True,
        )
    print(f"{failures} of {len(_chosen(patterns))} cases failed")
    return 1 if failures else 0


def _rounding(patterns: list[str]) -> int:
    from benchmarks.zoo.check import rounding_of

    for case in _chosen(patterns):
        request = case.inputs(seed=7, prompt=EQUAL_PROMPTS[0], steps=3)
        print(f"{case.name:<40} {rounding_of(case, [request]):8.1e}", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--list", action="store_true", help="print covered and not covered pipeline classes")
    task.add_argument("--check", nargs="*", metavar="NAME", help="run the cases (all, or by name or pattern)")
    task.add_argument("--rounding", nargs="*", metavar="NAME", help="print how far rounding moves each output")
    arguments = parser.parse_args()
    if arguments.rounding is not None:
        return _rounding(arguments.rounding)
    if arguments.list:
        from benchmarks.zoo.coverage import print_coverage

        print_coverage()
        return 0
    return _check(arguments.check)


if __name__ == "__main__":
    sys.exit(main())

"""Which pipeline classes of the installed diffusers the zoo covers, and why the others are left out."""

from __future__ import annotations

from typing import Any

from benchmarks.zoo.case import cases

# Reasons by class name; a class in neither table nor cases is printed as "no case written".
NOT_COVERED: dict[str, str] = {}


def pipeline_classes() -> list[str]:
    """Names of all concrete pipeline classes that diffusers exports and can import here."""
    import diffusers

    names = sorted(name for name in dir(diffusers) if name.endswith("Pipeline"))
    return [name for name in names if _is_concrete(getattr(diffusers, name))]


def _is_concrete(found: Any) -> bool:
    import diffusers

    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        return False
    return found is not diffusers.DiffusionPipeline and ".modular_pipelines" not in found.__module__


def print_coverage() -> None:
    by_class: dict[str, list[str]] = {}
    for case in cases():
        by_class.setdefault(case.pipeline_class, []).append(case.name)
    known = pipeline_classes()
    print(f"covered: {len(by_class)} of {len(known)} pipeline classes, {len(cases())} cases")
    for name in sorted(by_class):
        print(f"  {name:<48} {', '.join(by_class[name])}")
    missing = [name for name in known if name not in by_class]
    print(f"not covered: {len(missing)}")
    for name in missing:
        print(f"  {name:<48} {NOT_COVERED.get(name, 'no case written')}")

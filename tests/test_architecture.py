"""The rules of the project that a reader relies on, enforced: import directions, exported names, sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("omni_jobs", "workers", "storage")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

#: Lines a file may have; code that cannot be cut without harm is named with its reason.
FILE_LINES = 260
LONG_FILES: dict[str, str] = {
    "omni_jobs/errors.py": "one tree, read as a whole",
    "workers/stepping/leaves.py": "the roles of leaves are one table with its rules",
}
FUNCTION_LINES = 45
LONG_FUNCTIONS: dict[str, str] = {}

#: What the modules of a folder may not import, directly or at all at run time.
FORBIDDEN = {
    "omni_jobs": ("torch", "diffusers", "transformers", "workers"),
    "storage": ("torch", "diffusers", "transformers", "workers", "omni_jobs", "celery", "redis"),
    "workers/engine": ("torch", "diffusers", "celery", "redis", "numpy"),
}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


@pytest.mark.parametrize(("folder", "forbidden"), FORBIDDEN.items())
def test_import_directions(folder: str, forbidden: tuple[str, ...]) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for module in imported(ast.parse(path.read_text())):
            assert module.split(".")[0] not in forbidden, f"{path.relative_to(ROOT)} imports {module}"


def test_files_are_short() -> None:
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        lines = len(path.read_text().splitlines())
        assert lines <= FILE_LINES or name in LONG_FILES, f"{name} has {lines} lines: more than one noun?"


def test_functions_are_short() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(ROOT)}:{node.name}"
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= FUNCTION_LINES or name in LONG_FUNCTIONS, f"{name} has {lines} lines"


def test_every_module_says_why_it_exists() -> None:
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path.relative_to(ROOT)} has no docstring"


@pytest.mark.parametrize("package", PACKAGES)
def test_exported_names_exist_and_are_sorted(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names = ast.literal_eval(node.value)
                assert len(names) == len(set(names)), f"{path} exports a name twice"
                module = ".".join(path.relative_to(ROOT).parent.parts)
                probe = f"import {module} as m; [getattr(m, name) for name in m.__all__]"
                subprocess.run([sys.executable, "-c", probe], check=True, cwd=ROOT)


TORCH_FREE = ("omni_jobs.client", "omni_jobs.cli", "omni_jobs.api.app", "workers.app", "workers.engine")


@pytest.mark.parametrize("module", TORCH_FREE)
def test_producers_and_the_celery_parent_never_load_torch(module: str) -> None:
    probe = f"import sys, {module}; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0

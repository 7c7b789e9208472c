"""Kernel and guard share no function: held on the sources, beside import-linter."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ionward

SAFETY = Path(ionward.__file__).parent / "safety"
GUARD = {p.stem for p in SAFETY.glob("guard*.py")}
KERNEL = {p.stem for p in SAFETY.glob("*.py")} - GUARD - {"__init__"}
# What both may use: layouts, the table of limits, the arithmetic of the challenge. None of it judges anything.
SHARED = {"ionward.image"}


def imported(name: str) -> set[str]:
    """Modules of ours that a file of the safety room imports."""
    tree = ast.parse((SAFETY / f"{name}.py").read_text(encoding="utf-8"))
    found = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    found |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return {module for module in found if module.startswith("ionward")}


@pytest.mark.verifies("SR-167")
@pytest.mark.parametrize("name", sorted(GUARD))
def test_the_guard_imports_itself_and_the_image_only(name: str) -> None:
    for module in imported(name):
        own = module.removeprefix("ionward.safety.") in GUARD
        assert own or any(module.startswith(shared) for shared in SHARED), module


@pytest.mark.verifies("SR-167", "SR-124")
@pytest.mark.parametrize("name", sorted(KERNEL))
def test_the_kernel_imports_nothing_of_the_guard_and_of_no_other_room(name: str) -> None:
    for module in imported(name):
        own = module.removeprefix("ionward.safety.") in KERNEL
        assert own or module == "ionward._compile" or module.startswith("ionward.image"), module

"""Which sources name the cache of compiled code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ionward
from ionward import _cache
from ionward._cache import compiled_sources, jit_disabled, module_folder, module_key
from ionward._compile import njit

ROOT = Path(ionward.__file__).parent


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_constant_reached_over_two_imports_counts(tmp_path: Path) -> None:
    root = tmp_path / "ionward"
    write(root, "__init__.py", "")
    write(root, "a/__init__.py", "")
    write(root, "a/kernel.py", "from ionward._compile import njit\nfrom ionward.a.middle import (\n    limit,\n)\n")
    write(root, "a/middle.py", "from ionward.a import walls\nlimit = walls.LIMIT\n")
    write(root, "a/walls.py", "LIMIT = 4.2\n")
    write(root, "a/screen.py", "from ionward.a.kernel import x\n")
    found = set(compiled_sources(root))
    assert {"ionward.a.kernel", "ionward.a.middle", "ionward.a.walls"} <= found
    assert "ionward.a.screen" not in found


def test_the_tick_counts_and_commands_do_not() -> None:
    found = set(compiled_sources(ROOT))
    assert {"ionward.control.tick", "ionward.image.faults", "ionward.image.signals", "ionward.battery.tables"} <= found
    assert not [name for name in found if name.startswith("ionward.cli")]


def test_compiled_code_is_kept_by_what_a_module_depends_on() -> None:
    kernel, loop = (module_key(f"ionward.{name}") for name in ("safety.protect", "proving.closed_loop"))
    assert kernel != loop
    folder = module_folder(str(ROOT / "safety" / "protect.py"))
    assert folder is not None
    assert folder.name == f"protect-{kernel}"
    assert module_folder(__file__) is None


def test_an_edit_reaches_what_imports_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, imports = _cache._graph()
    edited = {**texts, "ionward.proving.watch": b"# edited"}
    before = {name: module_key(name) for name in ("ionward.safety.protect", "ionward.proving.closed_loop")}
    module_key.cache_clear()
    monkeypatch.setattr(_cache, "_graph", lambda: (edited, imports))
    after = {name: module_key(name) for name in before}
    module_key.cache_clear()
    assert [name for name in before if before[name] != after[name]] == ["ionward.proving.closed_loop"]


@njit
def half(x: float) -> float:
    return x / 2.0


@njit
def more_than_half(x: float) -> float:
    return half(x) + 1.0


@pytest.mark.skipif(jit_disabled, reason="nothing is compiled")
def test_python_may_call_what_was_compiled_for_compiled_callers() -> None:
    dispatcher: Any = half
    assert more_than_half(3.0) == 2.5
    assert half(5.0) == 2.5
    assert half(7.0) == 3.5
    assert len(dispatcher.overloads) == 1
    assert more_than_half(5.0) == 3.5

"""Which sources name the cache of compiled code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ionward
from ionward import _cache
from ionward._cache import compiled_sources, jit_disabled, module_folder, module_key

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


CALLS = """
import numpy as np
from numba import typeof
from ionward._compile import compile_inside
from ionward.battery.ecm import sign
compile_inside(sign, (typeof(1.0),))
print(sign(-2.0), sign(3.0), len(sign.overloads))
"""


@pytest.mark.skipif(jit_disabled, reason="nothing is compiled")
def test_python_may_call_what_was_compiled_for_compiled_callers(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in ("compiled", "from the cache"):
        done = subprocess.run(
            [sys.executable, "-c", CALLS], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["-1.0", "1.0", "1"]
    assert (
        len(list(tmp_path.glob("ecm-*/ecm.sign*.nbc"))) == len(list(tmp_path.glob("ecm-*/inside/ecm.sign*.nbc"))) == 1
    )

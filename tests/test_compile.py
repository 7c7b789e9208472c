"""Which sources name the cache of compiled code."""

from __future__ import annotations

from pathlib import Path

import ionward
from ionward._compile import compiled_sources

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

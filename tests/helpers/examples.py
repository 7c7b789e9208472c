"""Example packs, and changed copies of them."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = (
    "ev-96s",
    "ev-192s",
    "storage-rack-240s",
    "home-16s",
    "home-16s-switches",
    "bench-cell",
    "leaf-96s",
    "leaf-24kwh-96s",
)


def example(name: str) -> Path:
    """Path of an example."""
    return EXAMPLES / f"{name}.toml"


def changed(folder: Path, *changes: tuple[str, str], of: str = "ev-96s") -> Path:
    """A copy of an example in `folder`, named pack.toml, with text replaced or (with an empty first part) added."""
    text = example(of).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is not in {of}"
        text = text.replace(old, new) if old else f"{text}\n{new}\n"
    path = folder / "pack.toml"
    path.write_text(text, encoding="utf-8")
    return path

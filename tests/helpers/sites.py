"""Example sites, and small ones written for a test."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers.examples import example

SITES = ("site-4x96s", "site-16x240s")


def site_file(folder: Path, *changes: tuple[str, str], of: str = "site-4x96s") -> Path:
    """A copy of an example site in `folder` beside its packs, with text replaced or (first part empty) added."""
    text = example(of).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is not in {of}"
        text = text.replace(old, new, 1) if old else f"{text}\n{new}\n"
    return written_site(folder, text)


def written_site(folder: Path, text: str) -> Path:
    """A site file of this text in `folder`, beside the packs of the examples."""
    for name in ("ev-96s", "storage-rack-240s"):
        if not (folder / f"{name}.toml").exists():
            shutil.copy(example(name), folder)
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def units(*lines: str, pack: str = "ev-96s.toml", head: str = "") -> str:
    """Text of a site with a unit for each of `lines`, named u0, u1, …; a line may say more about its unit."""
    tables = "".join(f'[[unit]]\nname = "u{n}"\npack = "{pack}"\n{line}\n' for n, line in enumerate(lines))
    return f'[site]\nname = "Test site"\n{head}\n{tables}'

"""Draw the pictures of README and documents again: run from the project's folder after `make env`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ionward.cli.main import app

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
EXAMPLES = Path(__file__).parents[1] / "examples"


def main() -> None:
    """Run the commands that a reader would run, and keep their pictures."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        app(["demo", str(EXAMPLES / "ev-96s.toml"), "--out", made], standalone_mode=False)
        for name in ("pack", "soc", "cells"):
            shutil.copy(Path(made) / f"{name}.png", ASSETS / f"ev-hour{'' if name == 'pack' else '-' + name}.png")
        app(["simulate", str(EXAMPLES / "site-4x96s.toml"), "--out", made], standalone_mode=False)
        shutil.copy(Path(made) / "site.png", ASSETS / "site-currents.png")
    for cell in ("lg-18650hg2", "a123-26650"):
        app(["cells", "show", cell, "--plot", str(ASSETS / f"{cell}.png")], standalone_mode=False)


if __name__ == "__main__":
    main()

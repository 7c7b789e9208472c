"""Where the measured data are, for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def data_folder() -> Path:
    """Folder of the measured data: IONWARD_DATA, or `shared/data` beside the project."""
    return Path(os.environ.get("IONWARD_DATA") or ROOT.parent / "shared" / "data")


def measured(name: str) -> Path:
    """A file of the measured data; tests that use it carry the mark `data`, and fail where it is missing."""
    path = data_folder() / name
    if not path.is_file():
        pytest.fail(f"{path} is missing: set IONWARD_DATA to the folder of the measured data")
    return path

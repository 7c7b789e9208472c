"""What all tests share: the folder of measured data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from helpers.data import ROOT, data_folder

# CI must say the same of the same code each time; on one's own machine every run tries new cases.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the data, tests marked `data` are skipped on a user's machine and fail in CI."""
    if data_folder().is_dir():
        return
    for item in items:
        if item.get_closest_marker("data") and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason=f"no measured data at {data_folder()}: set IONWARD_DATA"))


@pytest.fixture
def data() -> Path:
    """The folder of measured data; a test that uses it carries the mark `data`."""
    folder = data_folder()
    if not folder.is_dir():
        pytest.fail(f"no measured data at {folder}: set IONWARD_DATA to the folder that holds lg_hg2, a123_esc, …")
    return folder


@pytest.fixture
def examples() -> Path:
    """The example pack files."""
    return ROOT / "examples"

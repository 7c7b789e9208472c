"""The package can be imported and says its version."""

import re

import ionward
from helpers.cells import synthetic_cell


def test_version_is_a_release_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", ionward.__version__)


def test_synthetic_cell_has_a_table() -> None:
    assert synthetic_cell().table()[5, 100, 0] == 3.6

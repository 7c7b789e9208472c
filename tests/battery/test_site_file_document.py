"""What docs/site-file.md says is so: its files load, and its error lines are those that come."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from helpers.examples import example
from ionward.battery.site import Site, load_site
from ionward.errors import UserError

DOCUMENT = (Path(__file__).parents[2] / "docs" / "site-file.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
FIRST, BUS, WITNESS, PEERS, FIFTH, TLS, SIMULATED = BLOCKS


def written(folder: Path, text: str) -> Path:
    for name in ("ev-96s", "ev-192s"):
        shutil.copy(example(name), folder)
    path = folder / "my-site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, *blocks: str) -> Site:
    return load_site(written(folder, "\n".join(blocks)))


def test_the_first_block_is_a_complete_file(tmp_path: Path) -> None:
    site = loaded(tmp_path, FIRST)
    assert [unit.cable_ohm for unit in site.units] == [0.001, 0.001, 0.002]


def test_all_blocks_together_are_a_file(tmp_path: Path) -> None:
    site = loaded(tmp_path, FIRST, WITNESS, FIFTH, SIMULATED, BUS, PEERS, TLS)
    assert [unit.weight for unit in site.units] == [1, 1, 1, 2, 1]
    assert site.units[4].simulated.resistance_factor == 1.3
    assert site.units[4].endpoint == "tls/192.168.1.15:7451"


@pytest.mark.parametrize("line", re.findall(r"^error: (.*)$", DOCUMENT, re.MULTILINE))
def test_the_error_lines_are_those_that_come(tmp_path: Path, line: str) -> None:
    wrong = {
        "unit[2].wieght": FIRST + "wieght = 2\n",
        "unit[1].pack": FIRST.replace('name = "pack-2"\npack = "ev-96s', 'name = "pack-2"\npack = "ev-192s'),
        "peers.deadline_s": FIRST + "[peers]\ndeadline_s = 0.03\n",
    }
    path = written(tmp_path, wrong[line.split(": ")[1]])
    with pytest.raises(UserError) as caught:
        load_site(path)
    assert line.replace("my-site.toml", str(path), 1) in caught.value.problems

"""A site file becomes packs on one bus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.examples import example
from helpers.sites import SITES, site_file, units, written_site
from ionward.battery.reference import keys, site_reference
from ionward.battery.site import Site, is_site_file, load_site, site_digest
from ionward.battery.site_checks import heaviest_alone, splits_in_halves
from ionward.battery.site_doubts import site_doubts
from ionward.battery.site_file import SiteFile
from ionward.battery.system import load_system
from ionward.errors import UserError
from ionward.image.build import pack_checks


def small(folder: Path, *lines: str, head: str = "", pack: str = "ev-96s.toml") -> Site:
    return load_site(written_site(folder, units(*lines, head=head, pack=pack)))


@pytest.mark.parametrize("name", SITES)
def test_examples_load_without_a_doubt(name: str) -> None:
    site = load_site(example(name), pack_checks())
    assert list(site_doubts(site)) == []
    assert len({unit.name for unit in site.units}) == len(site.units) == {"site-4x96s": 4, "site-16x240s": 16}[name]


def test_what_the_file_does_not_say_has_its_default(tmp_path: Path) -> None:
    site = small(tmp_path, "", "weight = 3\ncable_ohm = 0.02")
    assert (site.peers.period_s, site.peers.deadline_s, site.peers.lease_s) == (0.02, 0.06, 0.1)
    assert [(u.weight, u.cable_ohm) for u in site.units] == [(1, 0.001), (3, 0.02)]
    assert [u.endpoint for u in site.units] == ["tcp/127.0.0.1:7451", "tcp/127.0.0.1:7452"]
    assert (site.units[0].simulated.capacity_factor, site.units[0].simulated.soc) == (1.0, None)
    assert site.link.tls is None


def test_the_bus_is_the_sum_of_the_packs_links_or_what_the_file_says(tmp_path: Path) -> None:
    pack = load_system(example("ev-96s"))
    assert small(tmp_path, "", "", "").bus.capacitance_f == pytest.approx(3 * pack.dc_link.capacitance_f)
    site = small(tmp_path, "", "", head="[bus]\ncapacitance_f = 0.002\n")
    assert site.bus.capacitance_f == 0.002
    # What hangs behind a pack's contactors is the bus; the rest of the pack is as its own file says.
    own = site.units[0].system
    assert own.dc_link.capacitance_f == 0.002
    assert own.model_copy(update={"dc_link": pack.dc_link, "file": pack.file}) == pack


def test_units_of_one_file_share_their_description(tmp_path: Path) -> None:
    site = site_file(tmp_path, ('pack = "ev-96s.toml"', 'pack = "./ev-96s.toml"'))
    assert len({id(unit.system) for unit in load_site(site).units}) == 1


def test_certificates_make_the_endpoints_tls(tmp_path: Path) -> None:
    head = '[link.tls]\nca = "ca.pem"\ncertificate = "{unit}.pem"\nkey = "{unit}.key"\n'
    site = small(tmp_path, "", 'endpoint = "tls/10.0.0.2:7000"', head=head)
    assert [u.endpoint for u in site.units] == ["tls/127.0.0.1:7451", "tls/10.0.0.2:7000"]


def test_units_are_found_by_name_in_any_capitals(tmp_path: Path) -> None:
    site = small(tmp_path, "", "")
    assert site.number("U1") == 1
    with pytest.raises(UserError, match="no unit u3; allowed: u0, u1"):
        site.number("u3")


def test_a_site_and_a_pack_are_told_apart(tmp_path: Path) -> None:
    assert is_site_file(example("site-4x96s"))
    assert not is_site_file(example("ev-96s"))
    assert not is_site_file(tmp_path / "none.toml")
    with pytest.raises(UserError) as caught:
        load_site(example("ev-96s"))
    assert len(caught.value.problems) == 1
    assert 'describes one pack, not a site; a site file has [site], and a [[unit]] with pack = "ev-96s.toml"' in str(
        caught.value
    )
    with pytest.raises(UserError) as caught:
        load_system(example("site-4x96s"))
    assert caught.value.problems == (
        f"{example('site-4x96s')}: describes a site, not one pack; name the file of a pack, as its [[unit]] tables do",
    )


SAME = [
    ("endpoint", ('name = "pack-2"', 'name = "pack-2"\nendpoint = "tcp/10.0.0.2:7451"')),
    ("what is simulated", ("soc = 0.62", "soc = 0.5")),
    ("the path of a pack", ('pack = "ev-96s.toml"', 'pack = "./ev-96s.toml"')),
    ("the site's name", ("Storage site 4 x 96s", "Another")),
]
OTHER = [
    ("a unit's name", ('"pack-2"', '"pack-b"')),
    ("a weight", ("weight = 2", "weight = 3")),
    ("a setting of the peers", ("deadline_s = 0.06", "deadline_s = 0.08")),
    ("the bus", ("capacitance_f = 0.0044", "capacitance_f = 0.004")),
    ("the wiring", ("cable_ohm = 0.0015", "cable_ohm = 0.0016")),
]


@pytest.mark.parametrize("change", [change for _, change in SAME], ids=[name for name, _ in SAME])
def test_the_digest_does_not_depend_on(tmp_path: Path, change: tuple[str, str]) -> None:
    assert site_digest(load_site(site_file(tmp_path, change))) == site_digest(load_site(example("site-4x96s")))


@pytest.mark.parametrize("change", [change for _, change in OTHER], ids=[name for name, _ in OTHER])
def test_the_digest_depends_on(tmp_path: Path, change: tuple[str, str]) -> None:
    digest = site_digest(load_site(site_file(tmp_path, change)))
    assert digest != site_digest(load_site(example("site-4x96s")))
    assert 0 <= digest < 2**63


def test_the_digest_depends_on_the_packs_and_their_cell_and_on_the_order(tmp_path: Path) -> None:
    path = site_file(tmp_path)
    digests = {site_digest(load_site(path))}
    pack = (tmp_path / "ev-96s.toml").read_text(encoding="utf-8")
    (tmp_path / "ev-96s.toml").write_text(pack.replace("cell_voltage_max_v = 4.2", "cell_voltage_max_v = 4.15"))
    digests.add(site_digest(load_site(path)))
    cell = Path(load_system.__code__.co_filename).parent / "cells" / "lg-18650hg2.toml"
    (tmp_path / "mine.toml").write_text(cell.read_text(encoding="utf-8").replace("mass_kg = 0.0", "mass_kg = 0.1"))
    (tmp_path / "ev-96s.toml").write_text(pack.replace('"lg-18650hg2"', '"mine.toml"'))
    digests.add(site_digest(load_site(path)))
    (tmp_path / "ev-96s.toml").write_text(pack)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("pack-1", "x").replace("pack-2", "pack-1").replace('"x"', '"pack-2"'))
    digests.add(site_digest(load_site(path)))
    assert len(digests) == 4


def test_the_digest_is_the_same_in_every_process() -> None:
    code = (
        "from ionward.battery.site import load_site, site_digest;"
        f"print(site_digest(load_site({str(example('site-4x96s'))!r})))"
    )
    path = ":".join(p for p in sys.path if p)
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": path}, text=True,
            capture_output=True, check=True,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert told == {f"{site_digest(load_site(example('site-4x96s')))}\n"}


@pytest.mark.parametrize(
    ("weights", "halves", "alone"),
    [
        ([1, 1], True, 0), ([2, 1], False, 0), ([1, 1, 1], False, -1), ([1, 1, 1, 1], True, -1),
        ([2, 1, 1, 1], False, -1), ([2, 1, 1], True, 0), ([3, 2, 2, 1], True, -1), ([5, 1, 1, 2], False, 0),
        ([1] * 64, True, -1), ([2, *[1] * 63], False, -1),
    ],
)  # fmt: skip
def test_halves_and_units_that_decide(weights: list[int], halves: bool, alone: int) -> None:
    assert splits_in_halves(weights) == halves
    assert heaviest_alone(weights) == alone


DOUBTS = [
    (["", ""], "", "fall into two halves of 1 votes each"),
    (["", ""], "", "with weight = 2 for u0 the half with it goes on, but the others no longer do without u0"),
    (["weight = 2", ""], "", "unit[0].weight: without u0 the others have no majority"),
    (["", "", "", ""], "", "with weight = 2 for u0 the half with it goes on"),
    (["", "", "", ""], "[peers]\nfallback_share = 0.25\n", "keeps to 25% of its own limits"),
    (["", "", ""], "[peers]\ndeadline_s = 0.09\n", "a lost unit is noticed after up to 0.11 s"),
    (["", "", ""], "[peers]\nlease_s = 0.2\n", "a speaker that fell silent is replaced after 0.24 s"),
    (["", 'endpoint = "tcp/10.0.0.2:7451"', ""], "", "u0, u2 listen on this machine only, and u1 on the network"),
    ([f'endpoint = "tcp/10.0.0.{n}:7451"' for n in (1, 2, 3)], "", "u0 is reached over the network without cert"),
]


@pytest.mark.parametrize(("lines", "head", "doubt"), DOUBTS)
def test_a_doubtful_site_is_told(tmp_path: Path, lines: list[str], head: str, doubt: str) -> None:
    found = list(site_doubts(small(tmp_path, *lines, head=head)))
    assert any(doubt in told for told in found), found


def test_three_equal_units_on_one_machine_are_not_doubtful(tmp_path: Path) -> None:
    assert list(site_doubts(small(tmp_path, "", "", ""))) == []


def test_the_reference_has_every_key() -> None:
    text = site_reference()
    for key in keys(SiteFile):
        assert key.meaning, key.path
        assert f"| `{key.path.rpartition('.')[2]}` |" in text
    assert "## `[[unit]]`" in text
    assert "## `[unit.simulated]`" in text
    assert "| `weight` | whole number |  | `1` | ≥ 1, ≤ 1000 |" in text
    assert "| `pack` | text |  | required |" in text
    assert "| `soc` | number |  | – | ≥ 0, ≤ 1 |" in text

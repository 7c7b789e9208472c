"""Whatever is wrong in a site file is told in one line: file, key, value, what is wrong, what is allowed."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import example
from helpers.sites import site_file, units, written_site
from ionward.battery.site import Site, load_site, site_from
from ionward.errors import UserError

TLS = '[link.tls]\nca = "ca.pem"\ncertificate = "unit.pem"\nkey = "unit.key"\n'


def refusal(path: Path) -> list[str]:
    """Lines by which a site file is refused, without the name of its folder."""
    with pytest.raises(UserError) as caught:
        load_site(path)
    return [line.replace(f"{path.parent}/", "") for line in caught.value.problems]


# What is changed in the example of four, and the line that it must give.
CASES = [
    (("[site]", "[sit]"), "site.toml: site: is missing; write it"),
    (("[peers]", "[peer]"), "site.toml: peer: unknown key; did you mean peers?"),
    (("weight = 2", "wieght = 2"), "site.toml: unit[0].wieght: unknown key; did you mean weight?"),
    (
        ("soc = 0.62", "soc = 62"),
        "site.toml: unit[0].simulated.soc: value 62: is too large; allowed: 1 or less",
    ),
    (
        ("cable_ohm = 0.0015", "cable_ohm = -0.0015"),
        "site.toml: unit[2].cable_ohm: value -0.0015: is too small; allowed: 0 or more",
    ),
    (
        ("weight = 2", "weight = 0"),
        "site.toml: unit[0].weight: value 0: is too small; allowed: 1 or more",
    ),
    (
        ("weight = 2", "weight = 4"),
        "site.toml: unit[0].weight: value 4: is more than all others have together (3): this unit alone would be the "
        "majority, and without it there would never be one; allowed: less than 3",
    ),
    (
        ('"pack-3"', '"Pack-2"'),
        'site.toml: unit[2].name: value "Pack-2": is the name of unit[1] already; allowed: a name of its own for each '
        "unit (capitals make no other name)",
    ),
    (
        ('"pack-3"', '"../pack"'),
        'site.toml: unit[2].name: value "../pack": cannot be a unit\'s name; allowed: letters a to z, digits, - _ and '
        ". inside, a letter or digit first",
    ),
    (
        ('pack = "ev-96s.toml"', 'pack = "ev-69s.toml"'),
        'site.toml: unit[0].pack: value "ev-69s.toml": there is no such file in FOLDER; allowed: the path of a pack\'s '
        ".toml file, from this file",
    ),
    (
        ('pack = "ev-96s.toml"', 'pack = "."'),
        'site.toml: unit[0].pack: value ".": is a folder; allowed: the path of a pack\'s .toml file, from this file',
    ),
    (
        ('pack = "ev-96s.toml"', f'pack = "{"long" * 100}"'),
        f'site.toml: unit[0].pack: value "{"long" * 14}...: cannot be read: File name too long; allowed: the path of a '
        "pack's .toml file, from this file",
    ),
    (
        ('pack = "ev-96s.toml"', 'pack = "site.toml"'),
        'site.toml: unit[0].pack: value "site.toml": describes a site; allowed: the file of one pack',
    ),
    (
        ("deadline_s = 0.06", "deadline_s = 0.03"),
        "site.toml: peers.deadline_s: value 0.03: is less than two periods of 0.02 s: one lost message would count as "
        "a lost unit; allowed: 0.04 or more",
    ),
    (
        ("lease_s = 0.1", "lease_s = 0.06"),
        "site.toml: peers.lease_s: value 0.06: is not above peers.deadline_s: roles would change hands before a unit "
        "counts as lost; allowed: more than 0.06",
    ),
    (
        ("period_s = 0.02 ", "period_s = 0.005 "),
        "site.toml: peers.period_s: value 0.005: is shorter than the BMUs' cycle of 0.01 s, in which messages are "
        "made; allowed: 0.01 or more",
    ),
    (
        ('name = "pack-2"', 'name = "pack-2"\nendpoint = "10.0.0.1:80"'),
        'site.toml: unit[1].endpoint: value "10.0.0.1:80": is no endpoint; allowed: tcp/HOST:PORT or tls/HOST:PORT '
        "with a port of 1 to 65535, as tcp/192.168.1.11:7451",
    ),
    (
        ('name = "pack-2"', 'name = "pack-2"\nendpoint = "tcp/0.0.0.0:80"'),
        'site.toml: unit[1].endpoint: value "tcp/0.0.0.0:80": is no address that the other units could reach; allowed: '
        "the address of the unit's own network interface",
    ),
    (
        ('name = "pack-2"', 'name = "pack-2"\nendpoint = "tcp/localhost:7451"'),
        'site.toml: unit[1].endpoint: value "tcp/localhost:7451": is where unit[0] listens already; allowed: an own '
        "port or host for each unit",
    ),
    (
        ('name = "pack-2"', 'name = "pack-2"\nendpoint = "tls/127.0.0.1:80"'),
        'site.toml: unit[1].endpoint: value "tls/127.0.0.1:80": does not fit: there is no [link.tls]; allowed: '
        "tcp/127.0.0.1:80, or a [link.tls]",
    ),
    (
        ("capacitance_f = 0.0044", "capacitance_f = 0.044"),
        "site.toml: bus.capacitance_f: value 0.044: ev-96s.toml could not precharge the bus by itself: that takes "
        "9.24 s, and its precharge.timeout_s is 1.5; allowed: 0.00714 or less, or a larger precharge.timeout_s",
    ),
    (
        ("[peers]", '[link.tls]\nca = "ca.pem"\n\n[peers]'),
        "site.toml: link.tls.certificate: is missing; write it",
    ),
]


@pytest.mark.parametrize(("change", "line"), CASES, ids=[line.split(": ")[1] for _, line in CASES])
def test_a_wrong_value_is_told_in_one_line(tmp_path: Path, change: tuple[str, str], line: str) -> None:
    assert line.replace("FOLDER", str(tmp_path)) in refusal(site_file(tmp_path, change))


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (0, "unit: is missing; write it"),
        (1, "unit: there is only one unit; describe two or more; a pack alone needs no site file: use the pack's file "
         "itself"),
        (65, "unit: there are 65 units; allowed: 64 at most"),
    ],
)  # fmt: skip
def test_a_site_has_two_to_64_units(tmp_path: Path, number: int, line: str) -> None:
    head = "[bus]\ncapacitance_f = 0.003\n"
    assert refusal(written_site(tmp_path, units(*[""] * number, head=head))) == [f"site.toml: {line}"]


def test_64_units_are_a_site(tmp_path: Path) -> None:
    site = load_site(written_site(tmp_path, units(*[""] * 64, head="[bus]\ncapacitance_f = 0.003\n")))
    assert site.units[63].endpoint == "tcp/127.0.0.1:7514"


def test_certificates_and_plain_endpoints_do_not_go_together(tmp_path: Path) -> None:
    text = units("", 'endpoint = "tcp/127.0.0.1:80"', head=TLS)
    assert refusal(written_site(tmp_path, text)) == [
        'site.toml: unit[1].endpoint: value "tcp/127.0.0.1:80": does not fit: there are certificates in [link.tls]; '
        "allowed: tls/127.0.0.1:80, or no [link.tls]"
    ]


# What is changed in the second pack, and what is told of it.
PACKS = [
    (("modules_in_series = 12", "modules_in_series = 11"), "has 88 cells in series, that of pack-1 96; allowed: "),
    (('cell = "lg-18650hg2"', 'cell = "nissan-leaf-2013"'), "has LMO cells, that of pack-1 NMC: at one voltage of the"),
    (("[topology]", "[cycle]\nperiod_s = 0.02\n\n[topology]"), "its BMU has a cycle of 0.02 s, that of pack-1 0.01 s;"),
    (("[contactors]", "[contactors]\nfitted = false"), "the pack has no contactors of its own, so it could not part"),
    (
        ("[contactors]", "[sensors.positive_tap]\nfitted = false\n[sensors.negative_tap]\nfitted = false\n"
         "[contactors]\none_way = true"),
        "its switches block one direction each, and a pack that carries current one way only cannot be",
    ),
    (
        ("[precharge]", "[sensors.bus_voltage]\nfitted = false\n[precharge]\nfitted = false"),
        "the pack does not measure the bus behind its contactors, and no pack closes onto a bus that it does",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), PACKS, ids=[told[:30] for _, told in PACKS])
def test_packs_that_do_not_fit_together_are_told_with_the_reason(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    path = site_file(tmp_path, ('name = "pack-2"\npack = "ev-96s.toml"', 'name = "pack-2"\npack = "other.toml"'))
    pack = example("ev-96s").read_text(encoding="utf-8")
    assert change[0] in pack
    limits = pack.replace(*change)
    if "leaf" in change[1]:  # a cell of another size: a pack of the same series with limits of its own
        limits = limits[: limits.index("[limits]")] + limits[limits.index("[sensors.cell_voltage]") :]
        for old, new in (
            ("rating_a = 400.0 ", "rating_a = 40000.0 "),
            ("minimum_a = -1000.0", "minimum_a = -90000.0"),
            ("maximum_a = 1000.0", "maximum_a = 90000.0"),
            ("4.23, clear = 4.18", "4.28, clear = 4.2"),
        ):
            limits = limits.replace(old, new)
    (tmp_path / "other.toml").write_text(limits, encoding="utf-8")
    lines = refusal(path)
    assert any(line.startswith(f'site.toml: unit[1].pack: value "other.toml": {told}') for line in lines), lines
    assert all("unit[1].pack" in line for line in lines), lines


def test_what_is_wrong_in_a_pack_is_told_with_its_own_file_and_once(tmp_path: Path) -> None:
    path = site_file(tmp_path, ("period_s = 0.02 ", "period_s = -0.02 "))
    pack = tmp_path / "ev-96s.toml"
    pack.write_text(pack.read_text(encoding="utf-8").replace("rating_a = 400.0", "rating_a = 100.0"), encoding="utf-8")
    lines = refusal(path)
    assert lines[0] == "site.toml: peers.period_s: value -0.02: is too small; allowed: more than 0"
    assert [line for line in lines if line.startswith("ev-96s.toml: fuse.rating_a: value 100: is below")]
    assert len(lines) == 2


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = site_file(
        tmp_path, ("weight = 2", "weight = true"), ('"pack-3"', '"pack-2"'), ("soc = 0.62", 'soc = "full"'),
        ("lease_s = 0.1", "lease_s = 0.01"),
    )  # fmt: skip
    keys = [line.split(": ")[1] for line in refusal(path)]
    assert sorted(keys) == ["peers.lease_s", "unit[0].simulated.soc", "unit[0].weight", "unit[2].name"]


DESCRIPTION = tomllib.loads(example("site-4x96s").read_text(encoding="utf-8"))
FOLDER = example("site-4x96s").parent


def leaves(value: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Key paths of all values, with the table and the key that hold them."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        at = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
        found += leaves(inner, at) if isinstance(inner, dict | list) else [(at, value, key)]
    return found


# Values that no key of the example can have.
NONSENSE = st.one_of(
    st.just(float("nan")), st.just(float("inf")), st.floats(max_value=-100.0), st.integers(max_value=-100),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.just("x\n"), st.integers(), max_size=1), st.just(""),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.integers(0, len(leaves(DESCRIPTION)) - 1), NONSENSE)
def test_any_single_wrong_value_gives_one_line_that_names_its_key(number: int, value: Any) -> None:
    description = copy.deepcopy(DESCRIPTION)
    path, table, key = leaves(description)[number]
    table[key] = value
    with pytest.raises(UserError) as caught:
        site_from(description, "site.toml", FOLDER)
    lines = caught.value.problems
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"site.toml: {path}: "), lines
    assert "; " in lines[0]
    assert lines[0].isprintable()


values = st.recursive(
    st.one_of(st.integers(-2, 70), st.floats(), st.booleans(), st.text(max_size=5), st.just("ev-96s.toml")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["name", "pack", "soc", "tls", "x\n"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["site", "bus", "peers", "link", "unit", "file", "units"]), values, max_size=6))
def test_any_tables_load_or_are_refused_with_clear_lines(description: dict[str, Any]) -> None:
    made: Site | tuple[str, ...]
    try:
        made = site_from(description, "site.toml", FOLDER)
    except UserError as error:
        made = error.problems
    assert made
    for line in () if isinstance(made, Site) else made:
        assert line.startswith("site.toml: "), line
        assert "; " in line
        assert line.isprintable()

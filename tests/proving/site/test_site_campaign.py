"""The random campaign of a site: scenarios repeat exactly, findings are brought down and replay, journals go on."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.proving import silent
from helpers.site_runs import prepared, site_scenario, small_site
from ionward.errors import UserError
from ionward.image.faults import FAULT_ID
from ionward.image.parameters import LEVELP
from ionward.proving.load_profile import Profile
from ionward.proving.prove.campaign import Journal
from ionward.proving.scenario import Source
from ionward.proving.site import campaign, world
from ionward.proving.site.campaign import (
    SiteViolation,
    default_site_count,
    replay_site,
    run_site_campaign,
    run_site_scenario,
    site_numbers,
)
from ionward.proving.site.random_site import OldBoot, OneWay, RandomSite, make_site_scenario
from ionward.proving.site.scenario import SiteCommand, SiteInjection, Trouble
from ionward.proving.site.watched import SiteRun, event_words
from ionward.twin.build import Start
from ionward.twin.faults import inject

SITE = small_site(3)


def test_scenarios_follow_from_seed_and_number_alone_and_differ() -> None:
    one, again, other = (make_site_scenario(SITE, seed, 5) for seed in (1, 1, 2))
    assert one.events == again.events
    assert (one.profile.points == again.profile.points).all()
    assert one.site == again.site
    assert one.events != other.events
    many = [make_site_scenario(SITE, 1, n) for n in range(200)]
    assert all(s.duration_s >= 60.0 for s in many)
    events = [e for s in many for e in s.events]
    assert {type(e) for e in events} == {SiteCommand, SiteInjection, Trouble, OneWay, OldBoot}
    kinds = {e.kinds[0] for e in events if isinstance(e, Trouble)}
    assert kinds == {"kill", "restart", "freeze", "cut", "loss", "duplicate", "corrupt", "delay_s", "drift_ppm"}
    assert len({e.name for e in events if isinstance(e, SiteInjection)}) > 30
    assert all(e.at_s + (getattr(e, "for_s", None) or 0.0) <= s.quiet_s + 1e-9 for s in many for e in s.events)


def test_every_random_event_can_be_told_and_every_fault_injected() -> None:
    sim = prepared(site_scenario(1.0), SITE).sim
    for number in range(60):
        for event in make_site_scenario(SITE, 3, number).events:
            assert event_words(SITE, event)
            if isinstance(event, SiteInjection):
                plant = sim.bus_as_plant() if event.unit is None else sim.units[int(event.unit)].plant
                inject(plant, event.name, event.place, event.value)()


def overcharged(number: int = 3) -> RandomSite:
    """Four events, of which one alone leads to a cell beyond its limit."""
    events = (
        Trouble(at_s=4.0, for_s=1.0, loss=0.3), SiteInjection(at_s=5.0, for_s=6.0, unit=1, name="cell_soc", place=3,
        value=1.08), OneWay(5.5, 0.5, (0,), (1, 2)), OldBoot(6.0, 2.5, 2),
    )  # fmt: skip
    return RandomSite(number, SITE, 12.0, Start(soc=0.6), 25.0, Source(), Profile(np.zeros((2, 0)), False), "drive",
                      events)  # fmt: skip


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protection that does not see overvoltage at all."""
    real = world.build_parameters

    def without(system: Any) -> Any:
        parameters = real(system)
        parameters.levels[:, LEVELP.set, FAULT_ID.cell_overvoltage] = math.nan
        return parameters

    monkeypatch.setattr(world, "build_parameters", without)


@pytest.mark.usefixtures("blind")
def test_what_is_found_is_brought_down_to_the_events_that_it_takes_and_replays(monkeypatch: Any) -> None:
    monkeypatch.setattr(campaign, "make_site_scenario", lambda _site, _seed, number: overcharged(number))
    (violation,) = run_site_scenario(SITE, 1, 3).violations
    assert violation.invariant == "cell_overvoltage"
    assert (violation.place, violation.faults) == (1, [1])
    assert violation.command("site.toml", 7) == "ionward prove site.toml --replay 7:3:1"
    story = list(replay_site(SITE, "1:3:1"))
    (told,) = [(t, words) for t, words in story if words.startswith("VIOLATION")]
    assert told[0] == violation.time_s
    assert "b: " in told[1]
    assert [t for t, _ in story] == sorted(t for t, _ in story)
    assert any("speaks" in words for _, words in story)
    assert any("contacts closed" in words for _, words in story)


def test_the_same_scenario_with_protection_that_sees_breaks_nothing() -> None:
    run = SiteRun(overcharged(), 1, range(4))
    run.run()
    assert run.found() == {}


def test_a_scenario_runs_the_same_each_time() -> None:
    images = []
    for _ in range(2):
        run = SiteRun(make_site_scenario(SITE, 1, 4), 1, range(2))
        run.run()
        images.append(b"".join(block.tobytes() for unit in run.sim.units for block in unit.image))
    assert images[0] == images[1]


CODE = """
from helpers.site_runs import small_site
from helpers.proving import silent
from ionward.proving.site.campaign import run_site_campaign
import json
print(json.dumps(run_site_campaign(small_site(3), 2, 3, None, silent, 2).as_json()))
"""


def test_another_process_with_another_hash_seed_and_more_workers_gives_the_same() -> None:
    source = Path(__file__).parents[3]
    paths = os.pathsep.join([str(source / "src"), str(source / "tests")])
    out = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "11"},
    ).stdout  # fmt: skip
    assert json.loads(out) == run_site_campaign(SITE, 2, 3, None, silent, 1).as_json()


def test_a_journal_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    whole = run_site_campaign(SITE, 1, 3, path, silent, 1)
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20], "utf-8")
    ran: list[int] = []
    real = campaign.run_site_scenario
    monkeypatch.setattr(campaign, "run_site_scenario", lambda *a: (ran.append(a[2]), real(*a))[1])
    assert run_site_campaign(SITE, 1, 3, path, silent, 1).as_json() == whole.as_json()
    assert ran == [1, 2]
    with pytest.raises(UserError, match="belongs to another pack or site"):
        run_site_campaign(small_site(2), 1, 3, path, silent, 1)


def test_violations_in_a_journal_are_told_as_those_of_a_site(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    book = Journal(path, SITE, 1, SiteViolation)
    violation = SiteViolation(0, "left_out", 71.0, 2, 0.0, [1], ["words"])
    book.add(campaign.Finished(0, 100, 1.0, [violation]))
    book.close()
    (read,) = Journal(path, SITE, 1, SiteViolation).finished
    assert read.violations == [violation]
    assert "was not connected" in read.violations[0].sentence()


@pytest.mark.parametrize("which", ["", "1:x", "1:2:3:4", "1:0:9"])
def test_a_scenario_that_does_not_exist_is_refused(which: str) -> None:
    with pytest.raises(UserError, match="--replay"):
        list(replay_site(SITE, which))


def test_how_many_scenarios_there_are() -> None:
    assert site_numbers(SITE, 1, 7, None) == 7
    assert site_numbers(SITE, 1, None, None) == default_site_count(SITE) > default_site_count(small_site(6)) > 20
    count = site_numbers(SITE, 1, None, 0.1)
    times = [make_site_scenario(SITE, 1, n).duration_s for n in range(count)]
    assert sum(times[:-1]) < 360.0 <= sum(times)

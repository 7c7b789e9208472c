"""Which masks a pack file may ask for, and until when of the image's time each holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from helpers.examples import example
from ionward.battery.masks import Mask, until_wall_s
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.build import build_parameters, load_pack
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.masks import Moment, in_force, masked_words, with_masks
from ionward.image.parameters import FAULTP
from ionward.image.summary import pack_summary

NOW_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
GOOD = {"fault": "cooling_lost", "owner": "Ada Long", "reason": "fan feedback wire broken", "until": "2026-12-24"}


def pack(folder: Path, *masks: dict[str, str], more: str = "") -> Path:
    """The EV example with masks."""
    tables = "".join(
        "\n[[masks]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in mask.items()) for mask in masks
    )
    path = folder / "pack.toml"
    path.write_text(example("ev-96s").read_text(encoding="utf-8") + "\n" + more + tables, encoding="utf-8")
    return path


def problem(folder: Path, more: str = "", **changes: str | None) -> str:
    """The one line that is told of a mask."""
    mask = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path = pack(folder, mask, more=more)
    with pytest.raises(UserError) as caught:
        load_pack(path, wall_s=NOW_S)
    (line,) = caught.value.problems
    assert line.startswith(f"{path}: masks[0]")
    return line.removeprefix(f"{path}: ")


@pytest.mark.verifies("SR-231")
def test_what_is_wrong_with_a_mask_is_one_clear_line(tmp_path: Path) -> None:
    assert problem(tmp_path, fault="coolin_lost") == (
        'masks[0].fault: value "coolin_lost": unknown fault; did you mean cooling_lost?'
    )
    assert problem(tmp_path, owner=None) == "masks[0].owner: is missing; write it"
    assert problem(tmp_path, owner="  ").startswith('masks[0].owner: value "  ": is blank; write the name')
    assert problem(tmp_path, reason="").startswith('masks[0].reason: value "": is blank; write why')
    assert "has a line break" in problem(tmp_path, reason="one\ntwo")
    assert problem(tmp_path, until="soon").startswith('masks[0].until: value "soon": is no day, and no moment')
    assert problem(tmp_path, until="2026-12-24T18:00").startswith('masks[0].until: value "2026-12-24T18:00": is no day')
    assert problem(tmp_path, until="2027-02-23") == (
        'masks[0].until: value "2027-02-23": is more than 90 days ahead; allowed: 2027-02-22 or sooner; '
        "a mask is for the time until the cause is mended"
    )
    assert problem(tmp_path, ownr="x") == "masks[0].ownr: unknown key; did you mean owner?"


@pytest.mark.verifies("SR-231")
@pytest.mark.parametrize("fault", [f.id for f in FAULTS if f.critical is not None or not f.maskable])
def test_a_last_defence_is_never_masked(fault: str) -> None:
    system, _ = load_pack(example("ev-96s"))
    wrong = system.model_copy(update={"masks": [Mask(**{**GOOD, "fault": fault})]})
    with pytest.raises(UserError, match=f"{fault}.*may never be masked"):
        build_parameters(wrong)


@pytest.mark.verifies("SR-231")
def test_what_becomes_critical_in_this_pack_is_not_masked(tmp_path: Path) -> None:
    more = "[faults.cooling_lost]\ncritical = { set = 20.0, clear = 0.0, delay_samples = 3, delay_s = 0.1 }\n"
    assert problem(tmp_path, more) == (
        'masks[0].fault: value "cooling_lost": may never be masked here: it becomes critical in this pack; '
        "leave the mask out and have the cause mended"
    )


@pytest.mark.verifies("SR-231")
def test_one_fault_has_one_mask(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"masks\[1\]\.fault: .*is masked twice; leave one of them out"):
        load_pack(pack(tmp_path, GOOD, GOOD), wall_s=NOW_S)


def test_no_fault_of_the_bms_itself_or_of_the_guard_is_maskable() -> None:
    """Nor one that may become critical: its row says so."""
    own = {"cycle_stopped", "cycle_overrun", "guard_withholds", "enable_lost", "output_not_confirmed",
           "configuration_changed", "image_corrupted", "clock_jumped", "stored_state_corrupt"}  # fmt: skip
    maskable = {fault.id for fault in FAULTS if fault.maskable}
    assert not maskable & own
    assert not maskable & {fault.id for fault in FAULTS if fault.critical is not None or fault.service}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-24", datetime(2026, 12, 25, tzinfo=UTC)),
        ("2026-12-24T18:00+01:00", datetime(2026, 12, 24, 17, tzinfo=UTC)),
        ("2026-12-24T18:00:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC)),
    ],
)
def test_a_day_counts_to_its_end_and_a_moment_has_a_zone(text: str, moment: datetime) -> None:
    assert until_wall_s(text) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "2026-13-01", "24.12.2026", "20261224T18", "9999-12-31", "2026-12-24T18:00"])
def test_anything_else_is_no_end(text: str) -> None:
    assert until_wall_s(text) is None


def test_a_date_without_quotes_is_one_too(tmp_path: Path) -> None:
    path = pack(tmp_path, GOOD)
    path.write_text(path.read_text().replace('until = "2026-12-24"', "until = 2026-12-24"))
    assert load_pack(path, wall_s=NOW_S)[0].masks[0].until == "2026-12-24"


@pytest.mark.verifies("SR-230")
def test_the_end_is_told_in_the_time_of_the_image(tmp_path: Path) -> None:
    system, parameters = load_pack(pack(tmp_path, GOOD), wall_s=NOW_S)
    row = parameters.faults[FAULTP.mask_until_s]
    assert np.isneginf(row).all()  # nobody has said when the run begins
    told = with_masks(parameters, system.masks, Moment(NOW_S, 5000.0)).faults[FAULTP.mask_until_s]
    assert told[FAULT_ID.cooling_lost] == 5000.0 + 30.5 * 86400.0
    assert np.isneginf(np.delete(told, FAULT_ID.cooling_lost)).all()
    assert np.isneginf(row).all()


@pytest.mark.verifies("SR-230")
@pytest.mark.parametrize("days", [31.0, -200.0])
def test_a_mask_that_has_ended_or_would_last_too_long_does_not_hold(tmp_path: Path, days: float) -> None:
    """A clock that stands years back would make it last for years."""
    system, parameters = load_pack(pack(tmp_path, GOOD), wall_s=NOW_S)
    began = Moment(NOW_S + days * 86400.0)
    assert in_force(system.masks, began) == ()
    assert np.isneginf(with_masks(parameters, system.masks, began).faults[FAULTP.mask_until_s]).all()


def test_a_recorded_description_keeps_its_masks(tmp_path: Path) -> None:
    system, _ = load_pack(pack(tmp_path, GOOD), wall_s=NOW_S)
    assert System.from_dict(system.as_dict()).masks == system.masks


def test_check_tells_masks_and_doubts_those_that_have_ended(tmp_path: Path) -> None:
    system, _ = load_pack(pack(tmp_path, GOOD), wall_s=NOW_S)
    assert pack_summary(system, NOW_S)["masks"] == [GOOD | {"in_force": True}]
    late = pack_summary(system, NOW_S + 40 * 86400.0)
    assert late["masks"][0]["in_force"] is False
    assert any("ended with 2026-12-24 and has no effect" in doubt for doubt in late["doubts"])
    (words,) = masked_words(system.masks, Moment(NOW_S))
    assert "MASKED" in words
    assert "Ada Long" in words
    (words,) = masked_words(system.masks, Moment(NOW_S + 40 * 86400.0))
    assert "has ended" in words

"""The whole tick: it connects a pack, repeats itself to the byte, and can be stopped and taken up again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ionward
from helpers.ticks import run
from ionward.control.bms import OUTPUT_WORDS, Bms, output_size
from ionward.control.outputs import OUTPUT_SCALARS
from ionward.control.tick import new_memory
from ionward.image.inputs import new_command
from ionward.image.layout import Size, digest
from ionward.image.signals import IMAGE_RECORD, STATE_CONNECTED, STATES

TICKS = 800


@pytest.fixture(scope="module")
def short_run() -> tuple[Bms, np.ndarray]:
    return run(TICKS)


def test_a_pack_connects_and_disconnects_without_a_fault(short_run: tuple[Bms, np.ndarray]) -> None:
    _, words = short_run
    states = [STATES[int(state)] for state in words[:, OUTPUT_SCALARS.index("state")]]
    seen = [state for k, state in enumerate(states) if k == 0 or state != states[k - 1]]
    assert [state for state in seen if state != "init"] == [
        "standby",
        "precharge",
        "closing",
        "connected",
        "opening",
        "standby",
    ]
    assert words[:, OUTPUT_SCALARS.index("fault_level")].max() <= 1
    while_connected = words[:, OUTPUT_SCALARS.index("state")] == STATE_CONNECTED
    assert words[while_connected, OUTPUT_SCALARS.index("charge_limit_a")].max() > 0


@pytest.mark.verifies("SR-210")
def test_the_same_inputs_make_the_same_bytes(short_run: tuple[Bms, np.ndarray]) -> None:
    bms, words = short_run
    again, same = run(TICKS)
    assert words.tobytes() == same.tobytes()
    assert bms.snapshot() == again.snapshot()
    assert digest(bms.image) == digest(again.image)
    assert bms.output_digest() == again.output_digest()


def test_a_snapshot_taken_back_goes_on_as_if_nothing_had_been() -> None:
    bms, _ = run(TICKS // 2)
    state = bms.snapshot()
    other = Bms(bms.parameters, bms.size)
    assert other.snapshot() != state
    other.restore(state)
    assert other.snapshot() == state
    _, went_on = run(TICKS // 4, bms=bms, start=TICKS // 2)
    _, taken_up = run(TICKS // 4, bms=other, start=TICKS // 2)
    assert went_on.tobytes() == taken_up.tobytes()
    assert bms.snapshot() == other.snapshot()
    with pytest.raises(ValueError, match="bytes"):
        other.restore(state[:-1])


@pytest.mark.verifies("SR-210")
def test_compiled_and_interpreted_code_agree(tmp_path: Path) -> None:
    count = 250
    out = tmp_path / "words.npy"
    paths = [str(Path(ionward.__file__).parents[1]), str(Path(__file__).parents[1])]
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([sys.executable, "-m", "helpers.ticks", str(out), str(count)], env=env, check=True, timeout=300)
    plain, compiled = np.load(out), run(count)[1]
    # Compiled code may contract a multiplication and an addition into one, so the last digits differ.
    np.testing.assert_allclose(plain, compiled, rtol=1e-7, atol=1e-9)
    for name in ("state", "state_reason", "main_positive_close", "fault_level", "charge_limit_rule", "event_count"):
        column = OUTPUT_SCALARS.index(name)
        assert (plain[:, column] == compiled[:, column]).all(), name


def test_outputs_hold_what_drivers_need(short_run: tuple[Bms, np.ndarray]) -> None:
    bms, words = short_run
    outputs = bms.outputs()
    assert (outputs.main_positive, outputs.main_negative, outputs.precharge) == (False, False, False)
    assert np.asarray(outputs.bleed).shape == (bms.size.cells,)
    assert words.shape[1] == output_size(bms.size) == OUTPUT_WORDS(bms.size)
    assert set(OUTPUT_SCALARS) <= set(IMAGE_RECORD.names or ())
    for column, name in enumerate(OUTPUT_SCALARS):
        np.testing.assert_equal(words[-1, column], float(bms.image.scalars[0][name]), err_msg=name)


@pytest.mark.verifies("SR-143")
def test_raw_samples_that_never_come_keep_everything_open() -> None:
    bms, _ = run(1)
    fresh = Bms(bms.parameters, bms.size)
    raw, command = fresh.new_raw(), new_command()
    command["connect"] = 1
    for k in range(300):
        raw.clock["time_s"] = k * 0.01
        fresh.step(raw, command)
        outputs = fresh.outputs()
        assert not any(outputs[:3])
        assert fresh.image.scalars[0]["charge_limit_a"] == fresh.image.scalars[0]["discharge_limit_a"] == 0.0


def test_one_compiled_signature_serves_packs_of_any_size() -> None:
    from ionward.control.tick import tick

    if not hasattr(tick, "signatures"):
        pytest.skip("the JIT is off")
    run(3)
    run(3, pack="ev-96s.toml")
    assert len(tick.signatures) == 1


def test_memory_is_made_for_any_size() -> None:
    assert new_memory(Size(1, 1, 1)).limit.own.shape == (4, 4)

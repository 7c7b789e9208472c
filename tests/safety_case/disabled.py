"""Takes rules away, one by one, and runs the tests that claim to verify them. Prints what became of each as JSON.

Run by `test_disabled.py` in a process of its own, with the JIT off, so that functions can be replaced. Each line of
`SAMPLE` names a requirement, the tests that are to turn red, and how its rule is taken away.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ionward.control import connect, disconnect, sequence
from ionward.image.faults import FAULT_ID
from ionward.runtime.enables import Enables
from ionward.safety import ladder, protect, rules_current, samples
from ionward.safety.guard_control import Heartbeat
from ionward.safety.guard_samples import SampleWatch

ROOT = Path(__file__).parents[2]
PROTECT = "tests/safety/test_protect.py"
REACTIONS = "tests/safety/test_protect_reactions.py"
RULES_INSIDE = "tests/safety/test_rules_inside.py"
LADDER = "tests/safety/test_ladder.py"
SAMPLES = "tests/safety/test_samples.py"
SEQUENCE = "tests/control/test_sequence.py"
ONE_WAY = "tests/control/test_one_way.py"
SITE = "tests/control/test_site.py"
ENABLES = "tests/runtime/test_enables.py"
GUARD_SAMPLES = "tests/safety/test_guard_samples.py"
GUARD_CONTROL = "tests/safety/test_guard_control.py"
CASES = f"{PROTECT}::test_fault_is_raised_in_its_time_and_place"

Patch = Callable[[pytest.MonkeyPatch], None]


class Sample(NamedTuple):
    """A requirement, a test that verifies it, a part of the case's name (-k), and how to take the rule away."""

    requirement: str
    test: str
    case: str
    disable: Patch


def never_judged(fault: str) -> Patch:
    """Protection leaves one fault out: as if its thresholds could never be reached."""

    def disable(patch: pytest.MonkeyPatch) -> None:
        judge, number = protect.judge, getattr(FAULT_ID, fault)

        def all_but_one(parameters: Any, image: Any, memory: Any, f: int, acknowledged: bool) -> None:
            if f != number:
                judge(parameters, image, memory, f, acknowledged)

        patch.setattr(protect, "judge", all_but_one)

    return disable


def replaced(owner: object, name: str, by: object) -> Patch:
    """A function does something else, or nothing."""
    return lambda patch: patch.setattr(owner, name, by)


def any_bus_matches(patch: pytest.MonkeyPatch) -> None:
    """Wherever the bus stands, and however short it has stood there."""
    patch.setattr(connect, "fits", lambda p, s, m, ways: True)
    patch.setattr(connect, "is_believed", lambda m: True)


def of_fault(requirement: str, fault: str, level: int) -> Sample:
    return Sample(requirement, CASES, f"{fault}-{level}", never_judged(fault))


def nothing(*_: object) -> None:
    """Instead of a rule."""


def fire(parameters: Any, image: Any, state: Any, critical: bool) -> None:
    """The pyrofuse by a critical fault alone."""
    image.scalars[0]["pyrofuse_fire"] = 1 if critical else 0


_judge = protect.judge


def never_latched(parameters: Any, image: Any, memory: Any, f: int, acknowledged: bool) -> None:
    """Judged as if somebody acknowledged in every tick."""
    _judge(parameters, image, memory, f, True)


SAMPLE = (
    of_fault("SR-001", "cell_overvoltage", 4),
    of_fault("SR-002", "cell_undervoltage", 4),
    of_fault("SR-014", "overtemperature", 4),
    of_fault("SR-024", "short_circuit", 4),
    of_fault("SR-030", "hvil_open", 3),
    of_fault("SR-031", "crash", 4),
    of_fault("SR-033", "contactor_welded", 3),
    of_fault("SR-040", "cell_voltage_lost", 3),
    # Two sensors are never taken for simultaneous, so never compared.
    Sample("SR-025", CASES, "current_sensors_disagree-3", replaced(rules_current, "SKEW_S", -1.0)),
    Sample("SR-060", f"{RULES_INSIDE}::test_a_pause_of_the_cycle_opens_and_stays_latched", "",
           never_judged("cycle_stopped")),
    # Every sample is believed.
    Sample("SR-100", f"{SAMPLES}::test_a_frozen_value_is_refused_and_moves_on_with_the_last_digit", "",
           replaced(samples, "refusal", lambda *_: 0)),
    # A single sample decides.
    Sample("SR-110", f"{LADDER}::test_a_single_good_sample_starts_the_count_anew", "",
           replaced(ladder, "over", lambda samples, time_s, levels, step, f: samples > 0)),
    # Every tick acknowledges.
    Sample("SR-125", f"{REACTIONS}::test_a_fault_stays_latched_until_it_is_acknowledged_without_its_condition", "",
           replaced(protect, "judge", never_latched)),
    Sample("SR-128", f"{REACTIONS}::test_events_tell_each_step_up_and_down", "",
           replaced(protect, "write_event", nothing)),
    Sample("SR-129", f"{REACTIONS}::test_the_pyrofuse_never_fires_by_current_alone_or_on_a_single_sample", "",
           replaced(protect, "wish_pyrofuse", fire)),
    # No mask ever holds.
    Sample("SR-230", "tests/safety/test_masks.py::test_it_is_told_at_info_with_its_place_and_count_and_nothing_follows",
           "", replaced(protect, "hold_masks", nothing)),
    # The sequence does not hear protection; any bus matches; no wait ends.
    Sample("SR-122", f"{SEQUENCE}::test_open_now_opens_everything_in_the_same_tick_from_every_step", "",
           replaced(sequence, "_obey", nothing)),
    Sample("SR-140", f"{SEQUENCE}::test_the_positive_contactor_closes_only_on_a_bus_at_pack_voltage", "",
           any_bus_matches),
    Sample("SR-131", f"{SEQUENCE}::test_opening_waits_no_longer_than_it_may", "",
           replaced(disconnect, "elapsed_s", lambda s, m: 0.0)),
    # Nothing is opened for one direction alone; a pack of a site asks nobody.
    Sample("SR-132", f"{ONE_WAY}::test_a_forbidden_direction_opens_its_switch_at_once_and_the_other_one_goes_on", "",
           replaced(sequence, "block", nothing)),
    Sample("SR-240", f"{SITE}::test_without_consent_it_waits_and_tells_why", "",
           replaced(connect, "consents", lambda command: True)),
    # Enables never expire.
    Sample("SR-151", f"{ENABLES}::"
           "test_silence_of_control_opens_when_its_enable_expires_and_stays_open_until_acknowledged", "",
           replaced(Enables, "_is_fresh", lambda self, now_s, time_s: True)),
    Sample("SR-160", f"{GUARD_SAMPLES}::test_beyond_a_limit_trips_after_samples_and_time_and_not_before", "",
           replaced(SampleWatch, "beyond_limit", nothing)),
    Sample("SR-161", f"{GUARD_CONTROL}::test_a_wrong_answer_is_told_at_once", "",
           replaced(Heartbeat, "wrong_answer", nothing)),
    Sample("SR-162", f"{GUARD_CONTROL}::test_a_stage_left_out_or_in_a_wrong_order_is_told_at_once", "",
           replaced(Heartbeat, "wrong_flow", nothing)),
)  # fmt: skip


class Outcomes:
    """How tests ended. One that fails otherwise than by an assertion was broken, not turned red by its own words."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else str(report.longrepr)
            self.ended.append("failed" if message.startswith(("assert ", "AssertionError")) else message)
        elif report.when == "call":
            self.ended.append(report.outcome)


def outcome(sample: Sample) -> str:
    """How the tests of a sample end: passed, failed by an assertion, or what else went wrong."""
    outcomes = Outcomes()
    chosen = ["-k", sample.case] if sample.case else []
    arguments = ["-q", "-x", "-p", "no:cacheprovider", "--rootdir", str(ROOT), sample.test, *chosen]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(arguments, plugins=[outcomes])
    return outcomes.ended[-1] if outcomes.ended else "no test ran"


def main() -> None:
    """Each sample as it is, then without its rule."""
    found = []
    for sample in SAMPLE:
        with_rule = outcome(sample)
        with pytest.MonkeyPatch.context() as patch:
            sample.disable(patch)
            without_rule = outcome(sample)
        found.append({
            "requirement": sample.requirement, "test": sample.test, "case": sample.case,
            "with_rule": with_rule, "without_rule": without_rule,
        })  # fmt: skip
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

"""Locks that only a named service action releases, and what a person must have looked at before.

Whoever releases one states that all of this has been done; the BMS cannot know it.
"""

from __future__ import annotations

from ionward.image.faults import BY_ID, FAULTS

LOCKS = tuple(fault.id for fault in FAULTS if fault.service)

CHECKS: dict[str, tuple[str, ...]] = {
    "deep_discharge": (
        "The cell was examined by a person trained for it: no swelling, no leak, no smell, not warm.",
        "Its voltage was measured by hand, and it held without current for an hour at least.",
        "What emptied it is known and has been ended.",
        "It is charged slowly and watched at first, as its maker allows after such a discharge, or it is replaced.",
    ),
}


def checks_of(fault_id: str) -> tuple[str, ...]:
    """What must have been checked before this lock is released; nothing for what is no lock."""
    return CHECKS.get(fault_id, (BY_ID[fault_id].action,)) if fault_id in LOCKS else ()

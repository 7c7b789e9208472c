"""Masks of faults: which ones a pack file may ask for, and until when of the image's time each holds.

The tick knows no wall clock. When a run starts, the end of each mask is told in the image's time, once. A wall clock
that is set back during the run changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from ionward.battery.masks import UNTIL_HELP, Mask, until_wall_s
from ionward.battery.problems import Problem
from ionward.battery.system import System
from ionward.image.fault_levels import resolved_levels, unknown_fault
from ionward.image.faults import BY_ID, FAULT_ID
from ionward.image.parameters import FAULTP, Parameters

LONGEST_DAYS = 90
LONGEST_S = LONGEST_DAYS * 86400.0
NEVER_MASKED = "may never be masked"


class Moment(NamedTuple):
    """The start of a run on both clocks: seconds since 1970, and the image's time then."""

    wall_s: float
    image_s: float = 0.0


def mask_problems(system: System, wall_s: float | None = None) -> Iterator[Problem]:
    """What is wrong with the masks of a description, one problem each. `wall_s`: when the file is used, since 1970.

    Meets SR-231.
    """
    seen: set[str] = set()
    for k, mask in enumerate(system.masks):
        at, fault = f"masks[{k}]", BY_ID.get(mask.fault)
        if fault is None:
            yield Problem(f"{at}.fault", mask.fault, "unknown fault", unknown_fault(mask.fault), uses=("masks",))
        elif not fault.maskable:
            yield Problem(f"{at}.fault", mask.fault, f"{NEVER_MASKED}: nothing else stands behind it",
                          "leave the mask out and have the cause mended", ("masks",))  # fmt: skip
        elif resolved_levels(fault, system)[3] is not None:
            yield Problem(f"{at}.fault", mask.fault, f"{NEVER_MASKED} here: it becomes critical in this pack",
                          "leave the mask out and have the cause mended", ("masks",))  # fmt: skip
        if mask.fault in seen:
            yield Problem(f"{at}.fault", mask.fault, "is masked twice", "leave one of them out", ("masks",))
        seen.add(mask.fault)
        for name, words in (("owner", "the name of who answers for it"), ("reason", "why it is to be told only")):
            if not getattr(mask, name).isprintable():
                yield Problem(f"{at}.{name}", getattr(mask, name), "has a line break or another control character",
                              "write one line of text", ("masks",))  # fmt: skip
            elif not getattr(mask, name).strip():
                yield Problem(f"{at}.{name}", getattr(mask, name), "is blank", f"write {words}", ("masks",))
        ends_s = until_wall_s(mask.until)
        if ends_s is None:
            yield Problem(f"{at}.until", mask.until, "is no day, and no moment with a zone", UNTIL_HELP, ("masks",))
        elif wall_s is not None and ends_s - wall_s > LONGEST_S + 86400.0:  # the last day counts to its end
            last = datetime.fromtimestamp(wall_s + LONGEST_S, UTC).date()
            yield Problem(f"{at}.until", mask.until, f"is more than {LONGEST_DAYS} days ahead",
                          f"allowed: {last} or sooner; a mask is for the time until the cause is mended",
                          ("masks",))  # fmt: skip


def holds(mask: Mask, wall_s: float) -> bool:
    """The mask has not ended at a moment, and does not reach further than masks may."""
    ends_s = until_wall_s(mask.until)
    return ends_s is not None and 0.0 < ends_s - wall_s <= LONGEST_S + 86400.0


def in_force(masks: Sequence[Mask], began: Moment | None) -> tuple[Mask, ...]:
    """The masks that a run starts with; none where its start is not known."""
    return tuple(mask for mask in masks if began is not None and mask.fault in BY_ID and holds(mask, began.wall_s))


def with_masks(parameters: Parameters, masks: Sequence[Mask], began: Moment | None) -> Parameters:
    """Parameters with the end of each mask in the image's time, for a run that starts at `began`.

    Without a start no mask holds: what forgets to say when it began is protected in full. Meets SR-230.
    """
    faults = parameters.faults.copy()
    faults[FAULTP.mask_until_s] = -np.inf
    for mask in in_force(masks, began):
        ends_s = until_wall_s(mask.until)
        if began is not None and ends_s is not None and BY_ID[mask.fault].maskable:
            faults[FAULTP.mask_until_s, getattr(FAULT_ID, mask.fault)] = began.image_s + (ends_s - began.wall_s)
    return parameters._replace(faults=faults)


def masked_words(masks: Sequence[Mask], began: Moment | None) -> list[str]:
    """A sentence for each mask of a pack: what it holds back, or that it has ended. Meets SR-232."""
    holding = in_force(masks, began)
    return [
        f"MASKED: {name_of(mask)} is told only and nothing reacts to it, {mask.words}"
        if mask in holding
        else f"the mask of {name_of(mask)} has ended ({mask.until}, {mask.owner}): take it out of the pack file"
        for mask in masks
    ]


def name_of(mask: Mask) -> str:
    """The fault's name in front of its id."""
    fault = BY_ID.get(mask.fault)
    return f"{fault.name} ({mask.fault})" if fault else mask.fault

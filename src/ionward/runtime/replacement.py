"""What a person tells a stopped BMS: a contactor was replaced, so its wear counts from nothing again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ionward.errors import UserError
from ionward.runtime.fault_log import FaultLog, note_record, pack_record
from ionward.runtime.state_store import COPIES, StateWriter, newest, read_candidates
from ionward.runtime.survival_record import Survived, encode

CONTACTORS = ("positive", "negative")


class Wear(NamedTuple):
    """Shares of their life that the contactors of a pack have used up."""

    pack: str
    positive: float
    negative: float


def wear_of(survived: Survived) -> Wear:
    """The wear that a state holds."""
    return Wear(survived.pack.name, survived.contactor_wear_positive, survived.contactor_wear_negative)


def with_new_contactors(survived: Survived, contactors: Sequence[str]) -> Survived:
    """The same state one number higher, the wear of the named contactors set back. Nothing else is touched."""
    fresh = {f"contactor_wear_{name}": 0.0 for name in contactors}
    return replace(survived, sequence=survived.sequence + 1, **fresh)  # type: ignore[arg-type]


def read_state(state_folder: Path, live_folder: Path) -> Survived:
    """The state of a folder.

    Raises:
        UserError: there is none.
    """
    survived = newest(read_candidates(live_folder, state_folder)) if state_folder.is_dir() else None
    if survived is None:
        raise UserError(f"{state_folder}: holds no state of a BMS; give the --state-dir of its `ionward run`")
    return survived


def replace_contactors(
    state_folder: Path, live_folder: Path, contactors: Sequence[str], owner: str, wall_s: float
) -> Wear:
    """Set the wear of replaced contactors back in every copy on disk, and note it in the fault memory; the wear before.

    The caller holds the folder's lock (`lock_state_folder`). A copy that a crash has left in memory has a lower number
    than what is written here, so that no later start takes it.

    Raises:
        UserError: the folder holds no state, or cannot be written.
    """
    survived = read_state(state_folder, live_folder)
    before, writer = wear_of(survived), StateWriter(state_folder)
    told = ", ".join(f"{name} (worn {getattr(before, name):.1%})" for name in contactors)
    note = note_record(wall_s, f"contactor replaced: {told}; its wear was set back by {owner}")
    try:
        log = FaultLog(state_folder)
        if log.size():
            log.append([note])
        else:
            log.replace([pack_record(survived.pack), note])
        for _ in COPIES:
            survived = with_new_contactors(survived, contactors)
            writer.write(encode(survived).tobytes())
    except OSError as error:
        raise UserError(f"{state_folder}: cannot be written: {error.strerror}; nothing is certain: try again") from None
    return before

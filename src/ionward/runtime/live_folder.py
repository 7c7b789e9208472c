"""What the processes of a run find in their live folder, written once before they begin."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ionward.control.bms import Bms
from ionward.errors import UserError
from ionward.image.blocks import Block, words_of
from ionward.image.exchange import (
    COMMAND_MESSAGE_RECORD,
    GUARD_RECORD,
    INJECTION_RECORD,
)
from ionward.image.parameters import Parameters
from ionward.image.tables import slices_of, table_sums
from ionward.runtime import survival
from ionward.runtime.cycle import control_words, image_block_words, io_words, supervisor_words
from ionward.runtime.plan import PARAMETERS_FILE, Plan
from ionward.runtime.recorder_record import RECORDER_RECORD
from ionward.runtime.ring import checkpoint_words, ring_slots, ring_words
from ionward.runtime.role import HEALTH_SLOTS, health_block, health_words
from ionward.runtime.supervisor import ALL_ROLES

IMAGE_SLOTS, IMAGE_SLOTS_MIN, IMAGE_BYTES_MAX = 32, 4, 1 << 23


def write_live_folder(folder: Path, plan: Plan, parameters: Parameters) -> None:
    """Everything the processes wait for; the plan comes last.

    Raises:
        UserError: there is not enough memory for it.
    """
    try:
        _write(folder, plan, parameters)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}: the run needs some tens of MB there; free some") from None


def _write(folder: Path, plan: Plan, parameters: Parameters) -> None:
    plan = replace(plan, table_sums=table_sums(parameters, slices_of(plan.cycle_s)))
    np.savez(folder / PARAMETERS_FILE, **parameters._asdict())
    size = plan.size
    bms = Bms(parameters, size)
    shapes = {
        "io": (8, io_words(size)),
        "control": (8, control_words(size)),
        "image": image_shape(image_block_words(bms.image)),
        "guard": (8, words_of(GUARD_RECORD)),
        "commands": (64, words_of(COMMAND_MESSAGE_RECORD)),
        "injections": (16, words_of(INJECTION_RECORD)),
        "supervisor": (2, supervisor_words()),
        "ring": (ring_slots(plan.cycle_s, size), ring_words(size)),
        "checkpoint": (2, checkpoint_words(len(bms.snapshot()))),
        "survival": (2, len(survival.new_words(size))),
        "recorder": (2, words_of(RECORDER_RECORD)),
    }
    for name, (slots, words) in shapes.items():
        _make(folder / f"{name}.block", slots, words)
    for role in ALL_ROLES:
        _make(folder / health_block(role), HEALTH_SLOTS, health_words())
    plan.save(folder)


def image_shape(words: int) -> tuple[int, int]:
    """Slots and words of `image.block`: a third of a second, so that the recorder may be late; less for large packs."""
    return max(IMAGE_SLOTS_MIN, min(IMAGE_SLOTS, IMAGE_BYTES_MAX // (8 * words))), words


def _make(path: Path, slots: int, words: int) -> None:
    """A block whose memory is there: a page that cannot be had later would kill whoever touches it."""
    Block.create(path, slots, words)
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)

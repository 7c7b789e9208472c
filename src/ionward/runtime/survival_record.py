"""The record of what survives a restart, as words of eight bytes with a checksum.

Head, then `[SURVIVING_CELL, cell]`, then `[SURVIVING_FAULT, fault]`, then a CRC-32 over all of it. A reader trusts no
length and no count in it: it expects what a whole record would have, and refuses everything else with a reason.
`docs/state.md` says what each part is for.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.image.catalogue import Signal, record, rows
from ionward.image.faults import FAULTS
from ionward.image.layout import Size
from ionward.image.signals import LEVELS, SEQUENCE_REASONS, STATES

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAGIC = 0x31565255534E4F49  # "IONSURV1"
VERSION = 2
NAME_WORDS = 8
CELLS_MAX, FAULTS_MAX = 1 << 20, 1 << 12  # more is no pack: memory stays bounded whatever the bytes claim

HEAD_SIGNALS = (
    Signal("magic", "", "What this is", "i8"),
    Signal("version", "", "Version of this layout", "i8"),
    Signal("words", "", "Length of the whole record", "i8"),
    Signal("sequence", "", "Rises with every record, over restarts too", "i8", 0),
    Signal("pack_0", "", "Fingerprint of the pack", "i8"),
    Signal("pack_1", "", "Its second half", "i8"),
    Signal("cells", "", "Cells", "i8", 1),
    Signal("faults", "", "Faults", "i8", 0),
    Signal("boot_0", "", "Boot of the machine", "i8"),
    Signal("boot_1", "", "Its second half", "i8"),
    *(Signal(f"name_{k}", "", "Name of the pack, eight bytes of UTF-8 a word", "i8") for k in range(NAME_WORDS)),
    Signal("wall_s", "s", "Wall time of the tick, seconds since 1970"),
    Signal("time_s", "s", "Time of the tick on the monotonic clock of that boot"),
    Signal("tick", "", "Ticks that had been run", "i8", 0),
    Signal("state", "", "State of the sequence", "i8", 0, len(STATES) - 1, STATES),
    Signal("acknowledge_count", "", "Acknowledgements counted", "i8", 0),
    Signal("charge_throughput_ah", "Ah", "Charge put in", minimum=0),
    Signal("discharge_throughput_ah", "Ah", "Charge taken out", minimum=0),
    Signal("contactor_wear_positive", "", "Share of its life that the positive contactor has used up", minimum=0),
    Signal("contactor_wear_negative", "", "Share of its life that the negative contactor has used up", minimum=0),
    Signal("locked", "", "The sequence stopped itself and waits to be acknowledged", "i8", 0, 1),
    Signal("lock_reason", "", "Why", "i8", 0, len(SEQUENCE_REASONS) - 1, SEQUENCE_REASONS),
    Signal("precharge_tries", "", "Tries of this connection", "i8", 0),
    Signal("failed_tries", "", "Failed tries as protection counts them", "i8", 0),
    Signal("resistor_j", "J", "Heat in the precharge resistor", minimum=0),
    Signal("resume_s", "s", "No new try before this time (monotonic); -inf none waits"),
)
HEAD_RECORD = record(HEAD_SIGNALS)
HEAD_WORDS = HEAD_RECORD.itemsize // 8
SURVIVING_CELL = rows(
    "SurvivingCell",
    (
        Signal("soc", "", "State of charge; NaN not known", "f8", 0, 1),
        Signal("soc_std", "", "Its standard deviation", "f8", 0, 1),
        Signal("capacity_ah", "Ah", "Capacity that the estimate used"),
        Signal("soh", "", "State of health; NaN not estimated"),
        Signal("polarisation_v", "V", "Voltage that relaxes without current"),
    ),
)
SURVIVING_FAULT = rows(
    "SurvivingFault",
    (
        Signal("dtc", "", "Trouble code: names the fault over versions of the catalogue"),
        Signal("latched_level", "", "Highest level that waits to be acknowledged", "i8", 0, 4, LEVELS),
        Signal("count", "", "How often it was raised"),
        Signal("since_s", "s", "When its level last changed (monotonic)"),
    ),
)
# What must not wait for the next regular copy: the words from `acknowledge_count` on that are locks, and the latches.
URGENT_HEAD = ("acknowledge_count", "locked", "lock_reason", "precharge_tries", "failed_tries", "resume_s")


@dataclass(frozen=True)
class Refusal:
    """A record that is not used, and why."""

    reason: str


@dataclass(frozen=True)
class Survived:
    """What came through. `cells` is `[SURVIVING_CELL, cell]`, `faults` `[SURVIVING_FAULT, fault]`."""

    pack: Pack
    sequence: int
    boot: tuple[int, int]
    wall_s: float
    time_s: float
    tick: int
    state: int
    acknowledge_count: int
    charge_throughput_ah: float
    discharge_throughput_ah: float
    contactor_wear_positive: float
    contactor_wear_negative: float
    locked: bool
    lock_reason: int
    precharge_tries: int
    failed_tries: int
    resistor_j: float
    resume_s: float
    cells: Floats
    faults: Floats


class Candidate(NamedTuple):
    """A copy that may be restored: where it stands, in words, and its bytes."""

    label: str
    data: bytes


class Pack(NamedTuple):
    """Which battery a state belongs to: a fingerprint in two words, and the name for people."""

    first: int
    second: int
    name: str


def pack_fingerprint(system: dict[str, Any], size: Size) -> Pack:
    """What makes it the same battery: name, cell, how many of them, capacity. Limits and sensors may change.

    Args:
        system: the complete description (`System.as_dict`).
        size: of the pack.
    """
    topology, cell = system.get("topology", {}), system.get("cell_model", {})
    what = [
        system.get("system", {}).get("name"),
        cell.get("name") if isinstance(cell, dict) else None,
        topology.get("modules_in_series"),
        topology.get("cells_per_module"),
        topology.get("cells_in_parallel"),
        f"{float(topology.get('capacity_ah') or 0.0):.6g}",
        list(size),
    ]
    return Pack(*_two_words(hashlib.sha256(json.dumps(what).encode()).digest()), str(what[0] or ""))


@cache
def boot_words(boot_id: str) -> tuple[int, int]:
    """The boot id of the kernel as two words; any other text gives other words."""
    return _two_words(hashlib.sha256(boot_id.strip().encode()).digest())


def _two_words(digest: bytes) -> tuple[int, int]:
    first, second = np.frombuffer(digest, np.int64, 2)
    return int(first), int(second)


def survival_words(cells: int, faults: int = len(FAULTS)) -> int:
    """Length of a record in words; `survival.block` has slots of this length."""
    return HEAD_WORDS + len(SURVIVING_CELL) * cells + len(SURVIVING_FAULT) * faults + 1


def name_words(name: str) -> Integers:
    """The name of a pack in words, cut at a whole character."""
    data = name.encode()[: 8 * NAME_WORDS].decode(errors="ignore").encode()
    return np.frombuffer(data.ljust(8 * NAME_WORDS, b"\0"), np.int64)


def label(words: Integers, pack: Pack, boot: tuple[int, int]) -> None:
    """Write which pack and which boot of the machine a record is of."""
    head = words[:HEAD_WORDS].view(HEAD_RECORD)
    head["pack_0"], head["pack_1"] = pack.first, pack.second
    head["boot_0"], head["boot_1"] = boot
    for k, word in enumerate(name_words(pack.name)):
        head[f"name_{k}"] = word


def seal(words: Integers) -> None:
    """Write the checksum over all other words into the last one."""
    words[-1] = _checksum(words)


def _checksum(words: Integers) -> int:
    return zlib.crc32(words[:-1].data)


def encode(survived: Survived) -> Integers:
    """The record of some state."""
    cells, faults = survived.cells.shape[1], survived.faults.shape[1]
    words = np.zeros(survival_words(cells, faults), np.int64)
    head = words[:HEAD_WORDS].view(HEAD_RECORD)[0]
    head["magic"], head["version"], head["words"] = MAGIC, VERSION, len(words)
    head["cells"], head["faults"] = cells, faults
    label(words, survived.pack, survived.boot)
    for field in _PLAIN:
        head[field] = getattr(survived, field)
    floats = words.view(np.float64)
    floats[HEAD_WORDS:-1] = np.concatenate((survived.cells.reshape(-1), survived.faults.reshape(-1)))
    seal(words)
    return words


_PLAIN = (
    "sequence", "wall_s", "time_s", "tick", "state", "acknowledge_count", "charge_throughput_ah",
    "discharge_throughput_ah", "contactor_wear_positive", "contactor_wear_negative", "locked", "lock_reason",
    "precharge_tries", "failed_tries", "resistor_j", "resume_s",
)  # fmt: skip


def decode(data: bytes | npt.NDArray[Any]) -> Survived | Refusal:
    """What a record holds, or why it is not used."""
    raw = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
    if len(raw) < 8 * (HEAD_WORDS + 1) or len(raw) % 8:
        return Refusal(f"it has {len(raw)} bytes, which no whole record has")
    words = np.frombuffer(raw, np.int64)
    head = words[:HEAD_WORDS].view(HEAD_RECORD)[0]
    if head["magic"] != MAGIC:
        return Refusal("nothing was written yet" if not words.any() else "it is no state of a BMS")
    if _checksum(words) != words[-1]:
        return Refusal("its checksum is wrong: it was damaged or only half written")
    if head["version"] != VERSION:
        return Refusal(f"it is of version {head['version']}, this Ionward reads version {VERSION}")
    cells, faults = int(head["cells"]), int(head["faults"])
    counts = 0 < cells <= CELLS_MAX and 0 <= faults <= FAULTS_MAX
    if not counts or not len(words) == head["words"] == survival_words(cells, faults):
        return Refusal("its length does not fit what it holds")
    floats = words.view(np.float64)[HEAD_WORDS:-1]
    at = len(SURVIVING_CELL) * cells
    return _sensible(head, floats[:at].reshape(-1, cells).copy(), floats[at:].reshape(-1, faults).copy())


def _sensible(head: Any, cells: Floats, faults: Floats) -> Survived | Refusal:
    """Values that some BMS could have written; a right checksum over nonsense is nonsense still."""
    soc, std = cells[SURVIVING_CELL.soc], cells[SURVIVING_CELL.soc_std]
    level, count = faults[SURVIVING_FAULT.latched_level], faults[SURVIVING_FAULT.count]
    at_least_zero = ("sequence", "tick", "acknowledge_count", "precharge_tries", "failed_tries", "resistor_j",
                     "charge_throughput_ah", "discharge_throughput_ah", "contactor_wear_positive",
                     "contactor_wear_negative")  # fmt: skip
    judged = {
        "times": np.isfinite(head["wall_s"]) and np.isfinite(head["time_s"]) and head["resume_s"] < np.inf,
        "counters": all(head[name] >= 0 and np.isfinite(head[name]) for name in at_least_zero),
        "SOC": bool(np.all(np.isnan(soc) | ((soc >= 0.0) & (soc <= 1.0))) and not np.any(std < 0.0)),
        "latched faults": bool(np.isin(level, range(len(LEVELS))).all() and (np.isfinite(count) & (count >= 0)).all()),
        "state of the sequence": 0 <= head["state"] < len(STATES)
        and head["locked"] in (0, 1)
        and 0 <= head["lock_reason"] < len(SEQUENCE_REASONS),
    }
    wrong = [what for what, sound in judged.items() if not sound]
    if wrong:
        return Refusal(f"no BMS can have written this: {wrong[0]}")
    name = np.array([head[f"name_{k}"] for k in range(NAME_WORDS)], np.int64).tobytes().rstrip(b"\0")
    return Survived(
        pack=Pack(int(head["pack_0"]), int(head["pack_1"]), name.decode(errors="replace")),
        boot=(int(head["boot_0"]), int(head["boot_1"])),
        cells=cells,
        faults=faults,
        locked=bool(head["locked"]),
        **{field: head[field].item() for field in _PLAIN if field != "locked"},
    )


def is_whole(words: Integers) -> bool:
    """The checksum is right."""
    return len(words) > HEAD_WORDS and bool(_checksum(words) == words[-1])


def urgent_part(words: Integers) -> bytes:
    """What may not wait: while this is unchanged, a copy a second old is as good."""
    head = words[:HEAD_WORDS].view(HEAD_RECORD)
    cells, faults = int(head["cells"][0]), int(head["faults"][0])
    if len(words) != survival_words(max(cells, 0), max(faults, 0)):
        return b""
    first = HEAD_WORDS + len(SURVIVING_CELL) * cells
    latches = words[first:-1].reshape(len(SURVIVING_FAULT), faults)[
        SURVIVING_FAULT.latched_level : SURVIVING_FAULT.count + 1
    ]
    return b"".join(head[name].tobytes() for name in URGENT_HEAD) + latches.tobytes()

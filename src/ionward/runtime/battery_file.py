"""The simulated battery's arrays in a file in memory, so that it outlives the process that works on it.

A battery does not vanish when a controller is killed. The driver's process works directly on the mapped arrays; the
next one finds the cells as they were left, and lets them live through the time in between.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.runtime.plan import BATTERY_FILE
from ionward.twin.plant import Plant
from ionward.twin.rows import SET, STATE

# A battery that was left for longer than this is not lived through, but made anew.
LEFT_MAX_S = 3600.0


class Player(NamedTuple):
    """Where the battery's vehicle stands in its timeline: `[1]` each, mapped like the rest."""

    origin_s: npt.NDArray[np.float64]
    next_action: npt.NDArray[np.int64]
    rounds: npt.NDArray[np.int64]
    started: npt.NDArray[np.int64]


def save_plant(path: Path, plant: Plant, fingerprint: str) -> None:
    """Write a new battery as the supervisor makes it."""
    np.savez(path, fingerprint=np.array(fingerprint), **plant._asdict())


def open_battery(folder: Path, stored: Path, now_s: float) -> tuple[Plant, Player]:
    """The battery of this live folder: the one that is there, or a new one from `stored`.

    One that is there counts when it was made of the same description and scenario, and was left not long ago.
    """
    with np.load(stored) as values:
        fingerprint = str(values["fingerprint"])
        arrays = {name: values[name] for name in Plant._fields}
    arrays |= {name: np.zeros(1, np.int64 if name != "origin_s" else np.float64) for name in Player._fields}
    path = folder / BATTERY_FILE
    mark = folder / (BATTERY_FILE + ".of")
    if mark.is_file() and path.is_file() and mark.read_text() == fingerprint:
        mapped = _mapped(path, arrays)
        if mapped is not None and _lives_on(mapped, now_s):
            return _parts(mapped)
    mark.unlink(missing_ok=True)
    path.write_bytes(b"".join(_padded(np.ascontiguousarray(a)) for a in arrays.values()))
    found = _mapped(path, arrays)
    assert found is not None
    mark.write_text(fingerprint)
    return _parts(found)


def _padded(array: npt.NDArray[Any]) -> bytes:
    data = array.tobytes()
    return data + b"\0" * (-len(data) % 64)


def _mapped(path: Path, like: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]] | None:
    """Arrays of these shapes over the file's memory; None where it has another length."""
    sizes = {name: a.nbytes + -a.nbytes % 64 for name, a in like.items()}
    if path.stat().st_size != sum(sizes.values()):
        return None
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    memory = mmap.mmap(file, 0, mmap.MAP_SHARED)
    os.close(file)
    out, at = {}, 0
    for name, array in like.items():
        out[name] = np.frombuffer(memory, array.dtype, array.size, at).reshape(array.shape)
        at += sizes[name]
    return out


def _lives_on(arrays: dict[str, npt.NDArray[Any]], now_s: float) -> bool:
    time_s = float(arrays["state"][STATE.time_s])
    sound = np.isfinite(arrays["cells"]).all()
    origin_s = float(arrays["settings"][SET.origin_s])
    return bool(sound and arrays["started"][0] == 1 and origin_s <= time_s <= now_s <= time_s + LEFT_MAX_S)


def _parts(arrays: dict[str, npt.NDArray[Any]]) -> tuple[Plant, Player]:
    return Plant(*(arrays[n] for n in Plant._fields)), Player(*(arrays[n] for n in Player._fields))

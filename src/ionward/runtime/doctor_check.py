"""What the doctor's rules speak in: what is asked of a machine, and one finding with its verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ionward.runtime.enables import default_expiry_s

GOOD: Final = "good"
UNKNOWN: Final = "unknown"
LIMITED: Final = "limited"
BAD: Final = "bad"
SEVERITY: Final = {GOOD: 0, UNKNOWN: 1, LIMITED: 2, BAD: 3}

FAST_S = 0.005  # below this cycle the BMS is judged as one that reacts within milliseconds


@dataclass(frozen=True)
class Demand:
    """What a pack asks of the machine: its cycle, its size, whether contactors depend on enables that expire."""

    name: str
    profile: str
    cycle_s: float
    cells: int
    cell_period_s: float
    contactors: bool = True
    sensors: int = 0

    @property
    def fast(self) -> bool:
        """Reactions within milliseconds are wanted."""
        return self.cycle_s < FAST_S

    @property
    def expiry_s(self) -> float:
        """How long an enable lasts: who is woken later finds the contactors open."""
        return default_expiry_s(self.cycle_s)


@dataclass(frozen=True)
class Check:
    """One finding. `change` is what to do, one line, empty when nothing is wrong.

    `counts`: it has a part in the verdict on the demand. `needed`: that it is not known limits the verdict as well.
    """

    id: str
    area: str
    name: str
    figure: str
    verdict: str
    change: str = ""
    counts: bool = True
    needed: bool = False

    def found(self, verdict: str, figure: str = "", change: str = "") -> Check:
        """The same check with a verdict, a figure where there is one, and what to change."""
        return replace(self, verdict=verdict, figure=figure or self.figure, change=change)


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts; good when there is none."""
    return max(verdicts, key=SEVERITY.__getitem__, default=GOOD)


def weight(check: Check) -> str:
    """What a check means for the whole: one that is not known does not count against the machine unless needed."""
    if not check.counts:
        return GOOD
    if check.verdict == UNKNOWN:
        return LIMITED if check.needed else GOOD
    return check.verdict


def overall(checks: Iterable[Check]) -> str:
    """Verdict on a demand: good, limited or bad."""
    return worst(weight(check) for check in checks)


def text_ms(value_ms: float) -> str:
    """A time in milliseconds with two or three digits that mean something."""
    return f"{value_ms:.2g} ms" if value_ms < 10 else f"{value_ms:,.0f} ms"


def text_bytes(value: float) -> str:
    """An amount of data."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e3:.3g} kB"

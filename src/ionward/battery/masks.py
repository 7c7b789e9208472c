"""Masks of a pack file: faults that a person answers for, for a while, so that the BMS tells them only."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from ionward.battery.part import SystemPart

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
UNTIL_HELP = 'allowed: a day, as "2026-12-24" (to its end, UTC), or a moment with its zone, as "2026-12-24T18:00+01:00"'


def _written(value: object) -> object:
    """A date that stands in the file without quotes is one all the same."""
    return value.isoformat() if isinstance(value, date) else value


class Mask(SystemPart):
    """One mask: `[[masks]]`. Until it ends, its fault is told at level info at most and nothing reacts to it."""

    fault: Annotated[str, Field(description="Id of the fault (`ionward faults` lists them)")]
    owner: Annotated[str, Field(max_length=80, description="Who answers for it: a person's name")]
    reason: Annotated[str, Field(max_length=200, description="Why the fault is to be told only")]
    until: Annotated[
        str, BeforeValidator(_written), Field(description="Last day (to its end, UTC), or a moment with its zone")
    ]

    @property
    def words(self) -> str:
        """Who, until when and why, on one line."""
        return f"by {self.owner}, until {self.until}: {self.reason}"


def until_wall_s(text: str) -> float | None:
    """The end of a mask in seconds since 1970; None where the text is no day, and no moment with a zone."""
    try:
        if DAY.fullmatch(text):
            day_after = date.fromisoformat(text) + timedelta(days=1)
            return datetime.combine(day_after, time(), UTC).timestamp()
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None

"""What all answers of the HTTP API have in common.

Current and power are positive when charging, SOC is 0..1, cells count from 0, a place of -1 means none; null is what
is not known.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ionward.image.signals import LEVELS

Number = float | None
Level = Literal[LEVELS]  # type: ignore[valid-type]


class Answer(BaseModel):
    """Base of all answers: nothing in them that is not described."""

    model_config = ConfigDict(extra="forbid")


class Problem(Answer):
    """Why a request cannot be answered, in one sentence."""

    detail: str = Field(examples=["cell 400 does not exist: there are cells 0 to 95"])

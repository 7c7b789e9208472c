"""The common base of all parts of a system description."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class SystemPart(BaseModel):
    """A table of the system file: unknown keys are errors, text is no number, NaN and infinity are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

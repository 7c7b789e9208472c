"""Checks that compare the values of a system with each other and with the cell's data sheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ionward.battery.problems import Problem

if TYPE_CHECKING:
    from ionward.battery.system import System


def system_problems(system: System) -> Iterator[Problem]:
    """Everything that cannot be right, one problem each."""
    return iter(())

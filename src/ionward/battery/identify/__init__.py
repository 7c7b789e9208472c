"""Identification of a cell model from measured logs.

`identify` takes slow charges and discharges (OCV) at one or more temperatures and dynamic logs (drive
cycles or pulses), checks that they belong to one cell, and fits the complete model to all of them at once.
"""

from ionward.battery.identify.description import CellDescription, read_description
from ionward.battery.identify.flow import Identified, identify

__all__ = ["CellDescription", "Identified", "identify", "read_description"]

"""Names of the program as a person says them, in texts that come from it."""

from __future__ import annotations

import re

CHANNEL_WORDS = {
    "current_redundant_a": "second current sensor",
    "current_a": "current",
    "pack_voltage_v": "pack voltage",
    "bus_voltage_v": "bus voltage",
    "insulation_ohm": "insulation",
    "coolant_inlet_c": "coolant inlet",
    "coolant_outlet_c": "coolant outlet",
    "ambient_c": "ambient",
    "hvil_closed": "interlock loop",
    "main_positive_closed": "Main +",
    "main_negative_closed": "Main −",
    "precharge_closed": "Precharge",
    "contactor_positive_c": "contact of Main +",
    "contactor_negative_c": "contact of Main −",
    "connector_positive_c": "connector +",
    "connector_negative_c": "connector −",
    "balancing_board_c": "balancing board",
    "positive_tap_v": "tap at Main +",
    "negative_tap_v": "tap at Main −",
    "cooling_running": "pump or fan",
    "monitor_redundancy_v": "redundant cell reading",
    "monitor_crc_errors": "checksum errors",
    "monitor_sequence_errors": "sequence errors",
    "pyrofuse_intact": "igniter loop",
    "main_positive": "Main +",
    "main_negative": "Main −",
}
_NAMES = re.compile(r"\b(" + "|".join(CHANNEL_WORDS) + r")\b")
_YES_NO = re.compile(r"(, )?\bvalue [-+.\de]+(?=\))| \(value [-+.\de]+\)")

_MARKED = re.compile(r"`([^`]+)`")
_IN_BRACKETS = re.compile(r" \(([^()0-9]+)\)")  # said before: "Interlock loop open (interlock loop)"


def plain(text: str) -> str:
    """A text with the names of channels and contactors in words, and without values that only mean yes or no."""
    text = _NAMES.sub(lambda found: CHANNEL_WORDS[found[0]], _YES_NO.sub("", text)).replace(" ()", "")
    return _IN_BRACKETS.sub(lambda found: "" if found[1].lower() in text[: found.start()].lower() else found[0], text)


def unmarked(text: str) -> str:
    """A text of the catalogue for a screen: names of commands, which it has in backticks, in quotation marks."""
    return _MARKED.sub("“\\1”", text)


def sentence(text: str) -> str:
    """The same with a capital at its start."""
    text = plain(text)
    return text[:1].upper() + text[1:]

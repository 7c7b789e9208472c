"""What each command will do, in words, before it is given. Pure: from the state to the text of a dialog."""

from __future__ import annotations

from typing import Any, NamedTuple

from ionward.dashboard import figures
from ionward.dashboard.facts import Facts
from ionward.dashboard.overview import bus_word
from ionward.image.faults import BY_ID
from ionward.runtime.service_locks import LOCKS, checks_of

State = dict[str, Any]


class Question(NamedTuple):
    """A dialog: what is asked, what will happen step by step, what to mind, and the word on the button."""

    title: str
    steps: tuple[str, ...]
    mind: str
    button: str


def question(command: str, state: State, facts: Facts) -> Question:
    """What to ask before this command is given.

    Raises:
        KeyError: there is no such command.
    """
    return QUESTIONS[command](state, facts)


def _connect(state: State, facts: Facts) -> Question:
    steps = ["Main − closes, and the bus must stay dead."]
    bus_v, pack_v = figures.pack_voltage(state["bus_voltage_v"]), figures.pack_voltage(state["pack_voltage_v"])
    if bus_word(state, facts) == "live":
        steps = [f"The bus is live ({figures.one(bus_v)}); it must match the pack ({figures.one(pack_v)})."]
    elif facts.precharge:
        ohm = figures.one(figures.resistance(facts.precharge_ohm))
        steps.append(f"Precharge closes: the bus rises through {ohm} to {figures.one(pack_v)}.")
    steps += ["Main + closes." + (" Precharge opens." if facts.precharge else ""), "Current may flow."]
    mind = f"The bus carries {figures.one(pack_v)} afterwards. Make sure that nobody works on the load side."
    return Question("Connect the pack?", tuple(steps), mind, "Connect")


def _disconnect(state: State, _: Facts) -> Question:
    current = figures.one(figures.current(state["current_a"]))
    steps = (
        f"The current ({current} now) is given time to fall.",
        "Main + opens, then Main −; opening is proven by feedback or by the bus.",
        "The load loses its supply. The pack stays in standby until someone connects it.",
    )
    return Question("Disconnect the pack?", steps, "", "Disconnect")


def _acknowledge(state: State, _: Facts) -> Question:
    waiting = [fault["name"] for fault in state["faults"] if fault["latched"] and not fault["service"]]
    waiting += [f"trip ({reason})" for reason in _trips(state)]
    told = tuple(f"{name[:1].upper()}{name[1:]} is taken as seen." for name in waiting) or (
        "Nothing waits to be acknowledged now.",
    )
    steps = (*told, "The pack does not close by itself: connect it afterwards.")
    return Question("Acknowledge?", steps, "You state that the cause has been found and is gone.", "Acknowledge")


def _trips(state: State) -> list[str]:
    """Why the driver and the guard have tripped, where they have."""
    trip, guard = state["trip"], state["guard"]
    out = [trip["reason"]] if trip["tripped"] else []
    return out + ([f"guard: {guard['trip_reason']}"] if guard["tripped"] else [])


def _clear(_: State, __: Facts) -> Question:
    steps = (
        "Faults that are over and do not wait to be acknowledged are taken out of the fault memory, with their frames.",
        "Faults that stand or wait stay, and so do their reactions. Acknowledge them first.",
        "The log of events and the recordings keep them all.",
    )
    return Question("Clear faults?", steps, "", "Clear faults")


def _balance_now(state: State, _: Facts) -> Question:
    difference = figures.one(figures.difference(state["cell_voltage_difference_v"]))
    steps = (
        f"Cells above the lowest are bled from now on ({difference} apart now), without waiting for the usual start.",
        "Bleeding warms the boards; it stops above their temperature limit and while a fault stands.",
    )
    return Question("Balance now?", steps, "", "Balance now")


def _balance_auto(_: State, __: Facts) -> Question:
    return Question(
        "Balance by the rules?", ("Bleeding starts and stops at the differences in the pack file.",), "", "Automatic"
    )


def _balance_off(_: State, __: Facts) -> Question:
    steps = ("No cell is bled until someone switches balancing on again.",)
    return Question("Switch balancing off?", steps, "Cells drift apart in weeks without it.", "Switch off")


QUESTIONS = {
    "connect": _connect,
    "disconnect": _disconnect,
    "acknowledge": _acknowledge,
    "clear_faults": _clear,
    "balance_now": _balance_now,
    "balance_auto": _balance_auto,
    "balance_off": _balance_off,
}
DONE = {
    "connect": "Accepted. The sequence runs; its state is shown above.",
    "disconnect": "Accepted. The pack opens its contactors in order.",
    "acknowledge": "Acknowledged.",
    "clear_faults": "Cleared what could be cleared.",
    "balance_now": "Balancing runs.",
    "balance_auto": "Balancing follows the rules again.",
    "balance_off": "Balancing is off.",
}
RELEASED = "Released. The pack stays open until someone connects it."


def release_question(fault: str, state: State) -> Question:
    """What to ask before a lock is released: all that must have been checked.

    Raises:
        KeyError: this fault is no lock.
    """
    name = {lock: BY_ID[lock].name for lock in LOCKS}[fault]
    held = next((item for item in state["faults"] if item["id"] == fault and item["latched"]), None)
    where = f": {held['where']}" if held and held["where"] else ""
    low_v, cell = figures.one(figures.figure(state["cell_voltage_min_v"], 3, "V")), state["cell_voltage_min_cell"]
    lowest = f" The lowest cell now is cell {cell} at {low_v}." if cell >= 0 else ""
    mind = f"You state that all of this has been done.{lowest} The pack stays open until someone connects it."
    return Question(f"Release the lock “{name}{where}”?", checks_of(fault), mind, "Release")


def refused(reason: str) -> str:
    """Why not, as a sentence."""
    reason = reason.strip().rstrip(".") or "no reason was given"
    return f"Refused: {reason}."

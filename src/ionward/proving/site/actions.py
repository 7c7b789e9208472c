"""What a scenario does to a site between two cycles: commands, faults and troubles, and their ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ionward.proving.simulation import PURPOSES, fault_words
from ionward.proving.site.checks import unit_number
from ionward.proving.site.scenario import SPEAKER, SiteCommand, SiteInjection, SiteScenario, Trouble
from ionward.proving.site.world import SiteWorld
from ionward.twin.faults import Undo, inject

Do = Callable[[], str]


class Action(NamedTuple):
    """Something that happens before a cycle. `do` says to which unit it did, as a name; empty: to the site."""

    tick: int
    words: str
    do: Do


def actions_of(sim: SiteWorld, scenario: SiteScenario, tick_at: Callable[[float], int]) -> list[Action]:
    """Everything that a scenario does, in order."""
    actions = [Action(tick_at(c.at_s), command_words(c), _commander(sim, c)) for c in scenario.command]
    for fault in scenario.fault:
        words, (begin, end) = fault_words(fault), _injector(sim, fault)
        actions.append(Action(tick_at(fault.at_s), words, begin))
        if fault.for_s is not None:
            actions.append(Action(tick_at(fault.at_s + fault.for_s), f"{words} ends", end))
    for trouble in scenario.trouble:
        words, (begin, end) = trouble_words(trouble, _names(sim)), _troubler(sim, trouble)
        actions.append(Action(tick_at(trouble.at_s), words, begin))
        if trouble.for_s is not None and trouble.freeze is None:
            after = "is started anew" if trouble.kill is not None else f"{words} ends"
            actions.append(Action(tick_at(trouble.at_s + trouble.for_s), after, end))
    return sorted(actions, key=lambda action: action.tick)


def number_of(sim: SiteWorld, unit: str | int) -> int | None:
    """The unit that is meant now; None: the speaker is meant, and nobody speaks."""
    number = unit_number(sim.site, unit)
    if number is None and unit == SPEAKER:
        return sim.speaker if sim.speaker >= 0 else None
    return number


def _name(sim: SiteWorld, number: int | None) -> str:
    return "" if number is None else sim.site.units[number].name


def _names(sim: SiteWorld) -> list[str]:
    return [unit.name for unit in sim.site.units]


def command_words(command: SiteCommand) -> str:
    """A command as a person would say it."""
    words = []
    if command.connect is not None:
        words.append("connect" if command.connect else "disconnect")
    if command.purpose is not None:
        words.append(f"purpose {command.purpose}")
    if command.leave is not None:
        words.append("is taken out" if command.leave else "may come back")
    if command.acknowledge:
        words.append("acknowledge")
    if command.balancing is not None:
        words.append(f"balancing {'allowed' if command.balancing else 'forbidden'}")
    return ", ".join(words) or "nothing"


def _commander(sim: SiteWorld, wanted: SiteCommand) -> Do:
    def do() -> str:
        number = None if wanted.unit is None else number_of(sim, wanted.unit)
        for k, unit in enumerate(sim.units):
            if number not in (None, k):
                continue
            if wanted.connect is not None:
                unit.wish["connect"] = wanted.connect
            if wanted.purpose is not None:
                unit.wish["purpose"] = PURPOSES[wanted.purpose]
            if wanted.leave is not None:
                unit.wish["leave"] = wanted.leave
            if wanted.acknowledge:
                unit.command["acknowledge_count"] += 1
            if wanted.balancing is not None:
                unit.command["balancing_allowed"] = wanted.balancing
        return _name(sim, number)

    return do


def _injector(sim: SiteWorld, fault: SiteInjection) -> tuple[Do, Do]:
    undo: list[Undo] = []
    number = None if fault.unit is None else number_of(sim, fault.unit)

    def begin() -> str:
        plant = sim.bus_as_plant() if number is None else sim.units[number].plant
        undo.append(inject(plant, fault.name, fault.place, fault.value))
        return _name(sim, number)

    def end() -> str:
        undo.pop()()
        return _name(sim, number)

    return begin, end


def trouble_words(trouble: Trouble, names: Sequence[str]) -> str:
    """A trouble as a person would say it; units that it tells by their number are told by their `names`."""
    kind = trouble.kinds[0]
    if kind in ("kill", "restart", "freeze"):
        words = {"kill": "its unit is gone", "restart": "its unit is started anew", "freeze": "its unit stands still"}
        return words[kind] + (f" for {trouble.for_s:g} s" if kind == "freeze" else "")
    if kind == "cut":
        named = [[unit if isinstance(unit, str) else names[unit] for unit in side] for side in trouble.cut or []]
        sides = [", ".join(side) for side in named]
        return f"network cut: {' | '.join(sides)}" + (" | the rest" if len(sides) == 1 else "")
    if kind == "delay_s":
        return f"messages take up to {1000 * (trouble.delay_s or 0):g} ms"
    if kind == "drift_ppm":
        return f"its clock runs {trouble.drift_ppm:+g} ppm fast"
    share = {"loss": "are lost", "duplicate": "come twice", "corrupt": "are broken"}
    return f"{100 * getattr(trouble, kind):g} % of messages {share[kind]}"


def _troubler(sim: SiteWorld, trouble: Trouble) -> tuple[Do, Do]:
    """How a trouble begins and ends. The unit that it hits is found when it begins: the speaker may be meant."""
    kind = trouble.kinds[0]
    value = getattr(trouble, kind)
    hit: list[int | None] = []

    def begin() -> str:
        named = value if kind in ("kill", "restart", "freeze") else trouble.unit
        number = None if named is None else number_of(sim, named)
        hit.append(number)
        if named is not None and number is None:
            return "nobody speaks, so nothing happens"
        if kind == "kill":
            sim.kill(int(number or 0))
        elif kind == "restart":
            sim.start(int(number or 0))
        elif kind == "freeze":
            sim.freeze(int(number or 0), float(trouble.for_s or 0.0))
        elif kind == "cut":
            sim.cut([{k for unit in side if (k := number_of(sim, unit)) is not None} for side in value])
        elif kind == "delay_s":
            sim.delay(value, number)
        elif kind == "drift_ppm":
            sim.drift(int(number or 0), value)
        else:
            sim.spoil(kind, value, number)
        return _name(sim, number)

    def end() -> str:
        number = hit.pop()
        if kind == "kill" and number is not None:
            sim.start(number)
        elif kind == "cut":
            sim.cut([])
        elif kind == "delay_s":
            sim.delay(None, number)
        elif kind == "drift_ppm" and number is not None:
            sim.drift(number, 0.0)
        elif kind not in ("kill", "drift_ppm"):
            sim.spoil(kind, 0.0, number)
        return _name(sim, number)

    return begin, end

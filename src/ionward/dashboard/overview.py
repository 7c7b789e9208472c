"""The overview as plain values: state, figures, limits, faults and the single-line diagram. `Live.state()` comes in."""

from __future__ import annotations

from typing import Any

from ionward.dashboard import figures
from ionward.dashboard.facts import Facts
from ionward.dashboard.figures import UNKNOWN, known
from ionward.dashboard.words import plain, sentence, unmarked

State = dict[str, Any]
Item = dict[str, Any]

# State of the sequence: word, level.
STATE_WORDS = {
    "init": ("Starting", "info"),
    "standby": ("Standby", "none"),
    "precharge": ("Precharging", "info"),
    "closing": ("Closing", "info"),
    "connected": ("Connected", "ok"),
    "opening": ("Opening", "info"),
    "fault": ("Fault", "fault"),
}
# Connected, with one direction blocked.
ONE_WAY_WORDS = {"charge": "Discharge only", "discharge": "Charge only"}
LEVEL_NAMES = {"info": "Info", "warning": "Warning", "fault": "Fault", "critical": "Critical"}
RESTING_SHARE = 0.002  # of the rated current: below it nothing is said to flow
SILENT = {"control_silent": "control", "driver_silent": "the sensors' process", "guard_silent": "the guard"}
GUESSED = "What is shown here is the last that was heard. Treat the pack as live."


def overview(state: State, facts: Facts) -> Item:
    """Everything that the overview shows, in words and figures."""
    fresh = not state["stale"]
    return {
        "fresh": fresh,
        "banners": banners(state),
        "state": state_card(state),
        "soc": soc_card(state),
        "power": power_card(state, facts),
        "voltage": voltage_card(state, facts),
        "temperature": temperature_card(state),
        "limits": [limit_bar(state, facts, "discharge"), limit_bar(state, facts, "charge")],
        "faults": [fault_item(fault) for fault in state["faults"]],
        "commands": commands(state, facts),
        "pack": facts.drawing(),
        "diagram": diagram(state, facts),
        "facts": fact_line(state, facts),
    }


def frame(state: State) -> Item:
    """What the frame around every screen shows: how fresh the data are, and how many faults there are."""
    age_s = state["image_age_s"]
    fresh = not state["stale"]
    said = "no data yet" if age_s is None else f"stale: {figures.span(age_s)} old"
    levels = [item["level"] for item in (*state["faults"], *state["alarms"]) if item["level"] in LEVEL_NAMES]
    gravest = max(levels, key=list(LEVEL_NAMES).index) if levels else ""
    return {
        "fresh": "live" if fresh else "stale",
        "age": "live" if fresh else said,
        "level": gravest,
        "count": len(levels),
        "title": STATE_WORDS.get(state["state"], (state["state"], ""))[0] if fresh else "No fresh data",
    }


def banners(state: State) -> list[Item]:
    """What an operator must know before anything else: stale data, trips, missing enables, faults to acknowledge."""
    out: list[Item] = []
    age_s = state["image_age_s"]
    silent = [name for key, name in SILENT.items() if any(alarm["id"] == key for alarm in state["alarms"])]
    if state["stale"]:
        title = "No data yet" if age_s is None else f"No fresh data for {figures.span(age_s)}"
        who = f" Silent: {', '.join(silent)}. See the system's page." if silent else ""
        out.append(_banner("stale", "critical", title, GUESSED + who))
    for alarm in state["alarms"]:
        if not (state["stale"] and alarm["id"] in SILENT):
            waits = alarm["id"] in ("driver_tripped", "guard_tripped")
            out.append(_banner(alarm["id"], alarm["level"], sentence(alarm["text"]), alarm["action"], waits))
    missing = [name for name, given in state["enables"].items() if not given]
    tripped = any(alarm["id"] in ("driver_tripped", "guard_tripped") for alarm in state["alarms"])
    if missing and not tripped and not state["stale"]:
        out.append(_missing_enables(state, missing))
    waiting = [fault for fault in state["faults"] if fault["latched"]]
    out += [_locked(fault) for fault in waiting if fault["service"]]
    latched = [fault for fault in waiting if not fault["service"]]
    if latched and not tripped:
        out.append(_latched(latched))
    return out + [_masked(mask) for mask in state["masks"]]


def _masked(mask: Item) -> Item:
    """A fault that somebody has taken the protection from, for as long as that lasts."""
    now = ""
    if mask["level"] != "none":
        held = mask["masked_level"]
        now = f"It stands now{f'; without the mask: {LEVEL_NAMES[held].lower()}' if held != 'info' else ''}. "
    text = f"{now}Told only, nothing reacts to it until {mask['until']}. {mask['owner']}: {mask['reason']}"
    return _banner(f"mask-{mask['fault']}", "mask", f"Masked: {mask['name']}", text)


def _locked(fault: Item) -> Item:
    """A lock, which no acknowledging takes away."""
    where = f", {plain(fault['where'])}" if fault["where"] else ""
    still = "The cause still stands. " if fault["active"] else ""
    text = f"{still}Released only by a service action, once what caused it has been examined."
    banner = _banner(f"lock-{fault['id']}", fault["level"], f"The pack is locked: {fault['name']}{where}", text)
    return banner | {"release": "" if fault["active"] else fault["id"]}


def _latched(latched: list[Item]) -> Item:
    gravest = max((fault["level"] for fault in latched), key=list(LEVEL_NAMES).index)
    names = ", ".join(fault["name"] for fault in latched[:2]) + (" and others" if len(latched) > 2 else "")
    many = len(latched) > 1
    active = any(fault["active"] for fault in latched)
    title = f"{f'{len(latched)} faults wait' if many else 'A fault waits'} to be acknowledged: {names}"
    gone = "their causes are gone" if many else "its cause is gone"
    text = f"{'They' if many else 'It'} can be acknowledged when {gone}."
    return _banner("latched", gravest, title, text if active else "Find the cause, then acknowledge.", not active)


def _banner(key: str, level: str, title: str, text: str, acknowledge: bool = False) -> Item:
    return {"key": key, "level": level, "title": title, "text": text, "acknowledge": acknowledge, "release": ""}


def _missing_enables(state: State, missing: list[str]) -> Item:
    if "guard" in missing and state["guard"]["reason"]:
        title = f"The guard withholds its enable: {state['guard']['reason']}"
    else:
        who = " and ".join("control's" if name == "control" else "the guard's" for name in missing)
        title = f"No enable: {who} is missing"
    return _banner("enables", "warning", title, "Contactors cannot be closed without both enables.")


def state_card(state: State) -> Item:
    """The state in a word, what holds it there, and for how long."""
    word, level = STATE_WORDS.get(state["state"], (state["state"], "info"))
    if state["state"] == "fault" and state["fault_level"] == "critical":
        level = "critical"
    if state["state"] == "connected" and state["blocked"]:
        word, level = ONE_WAY_WORDS[state["blocked"]], "warning"
    since = figures.span(state["state_since_s"])
    detail = state["state_reason"].capitalize() if state["state_reason"] else ""
    missing = [name for name, given in state["enables"].items() if not given]
    enables = f"No enable of {' and '.join(missing)}" if missing else "Both enables given"
    return {
        "word": word if not state["stale"] else f"{word}?",
        "level": level if not state["stale"] else "stale",
        "since": "" if since == UNKNOWN else f"for {since}",
        "detail": detail,
        "enables": enables,
    }


def soc_card(state: State) -> Item:
    """SOC with its uncertainty: one standard deviation each way, as numbers and as a band."""
    soc, std = state["soc"], state["soc_std"]
    sure = known(soc) and known(std)
    band = [max(0.0, soc - std), min(1.0, soc + std)] if sure else None
    energy = figures.energy(state["remaining_energy_wh"])
    return {
        "value": figures.percent(soc),
        "plus_minus": f"± {figures.text(100 * std, 1)} %" if sure else "uncertainty not known",
        "share": soc if known(soc) else None,
        "band": band,
        "energy": "" if energy["v"] == UNKNOWN else f"{figures.one(energy)} left",
        "note": "" if state["estimate_ready"] else "not started from a measurement yet",
    }


def direction_of(current_a: Any, facts: Facts) -> int:
    """1 charging, -1 discharging, 0 resting or not known."""
    rated_a = min(facts.charge_max_a, facts.discharge_max_a)
    if not known(current_a) or abs(current_a) < RESTING_SHARE * rated_a:
        return 0
    return 1 if current_a > 0 else -1


def power_card(state: State, facts: Facts) -> Item:
    """Power with its direction in a word, and the current with its sign."""
    way = direction_of(state["current_a"], facts)
    word = {1: "Charging", -1: "Discharging", 0: "Resting"}[way] if known(state["current_a"]) else "Not known"
    quality = state["current_quality"]
    return {
        "value": figures.power(state["power_w"]),
        "direction": way,
        "word": word,
        "current": figures.current(state["current_a"]),
        "note": "" if quality == "good" else f"current is {quality}",
    }


def bus_word(state: State, facts: Facts) -> str:
    """Whether the bus is live, by its voltage."""
    bus_v = state["bus_voltage_v"]
    if not known(bus_v):
        return "not measured"
    return "live" if abs(bus_v) >= facts.dead_v else "dead"


def voltage_card(state: State, facts: Facts) -> Item:
    """Voltage of the pack and of the bus, and how far the cells are apart."""
    return {
        "pack": figures.pack_voltage(state["pack_voltage_v"]),
        "bus": figures.pack_voltage(state["bus_voltage_v"]),
        "bus_word": bus_word(state, facts),
        "cells": f"cells {figures.text(state['cell_voltage_min_v'], 3)} … "
        f"{figures.measure(state['cell_voltage_max_v'], 'V', 3)}",
    }


def temperature_card(state: State) -> Item:
    """Hottest and coldest cell sensor."""
    fitted = state["temperature_sensors"] > 0
    lost = state["temperature_sensors"] - state["temperatures_usable"]
    return {
        "max": figures.temperature(state["temperature_max_c"]),
        "min": figures.temperature(state["temperature_min_c"]),
        "max_who": _sensor(state["temperature_max_sensor"]),
        "min_who": _sensor(state["temperature_min_sensor"]),
        "note": "no sensors fitted" if not fitted else f"{lost} of {state['temperature_sensors']} lost" if lost else "",
    }


def _sensor(number: int) -> str:
    return f"sensor {number}" if number >= 0 else ""


def limit_bar(state: State, facts: Facts, way: str) -> Item:
    """One direction's limit as shares of its rating, with what sets it in words."""
    limits = state["limits"]
    limit_a, pulse_a, rated_a = limits[f"{way}_a"], limits[f"{way}_pulse_a"], getattr(facts, f"{way}_max_a")
    scale_a = max(getattr(facts, f"{way}_pulse_a"), rated_a)
    current_a = state["current_a"]
    flows = known(current_a) and (current_a > 0) == (way == "charge")
    used_a = abs(current_a) if flows else 0.0
    over = known(pulse_a) and used_a > 1.02 * max(pulse_a, limit_a or 0.0) + RESTING_SHARE * rated_a
    voltage_v = state["pack_voltage_v"]
    power = figures.power(limit_a * voltage_v if known(limit_a) and known(voltage_v) else None)
    rule = limits[f"{way}_rule"]
    if rule == "none":
        why = "Nothing limits it"
    elif rule == "pack not connected":
        why = "Would be allowed: the pack is not connected"
    else:
        why = plain(limits[f"{way}_reason"])
    return {
        "key": way,
        "name": way.capitalize(),
        "value": figures.current(limit_a, sign=False),
        "power": "" if power["v"] == UNKNOWN else figures.one(power),
        "why": why,
        "set_by": rule not in ("none", "pack not connected"),
        "allowed": _share(limit_a, scale_a),
        "pulse": _share(pulse_a, scale_a),
        "used": _share(used_a, scale_a),
        "over": bool(over),
        "now": f"now {figures.one(figures.current(used_a, sign=False))}" if flows and used_a else "",
        "scale": f"{scale_a:g} A",
        "pulse_text": ""
        if not known(pulse_a)
        else f"{facts.pulse_s:g} s: {figures.one(figures.current(pulse_a, False))}",
    }


def _share(value: Any, whole: float) -> float:
    return float(round(min(1.0, max(0.0, value / whole)), 4)) if known(value) and whole > 0 else 0.0


def fault_item(fault: Item) -> Item:
    """One fault in plain words: what it is, where, what it means and what to do."""
    said = [sentence(fault["where"])] if fault["where"] else []
    if known(fault["value"]) and fault["unit"]:
        said.append(f"{fault['value']:.4g} {fault['unit']}".replace("-", figures.MINUS))
    locked = fault["service"] and fault["latched"]
    if fault["active"]:
        status = "" if not fault["latched"] else "locked" if locked else "latched"
        if fault["masked"]:
            status = "masked: nothing reacts to it" + (f", {status}" if status else "")
    else:
        cools = f"cools down for another {figures.span(fault['cools_s'])}" if fault["cools_s"] else ""
        status = "over, " + ("locked" if locked else cools or "waits to be acknowledged")
    return {
        "id": fault["id"],
        "level": fault["level"],
        "level_name": LEVEL_NAMES.get(fault["level"], fault["level"]),
        "name": fault["name"],
        "detail": " · ".join([*said, *([status] if status else [])]),
        "meaning": unmarked(fault["meaning"]),
        "action": unmarked(fault["action"]),
        "since": "" if fault["since_s"] is None else f"for {figures.span(fault['since_s'])}",
        "locked": bool(locked),
    }


def commands(state: State, facts: Facts) -> list[Item]:
    """Buttons, with the one that is most likely meant now as the primary one. Each asks before it acts."""
    latched = [fault for fault in state["faults"] if fault["latched"]]
    tripped = bool(state["trip"]["tripped"] or state["guard"]["tripped"])
    ours = [fault for fault in latched if not fault["service"]]
    waits = tripped or bool(ours and not any(fault["active"] for fault in ours))
    items = []
    if facts.contactors:
        ready = state["state"] == "standby" and not latched and not tripped and not state["stale"]
        items += [("connect", "Connect …", ready), ("disconnect", "Disconnect …", False)]
    items += [("acknowledge", "Acknowledge …", waits), ("clear_faults", "Clear faults …", False)]
    if facts.balancing:
        items.append(("balance", "Balance …", False))
    if facts.simulated:
        items.append(("inject", "Inject …", False))
    return [{"key": key, "name": name, "primary": primary} for key, name, primary in items]


def diagram(state: State, facts: Facts) -> Item:
    """The single-line diagram: contactors as driven and as fed back, what is live, and where current flows."""
    closed = {name: position == "closed" for name, position in state["contactors"].items()}
    driven = {name: position == "closed" for name, position in state["contactors_driven"].items()}
    contactors = {
        name: {"closed": closed[name], "driven": driven[name], "word": contactor_word(closed[name], driven[name])}
        for name in closed
    }
    fused = state["fuse_blown"] is not True and state["pyrofuse"] != "fired"
    way = direction_of(state["current_a"], facts)
    path = _path(closed, facts) if way and fused and not state["stale"] else ""
    word = {1: "gives power", -1: "takes power", 0: "at rest"}[way]
    return {
        "fresh": not state["stale"],
        "contactors": contactors,
        "fuse": None if state["fuse_blown"] is None else "blown" if state["fuse_blown"] else "intact",
        "pyrofuse": state["pyrofuse"],
        "fused": fused,
        "bus_live": bus_word(state, facts) == "live" or not facts.contactors,
        "pack": figures.one(figures.pack_voltage(state["pack_voltage_v"])),
        "bus": figures.one(figures.pack_voltage(state["bus_voltage_v"])),
        "bus_word": bus_word(state, facts),
        "current": figures.one(figures.current(state["current_a"])),
        "soc": state["soc"],
        "load": word,
        "path": path,
        "flow": _flow(state["current_a"], facts) if path else 0.0,
        "words": _diagram_words(state, facts, contactors),
    }


def contactor_word(closed: bool, driven: bool) -> str:
    """A contactor's position, and what is driven where that is not the same."""
    if closed == driven:
        return "closed" if closed else "open"
    return "is closed, driven open" if closed else "is open, driven closed"


def _path(closed: dict[str, bool], facts: Facts) -> str:
    """Which way the current takes: over the main contactors, over the precharge resistor, or none."""
    if not facts.contactors:
        return "main"
    if facts.one_way:  # through a switch, or past it through its diode
        mains = closed.get("main_positive") or closed.get("main_negative")
        return "main" if mains else "precharge" if closed.get("precharge") else ""
    if not closed.get("main_negative"):
        return ""
    if closed.get("main_positive"):
        return "main"
    return "precharge" if closed.get("precharge") else ""


def _flow(current_a: Any, facts: Facts) -> float:
    """How fast the dashes run, signed: 0.15 for a trickle, 1 at the rated current and above."""
    if not known(current_a):
        return 0.0
    rated_a = facts.charge_max_a if current_a > 0 else facts.discharge_max_a
    speed = min(1.0, 0.15 + 0.85 * abs(current_a) / rated_a)
    return float(round(speed if current_a > 0 else -speed, 3))


def _diagram_words(state: State, facts: Facts, contactors: dict[str, Item]) -> str:
    """The diagram for who cannot see it."""
    parts = [f"{facts.contactor_names[name]} {item['word']}" for name, item in contactors.items()]
    parts.append(f"pack {figures.one(figures.pack_voltage(state['pack_voltage_v']))}")
    parts.append(f"bus {figures.one(figures.pack_voltage(state['bus_voltage_v']))}, {bus_word(state, facts)}")
    parts.append(f"current {figures.one(figures.current(state['current_a']))}")
    return "Single-line diagram: " + "; ".join(parts)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count or 'no'} cells"


def fact_line(state: State, facts: Facts) -> list[Item]:
    """Small facts below the diagram."""
    items = [
        ("Cells", f"{figures.one(figures.difference(state['cell_voltage_difference_v']))} apart"),
        ("Balancing", _cells(state["balancing_cells"]) if facts.balancing else "none"),
        ("SOH", figures.one(figures.percent(state["soh"]))),
        ("Insulation", figures.one(figures.resistance(state["insulation_ohm"]))),
        ("Interlock", {True: "closed", False: "open", None: UNKNOWN}[state["hvil_closed"]]),
        (
            "Coolant",
            f"{figures.text(state['coolant_inlet_c'], 1)} → {figures.measure(state['coolant_outlet_c'], '°C', 1)}",
        ),
        ("Ambient", figures.one(figures.temperature(state["ambient_c"]))),
        ("Charged", figures.measure(state["charge_throughput_ah"], "Ah", 1)),
        ("Discharged", figures.measure(state["discharge_throughput_ah"], "Ah", 1)),
    ]
    return [{"name": name, "value": value} for name, value in items if not value.startswith(UNKNOWN)]

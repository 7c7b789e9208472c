"""The report of a proof as one self-contained HTML page, fit to be handed to an assessor and to be printed."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import ionward
from ionward.errors import UserError
from ionward.image.fault_levels import LEVEL_NAMES, resolved_levels
from ionward.image.faults import BY_ID, FAULTS
from ionward.image.masks import name_of
from ionward.image.summary import pack_summary
from ionward.proving.prove.cases import Case, CaseRunner, alike
from ionward.proving.prove.html_style import STYLE
from ionward.proving.prove.invariants import INVARIANT_SIGNALS
from ionward.proving.prove.loop import TRACE
from ionward.proving.prove.points import BY_NAME as POINTS
from ionward.proving.prove.proof import Proof
from ionward.proving.prove.random_scenario import GUARDED_EVERY
from ionward.proving.prove.svg import reaction

TRACED_S = 400.0
TRACED_TICKS_MAX = 200_000

METHOD = (
    "Every fault is made to stand in the simulated battery alone (a cell's real charge or heat, a wire, a contact, a "
    "sensor), never in the BMS: not in its samples, its image or its rules. The BMS is the very code that runs in the "
    "field; battery and BMS run in closed loop in simulated time.",
    "How strong a fault is made follows from this pack's own ladder: a little beyond the threshold and the sensor's "
    "tolerance together, so that no sensor within its tolerance can hide it.",
    "Times count from the moment at which the true value in the battery passes that line, or from the injection where "
    "there is no such value. “Told”: the fault's level is reached in the image. “Open”: no current can "
    "flow any more (contacts truly open, or a fuse). The budget is the fault tolerant time interval (FTTI) of the "
    "catalogue or of the pack file. A time of 0 means: then, or already before the tolerance was used up.",
    "Faults of levels warning and info open nothing; they have to be told within the budget.",
    "Not part of this proof: the wall-clock behaviour of the processes (`ionward bench reaction`, `ionward bench "
    "failures`), and whether the simulated battery and sensors behave as the real ones: that is for the integrator.",
)
EXCUSED = (
    "A value whose only sensor is falsified at that moment (a second, independent fault that hides the first). A "
    "sensor that is silent or gives no value is not excused.",
    "A path that is welded at both poles in a pack without pyrofuse: nothing that the BMS may do opens it.",
    "Temperatures are judged where a sensor sits.",
    "Closing the negative contactor onto a positive one that was welded before: this is how a weld is found.",
)


def write_html(path: Path, proof: Proof, parameters: Any) -> None:
    """Write the report.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.write_text(page(proof, parameters), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--html {path}: cannot be written: {error.strerror}; name another file") from None


def page(proof: Proof, parameters: Any) -> str:
    """The whole page."""
    name = proof.system.system.name
    body = [
        _head(proof),
        _masks(proof),
        _failures(proof),
        _overview(proof),
        _faults(proof, CaseRunner(proof.system, parameters)),
        _guard(proof),
        _drives(proof),
        _campaign(proof),
        _method(proof),
        _pack(proof),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}: proof</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> str:
    """Cells are HTML already. The table scrolls where the screen is narrow."""
    heads = "".join(f"<th>{h}</th>" for h in head)
    lines = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:.1f}&nbsp;s" if abs(value) >= 10_000 else f"{value:.0f}&nbsp;ms"


def _mark(ok: bool) -> str:
    return '<span class="good">✓</span>' if ok else '<span class="bad">✗</span>'


def _masks(proof: Proof) -> str:
    rows = [[escape(name_of(m)), escape(m.owner), escape(m.reason), escape(m.until)] for m in proof.masks]
    if not rows:
        return ""
    return (
        '<section><h2 class="bad">Masked: not proven</h2><p>These faults are told at level info at most, and nothing '
        "reacts to them.</p>" + _table(["fault", "owner", "why", "until"], rows) + "</section>"
    )


def _head(proof: Proof) -> str:
    badge = '<span class="badge good">proven</span>' if proof.ok else '<span class="badge bad">not proven</span>'
    bad = len(proof.failed)
    tiles = [
        (f"{len(proof.cases) - bad} of {len(proof.cases)}",
         f"cases of {len({c.fault for c in proof.cases})} faults in time", not bad),
    ]  # fmt: skip
    if proof.guard_cases:
        good = sum(c.ok for c in proof.guard_cases)
        tiles.append((f"{good} of {len(proof.guard_cases)}", "faults of control and guard opened in time",
                      good == len(proof.guard_cases)))  # fmt: skip
    if proof.drives:
        hours = sum(d.simulated_s for d in proof.drives) / 3600
        tiles.append((str(proof.false_trips), f"false trips in {hours:.1f} fault-free hours", not proof.false_trips))
    if proof.campaign is not None:
        c = proof.campaign
        tiles.append((str(len(c.violations)), f"broken invariants in {c.simulated_h:.1f} h of random faults",
                      not c.violations))  # fmt: skip
    shown = "".join(
        f'<div class="tile {"good" if ok else "bad"}"><b>{escape(number)}</b><span>{escape(words)}</span></div>'
        for number, words, ok in tiles
    )
    return (
        f"<header><h1>{escape(proof.system.system.name)} {badge}</h1>"
        "<p>Every fault of the catalogue, injected into the simulated battery; detection and reaction measured in "
        f'simulated time and compared with the budget.</p><div class="tiles">{shown}</div></header>'
    )


def _failures(proof: Proof) -> str:
    rows = [
        [f'<a href="#{c.fault}">{escape(BY_ID[c.fault].name)}</a>', escape(c.level),
         escape(", ".join(points).replace("_", " ")), escape(c.place), escape(c.reason)]
        for points, c in alike(proof.failed)
    ]  # fmt: skip
    rows += [["control or guard", "", escape(c.operating_point), escape(c.name), escape(f"{c.told_by}; {c.reason}")]
             for c in proof.guard_cases if not c.ok]  # fmt: skip
    if not rows:
        return ""
    return (
        "<section><h2>What failed, and why</h2>" + _table(["fault", "level", "at", "place", "why"], rows) + "</section>"
    )


def _point(case: Case) -> str:
    return case.operating_point.replace("_", " ")


def _groups(proof: Proof) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for fault in FAULTS:
        found = [c for c in proof.cases if c.fault == fault.id]
        if found:
            groups[fault.id] = found
    return groups


def _share(case: Case) -> float:
    """How much of the budget was used; beyond everything where it never came."""
    margin = case.margin_ms
    return 1e9 if margin is None else (case.budget_ms - margin) / case.budget_ms


def _overview(proof: Proof) -> str:
    rows = []
    for fault, cases in _groups(proof).items():
        slowest = max(cases, key=_share)
        share = _share(slowest)
        used = min(max(share, 0.0), 1.0)
        kind = "bad" if share > 1 else "good"
        filled = f'<i class="{kind}" style="width:{100 * used:.1f}%"></i>'
        bar = f'<div class="bar" title="{100 * min(share, 99):.0f} % of the budget">{filled}</div>'
        needed = slowest.opened_ms if slowest.opens else slowest.detected_ms
        bad = sum(not c.ok for c in cases)
        rows.append([
            _mark(not bad), f'<a href="#{fault}">{escape(BY_ID[fault].name)}</a>', cases[0].requirement,
            f"{len(cases) - bad} of {len(cases)}", _ms(slowest.detected_ms),
            _ms(slowest.opened_ms) if slowest.opens else "–",
            _ms(slowest.budget_ms), _ms(slowest.margin_ms if needed is not None else None), bar,
        ])  # fmt: skip
    head = ["", "fault", "requirement", "in time", "told after", "open after", "budget", "margin", "budget used"]
    return (
        "<section><h2>Reaction times against the budget</h2><p>The slowest case of each fault.</p>"
        + _table(head, rows, "overview")
        + "</section>"
    )


def _faults(proof: Proof, runner: CaseRunner) -> str:
    parts = ["<section><h2>Each fault</h2>"]
    for fault, cases in _groups(proof).items():
        row = BY_ID[fault]
        failed = any(not c.ok for c in cases)
        slowest = max(cases, key=_share)
        levels = [
            [name, f"{level.set:g} {row.unit}", f"{level.clear:g} {row.unit}", str(level.delay_samples),
             f"{1000 * level.delay_s:g} ms"]
            for name, level in zip(LEVEL_NAMES, resolved_levels(row, proof.system), strict=True) if level
        ]  # fmt: skip
        ways = []
        for injected in dict.fromkeys(c.injected for c in cases):
            same = [c for c in cases if c.injected == injected]
            worst = max(same, key=_share)
            points = ", ".join(dict.fromkeys(_point(c) for c in same))
            notes = next((c.reason for c in [worst, *same] if c.reason), "")
            ways.append([_mark(all(c.ok for c in same)), escape(injected), escape(points),
                         escape(", ".join(dict.fromkeys(c.place for c in same))), str(len(same)),
                         _ms(worst.detected_ms), _ms(worst.opened_ms) if worst.opens else "–",
                         _ms(worst.budget_ms), _ms(worst.margin_ms), escape(notes)])  # fmt: skip
        head = ["", "injected how", "at", "place", "cases", "told after", "open after", "budget", "margin", "notes"]
        parts.append(
            f'<details id="{fault}"{" open" if failed else ""}><summary>{_mark(not failed)} {escape(row.name)} '
            f'<code>{fault}</code> <span class="dim">{row.requirement}, DTC {row.dtc:06X}</span></summary>'
            f"<p>{escape(row.meaning)}</p>{_picture(runner, slowest)}{_table(head, ways)}"
            f"{_table(['level', 'set', 'clear', 'samples', 'time'], levels, 'small')}</details>"
        )
    return "".join([*parts, "</section>"])


def _picture(runner: CaseRunner, case: Case) -> str:
    """The slowest reaction, run once more and drawn."""
    if case.task is None:
        return ""
    ticks = min(round(TRACED_S / runner.system.cycle.period_s), TRACED_TICKS_MAX)
    trace = np.full((ticks, len(TRACE)), np.nan)
    again = runner.run(case.task, trace)
    if not isinstance(again, Case) or again.stands_s is None:
        return ""
    trace = trace[np.isfinite(trace[:, TRACE.time_s])]
    drawn = reaction(
        trace, again.stands_s, again.threshold, BY_ID[case.fault].unit, case.budget_ms / 1000,
        None if again.detected_ms is None else again.detected_ms / 1000,
        None if again.opened_ms is None or not again.opens else again.opened_ms / 1000,
    )  # fmt: skip
    if not drawn:
        return ""
    return (
        f"<figure>{drawn}<figcaption>{escape(case.injected)}: {escape(_point(case))}, {escape(case.place)}, level "
        f'{escape(case.level)}. <span class="key true">true</span> <span class="key judged">as judged</span> '
        '<span class="key wall">from here on it stands</span></figcaption></figure>'
    )


def _guard(proof: Proof) -> str:
    if not proof.guard_cases:
        return ""
    rows = [
        [_mark(c.ok), escape(c.name), escape(c.injected), escape(c.operating_point), escape(c.told_by),
         _ms(c.detected_ms), _ms(c.opened_ms), _ms(c.budget_ms), escape(c.reason)]
        for c in sorted(proof.guard_cases, key=lambda c: c.ok)
    ]  # fmt: skip
    head = ["", "what", "injected how", "at", "told by", "told after", "open after", "budget", ""]
    return (
        "<section><h2>Control and guard broken</h2><p>Control, guard and the driver's two enables in simulated time. "
        "Where control no longer reacts, a fault of the battery is made to stand beside it.</p>"
        + _table(head, rows)
        + "</section>"
    )


def _drives(proof: Proof) -> str:
    if not proof.drives:
        return ""
    rows = [
        [_mark(d.ok), escape(d.cycle), escape(d.sensors), f"{d.simulated_s:.0f} s",
         escape("; ".join(f"{e['text']} at {e['time_s']:.1f} s" for e in d.raised[:3]) or "nothing")]
        for d in proof.drives
    ]  # fmt: skip
    return (
        "<section><h2>Fault-free drives</h2><p>Every sensor errs by its whole tolerance, and has its noise; nothing of "
        "level warning or above may be raised.</p>"
        + _table(["", "cycle", "sensors", "simulated", "raised"], rows)
        + "</section>"
    )


def _campaign(proof: Proof) -> str:
    c = proof.campaign
    if c is None:
        return ""
    rows = [
        [escape(v.sentence()), f"{v.time_s:.2f} s", escape("; ".join(v.words) or "none"),
         f"<code>{escape(v.command(c.file, c.seed))}</code>"]
        for v in c.violations
    ]  # fmt: skip
    found = _table(["what", "at", "faults that it takes", "replay with"], rows) if rows else "<p>None was broken.</p>"
    broken = {v.invariant for v in c.violations}
    invariants = "".join(
        f"<li>{_mark(s.name not in broken)} never: {escape(s.meaning)}</li>" for s in INVARIANT_SIGNALS
    )
    excused = "".join(f"<li>{escape(words)}</li>" for words in EXCUSED)
    return (
        f"<section><h2>Random faults</h2><p>Seed {c.seed}: {len(c.finished)} scenarios of one to four random faults at "
        f"random times, places and strengths, {c.simulated_h:.2f} simulated hours, {c.ticks:,} ticks; one in "
        f"{GUARDED_EVERY} with the guard and the driver's enables in the loop. After every tick:</p>"
        f'<ul class="plain">{invariants}</ul>{found}<p>Excused, and nothing else:</p><ul>{excused}</ul></section>'
    )


def _method(proof: Proof) -> str:
    points = [[escape(p.name.replace("_", " ")), escape(p.words)] for p in POINTS.values()]
    unproven = [[f"<code>{escape(fault)}</code>", escape(why or "its levels are switched off, or nothing is fitted")]
                for fault, why in proof.unproven()]  # fmt: skip
    left_out = _table(["not injected", "why"], unproven) if unproven and proof.drives else ""
    return (
        "<section><h2>How it was proven</h2><ul>"
        + "".join(f"<li>{escape(words)}</li>" for words in METHOD)
        + "</ul>"
        + _table(["operating point", "meaning"], points)
        + left_out
        + "</section>"
    )


def _pack(proof: Proof) -> str:
    summary = pack_summary(proof.system)
    pack = summary["pack"]
    rows = [
        ["file", escape(summary["file"])],
        ["profile, cell", escape(f"{summary['profile']}, {summary['cell']['title']}")],
        ["cells", f"{pack['cells_in_series']} in series, {pack['cells_in_parallel']} in parallel"],
        ["energy", f"{pack['energy_kwh']:.1f} kWh"],
        ["voltage", f"{pack['voltage_min_v']:.0f} to {pack['voltage_max_v']:.0f} V"],
        ["cycle", f"{1000 * proof.system.cycle.period_s:g} ms"],
        *([escape(name), f"{value:g}"] for name, value in summary["limits"].items()),
        ["Ionward", ionward.__version__],
        ["Python, NumPy", f"{platform.python_version()}, {np.__version__}"],
        ["doubts about the pack file", escape("; ".join(summary["doubts"]) or "none")],
    ]
    return "<section><h2>The pack</h2>" + _table(["", ""], rows, "small") + "</section>"

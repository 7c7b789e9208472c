"""The tables of docs/safety, made from the facts. A page takes one by a line `<!-- table: NAME -->`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from ionward.errors import UserError
from ionward.image.build import load_pack
from ionward.image.faults import BY_ID, FAULTS
from ionward.safety_case.case import Case, Technical, load_case
from ionward.safety_case.reaction import Reaction, reactions
from ionward.safety_case.trace import PACKAGE, Trace, find_tests, trace

_TABLE = re.compile(r"^<!-- table: ([a-z0-9-]+) -->$", re.MULTILINE)
FEW_GOALS = 3
EXAMPLES = PACKAGE.parents[1] / "examples"


def filled(page: str, where: str = "page") -> str:
    """A page with its tables in place of the lines that name them.

    Raises:
        UserError: a line names a table that does not exist.
    """

    def table(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in TABLES:
            raise UserError(f"{where}: there is no table '{name}'; allowed: {', '.join(TABLES)}")
        return TABLES[name]()

    return _TABLE.sub(table, page)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    return line(header) + line(["---"] * len(header)) + "".join(map(line, rows))


def _anchor(name: str) -> str:
    return f'<span id="{name.lower()}">{name}</span>'


def _links(names: Iterable[str], page: str = "") -> str:
    return ", ".join(f"[{name}]({page}#{name.lower()})" for name in names)


def hazards() -> str:
    """Hazards with the harm that they do."""
    return table(("id", "hazard", "harm"), ((_anchor(h.id), h.name, h.harm) for h in load_case().hazards))


def events_ev() -> str:
    """Hazardous events of a vehicle with S, E, C and the ASIL that follows."""
    names = {h.id: h.name for h in load_case().hazards}
    return table(
        ("id", "hazard", "situation", "S, E, C", "ASIL proposed", "why", "goals"),
        (
            (_anchor(e.id), names[e.hazard], e.situation, f"S{e.severity}&nbsp;E{e.exposure}&nbsp;C{e.controllability}",
             f"**{e.asil}**", e.why, _links(e.goals, "goals.md"))
            for e in load_case().events if e.setting == "ev"
        ),
    )  # fmt: skip


def events_stationary() -> str:
    """Hazardous events of a storage system with a class and an integrity."""
    names = {h.id: h.name for h in load_case().hazards}
    return table(
        ("id", "hazard", "situation", "IEC 60730-1 class proposed", "integrity proposed", "why", "goals"),
        (
            (_anchor(e.id), names[e.hazard], e.situation, e.control_class, e.integrity, e.why,
             _links(e.goals, "goals.md"))
            for e in load_case().events if e.setting == "stationary"
        ),
    )  # fmt: skip


def goal_ftti_s(case: Case, goal: str) -> tuple[float, str] | None:
    """Shortest budget among the faults of the catalogue that open the contactors for a goal, and its fault.

    What serves most goals alike (the guard, samples that cannot be right) says nothing about one of them.
    """
    own = {f.id for f in case.functional if goal in f.goals and len(f.goals) <= FEW_GOALS}
    serving = [
        (fault.ftti_s, fault.id)
        for fault in FAULTS
        if (fault.fault or fault.critical)
        and (requirement := case.requirement.get(fault.requirement))
        and own & set(requirement.fulfils)
    ]
    return min(serving) if serving else None


def goals() -> str:
    """Safety goals with safe state, shortest FTTI, ASIL and standards."""
    case = load_case()

    def ftti(goal: str) -> str:
        shortest = goal_ftti_s(case, goal)
        return f"{shortest[0]:g} s (`{shortest[1]}`)" if shortest else "–"

    def highest(goal: str) -> str:
        return max((e.asil for e in case.events if goal in e.goals and e.setting == "ev"), key="QM A B C D".find)

    return table(
        ("id", "goal", "safe state", "shortest FTTI", "ASIL proposed", "asked for by"),
        ((_anchor(g.id), g.text, g.safe_state, ftti(g.id), highest(g.id), "; ".join(g.standards)) for g in case.goals),
    )


def functional() -> str:
    """Functional requirements."""
    return table(
        ("id", "the BMS", "for", "others must add"),
        ((_anchor(f.id), f.text, _links(f.goals, "goals.md"), f.also or "–") for f in load_case().functional),
    )


def _technical(wanted: Callable[[Technical], bool]) -> str:
    case = load_case()

    def about(r: Technical) -> str:
        if not r.fault:
            return r.text
        return f"{r.text} {'*Planned:*' if case.is_planned(r) else 'Fault:'} `{r.fault}`."

    rows = sorted((r for r in case.technical if wanted(r)), key=lambda r: r.id)
    return table(("id", "requirement", "fulfils"), ((_anchor(r.id), about(r), _links(r.fulfils)) for r in rows))


def technical_faults() -> str:
    """Technical requirements of single faults."""
    return _technical(lambda r: bool(r.fault))


def technical_others() -> str:
    """All other technical requirements."""
    return _technical(lambda r: not r.fault)


def failures(kind: str) -> str:
    """FMEA rows of one kind."""
    return table(
        ("part", "failure", "effect without measure", "met by", "what is left"),
        (
            (f.part, f.mode, f.effect, _links(f.met_by, "requirements.md"), f.left or "–")
            for f in load_case().failures
            if f.kind == kind
        ),
    )


def assumptions() -> str:
    """What must hold outside this software."""
    return table(
        ("id", "about", "assumption", "otherwise"),
        ((_anchor(a.id), a.about, a.text, a.otherwise) for a in load_case().assumptions),
    )


def dependences() -> str:
    """What control and guard share."""
    return table(
        ("shared", "kind", "failure", "against it", "what is left"),
        ((d.shared, d.kind, d.failure, d.against, d.left) for d in load_case().dependences),
    )


def coverage() -> str:
    """Diagnostic coverage proposed for each fault, with its argument."""
    case = load_case()
    rows = sorted((r for r in case.technical if r.fault), key=lambda r: (case.is_planned(r), r.id))
    return table(
        ("fault", "requirement", "coverage proposed", "seen", "not seen"),
        (
            (f"`{r.fault}`{' (planned)' if case.is_planned(r) else ''}", _links((r.id,), "requirements.md"), r.coverage,
             r.seen, r.unseen)
            for r in rows
        ),
    )  # fmt: skip


def deviations() -> str:
    """ISO 26262-6, table by table."""
    text = ""
    for name, methods in groupby(load_case().methods, key=lambda m: m.table):
        rows = [(m.method, m.state if m.state == "done" else f"**{m.state}**", m.here or "–") for m in methods]
        text += f"### Table {name}\n\n{table(('method', 'state', 'here'), rows)}\n"
    return text


def deviation_count() -> str:
    """How many methods are done, partly done and not."""
    methods = load_case().methods
    states = ("done", "partly", "not done", "not applicable")
    return table(states, [[str(sum(m.state == s for m in methods)) for s in states]])


def reaction_rows(rows: Iterable[Reaction]) -> str:
    """Reaction times as a table, in milliseconds."""

    def ms(seconds: float) -> str:
        return f"{1000 * seconds:.0f}" if seconds else "–"

    return table(
        ("fault", "level", "shown", "believed", "decided", "passed on", "open", "bound", "FTTI", "in time"),
        (
            (f"`{r.fault}`", r.level, ms(r.shown_s), ms(r.believed_s), ms(r.decided_s), ms(r.passed_on_s),
             ms(r.open_s) if r.opens else "told", ms(r.total_s), ms(r.budget_s), "yes" if r.in_time else "**no**")
            for r in rows
        ),
    )  # fmt: skip


def _reactions_of(example: str) -> str:
    system, _ = load_pack(EXAMPLES / f"{example}.toml")
    rows = reactions(system)
    late = sum(not r.in_time for r in rows)
    summary = f"{len(rows)} answers, {late} of them later than their FTTI when the load draws on to the end."
    return f"{summary}\n\n{reaction_rows(rows)}"


@cache
def _trace() -> Trace:
    return trace(load_case(), find_tests())


def matrix() -> str:
    """Each requirement with goals, faults, code and tests."""

    def short(test: str) -> str:
        path, _, name = test.partition("::")
        return f"`{Path(path).stem}::{name}`"

    def listed(parts: Iterable[str]) -> str:
        return "<br>".join(parts) or "–"

    return table(
        ("requirement", "goals", "fault", "code", "tests"),
        (
            (_links((name,), "requirements.md"), _links(t.goals, "goals.md"),
             listed(f"`{f}`" for f in t.faults) if not t.planned else f"`{t.requirement.fault}` (planned)",
             listed(f"`{place}`" for place in t.code), listed(short(test) for test in t.tests))
            for name, t in sorted(_trace().requirements.items())
        ),
    )  # fmt: skip


def trace_summary() -> str:
    """How much is traced, and what is wrong with it."""
    traced = _trace()
    done = [t for t in traced.requirements.values() if not t.planned]
    text = (
        f"{len(done)} technical requirements for {len(BY_ID)} faults and everything else are traced to "
        f"{len({test for t in done for test in t.tests})} tests and cases; {len(traced.planned)} more are planned."
    )
    if traced.problems:
        text += "\n\n" + "".join(f"- **{problem}**\n" for problem in traced.problems)
    return text


TABLES: dict[str, Callable[[], str]] = {
    "hazards": hazards,
    "events-ev": events_ev,
    "events-stationary": events_stationary,
    "goals": goals,
    "functional": functional,
    "technical-faults": technical_faults,
    "technical-others": technical_others,
    "failures-measurements": lambda: failures("measurement"),
    "failures-actuators": lambda: failures("actuator"),
    "failures-computing": lambda: failures("computing"),
    "assumptions": assumptions,
    "dependences": dependences,
    "coverage": coverage,
    "deviations": deviations,
    "deviation-count": deviation_count,
    "reactions-ev": lambda: _reactions_of("ev-96s"),
    "reactions-ev-fast": lambda: _reactions_of("ev-192s"),
    "reactions-storage": lambda: _reactions_of("storage-rack-240s"),
    "trace": matrix,
    "trace-summary": trace_summary,
}

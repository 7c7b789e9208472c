"""Dialogs of commands: they ask, act only when told to, and show what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from nicegui import events, ui

from ionward.dashboard import actions
from ionward.dashboard.actions import DONE, QUESTIONS, RELEASED, Question
from ionward.dashboard.facts import Facts
from ionward.runtime.live import Live
from ionward.runtime.live_commands import RELEASE, injectable, release_value
from ionward.runtime.service_locks import LOCKS

if TYPE_CHECKING:
    from ionward.twin.fault_catalogue import PlantFault

Answer = tuple[bool, str]
SHOWN_MS = 4000
BALANCING = {"balance_now": "Now …", "balance_auto": "By the rules …", "balance_off": "Off …"}
PLACE_HINTS = {
    "cell": "Cell, from 0",
    "module": "Module, from 0",
    "contactor": "Contactor",
    "main contactor": "Main contactor",
    "connector": "Connector: positive or negative",
    "sensor": "Sensor, for example: cell_voltage 17",
}


class Commands:
    """The commands of one open page."""

    def __init__(self, live: Live, facts: Facts) -> None:
        self.live, self.facts = live, facts

    def listen(self) -> None:
        """Take what buttons of the page ask for."""
        ui.on("ion_command", self._asked)

    def _asked(self, event: events.GenericEventArguments) -> None:
        asked = event.args if isinstance(event.args, dict) else {}
        command = str(asked.get("command", ""))
        if command == "inject" and self.facts.simulated:
            self._inject_dialog()
        elif command == "balance":
            self._balance_dialog()
        elif command == RELEASE and asked.get("fault") in LOCKS:
            self._release_dialog(str(asked["fault"]))
        elif command in QUESTIONS:
            self._ask(command)

    def _ask(self, command: str) -> None:
        self.live.refresh()
        question = actions.question(command, self.live.state(), self.facts)
        with _dialog() as dialog:
            _words(question)
            _ask_row(dialog, question.button, lambda: self.live.command_async(command), DONE[command])
        dialog.open()

    def _release_dialog(self, fault: str) -> None:
        self.live.refresh()
        question = actions.release_question(fault, self.live.state())

        async def release() -> Answer:
            return await self.live.command_async(RELEASE, release_value(fault))

        with _dialog() as dialog:
            _words(question, ordered=False)
            _ask_row(dialog, question.button, release, RELEASED)
        dialog.open()

    def _balance_dialog(self) -> None:
        with _dialog() as dialog:
            ui.html("<h2>Balancing</h2>", sanitize=False)
            ui.html("<p>Cells that stand above the others are bled through a resistor each.</p>", sanitize=False)
            with ui.element("div").classes("ion-row"):
                for command, words in BALANCING.items():
                    _button(words, self._after(dialog, command))
                _button("Cancel", dialog.close)
        dialog.open()

    def _after(self, dialog: ui.dialog, command: str) -> Callable[[], None]:
        """Close one dialog and ask for a command in the next."""

        def go_on() -> None:
            dialog.close()
            self._ask(command)

        return go_on

    def _inject_dialog(self) -> None:
        known = {fault.name: fault for fault in injectable()}
        with _dialog() as dialog:
            ui.html("<h2>Inject a fault</h2>", sanitize=False)
            ui.html("<p>The BMS sees it in the simulated battery as it would see a real one, and reacts to it.</p>",
                    sanitize=False)  # fmt: skip
            fields = _FaultFields(known)

            async def inject() -> Answer:
                if not fields.chosen.value:
                    return False, "choose a fault first"
                return await self.live.inject_async(fields.chosen.value, fields.place, fields.value)

            async def end_all() -> Answer:
                return await self.live.inject_async(None, end=True)

            _ask_row(dialog, "Inject", inject, "Injected. Watch the events.",
                     more=(("End all injected", end_all, "All injected faults are ended."),))  # fmt: skip
        dialog.open()


class _FaultFields:
    """Which fault, where and how strong; fields that a fault does not need are hidden."""

    def __init__(self, known: dict[str, PlantFault]) -> None:
        self._known = known
        told = {name: f"{name.replace('_', ' ').capitalize()}: {fault.meaning}" for name, fault in known.items()}
        self.chosen = ui.select(told, label="Fault", with_input=True).props("outlined options-dense")
        self._place = ui.input("Place").props("outlined")
        self._value = ui.number("Value").props("outlined")
        self.chosen.on_value_change(self._show)
        self._show()

    def _show(self) -> None:
        fault = self._known.get(self.chosen.value or "")
        self._place.visible = fault is not None and fault.place != "pack"
        self._value.visible = fault is not None and fault.takes_value
        if fault is None:
            return
        self._place.props["label"] = PLACE_HINTS.get(fault.place, "Place")
        unit = f" in {fault.unit}" if fault.unit else ""
        usual = "" if fault.default is None else f"; usually {fault.default:g}"
        self._value.props["label"] = f"{fault.value.capitalize() or 'Value'}{unit}{usual}"

    @property
    def place(self) -> str | None:
        """Where, as it was written; None where nothing was, or nothing is needed."""
        written = str(self._place.value or "").strip()
        return written if self._place.visible and written else None

    @property
    def value(self) -> float | None:
        """How strong; None for what is usual."""
        return float(self._value.value) if self._value.visible and self._value.value is not None else None


@contextmanager
def _dialog() -> Iterator[ui.dialog]:
    """A dialog whose elements stand on a card of ours; it is gone once it is closed."""
    with ui.dialog() as dialog, ui.element("div").classes("ion-dialog").props('role="dialog" aria-modal="true"'):
        dialog.on("hide", dialog.delete)
        yield dialog


def _words(question: Question, ordered: bool = True) -> None:
    steps = "".join(f"<li>{escape(step)}</li>" for step in question.steps)
    kind = "ol" if ordered and len(question.steps) > 1 else "ul"
    ui.html(f"<h2>{escape(question.title)}</h2>", sanitize=False)
    ui.html(f"<{kind}>{steps}</{kind}>", sanitize=False)
    if question.mind:
        ui.html(f'<div class="warn">{escape(question.mind)}</div>', sanitize=False)


def _button(words: str, act: Callable[[], Any], kind: str = "") -> ui.element:
    with ui.element("button").classes(f"btn {kind}").props('type="button"') as button:
        ui.html(escape(words), sanitize=False, tag="span")
    button.on("click", act)
    return button


Act = Callable[[], Awaitable[Answer]]


def _ask_row(dialog: ui.dialog, word: str, act: Act, done: str, more: tuple[tuple[str, Act, str], ...] = ()) -> None:
    """Cancel, and what acts; below it what became of it. A refusal stays to be read, a success closes by itself."""
    told = ui.html("", sanitize=False).props('role="status"')
    told.visible = False
    busy = False

    async def run(act: Act, done: str) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            accepted, reason = await act()
        finally:
            busy = False
        told.content = escape(done if accepted else actions.refused(reason))
        told.classes(replace="done" if accepted else "refused")
        told.visible = True
        if accepted:
            row.clear()
            with row:
                _button("Close", dialog.close)
            await asyncio.sleep(SHOWN_MS / 1000)
            if not dialog.is_deleted:
                dialog.close()

    with ui.element("div").classes("ion-row") as row:
        for words, other, then in more:
            _button(words, partial(run, other, then))
        _button("Cancel", dialog.close)
        _button(word, partial(run, act, done), "primary")

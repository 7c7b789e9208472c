"""The screens: one frame, and inside it the page that the address names."""

from __future__ import annotations

from html import escape

from nicegui import ui

from ionward.battery.system import System
from ionward.dashboard import profiles
from ionward.dashboard.dialogs import Commands
from ionward.dashboard.facts import Facts
from ionward.dashboard.frame import framed
from ionward.runtime.live import Live

PATHS = ("/", "/cells", "/cells/{cell}", "/trends", "/events", "/system", "/profiles")


def element(name: str, **attributes: str) -> None:
    """One of our own elements, which draws itself from live values."""
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    ui.html(f'<{name} class="ion-page"{written}></{name}>', sanitize=False)


class Screens:
    """All pages of one BMS."""

    def __init__(self, live: Live, facts: Facts) -> None:
        self.live, self.facts = live, facts
        self._profile_html = ""

    def register(self) -> None:
        """Make the pages known to nicegui; each address opens the same frame."""

        def shell() -> None:
            Commands(self.live, self.facts).listen()
            with framed(self.facts):
                ui.sub_pages(
                    {
                        "/": self.overview,
                        "/cells": self.cells,
                        "/cells/{cell}": self.cell,
                        "/trends": self.trends,
                        "/events": self.events,
                        "/system": self.system,
                        "/profiles": self.profiles,
                    }
                )

        for path in PATHS:
            ui.page(path)(shell)

    def _title(self, name: str) -> None:
        ui.page_title(f"{name} · {self.facts.name}")

    def overview(self) -> None:
        """State, power, limits, the single-line diagram, faults."""
        self._title("Overview")
        element("ion-overview")

    def cells(self) -> None:
        """All cells."""
        self._title("Cells")
        element("ion-cells", cells=str(self.facts.cells))

    def cell(self, cell: str) -> None:
        """One cell."""
        self._title(f"Cell {cell}")
        element("ion-cell", cell=cell)

    def trends(self) -> None:
        """Any signals over time."""
        self._title("Trends")
        element("ion-trends")

    def events(self) -> None:
        """What has happened."""
        self._title("Events")
        element("ion-events")

    def system(self) -> None:
        """Processes, enables, sensors, recorder."""
        self._title("System")
        element("ion-system")

    def profiles(self) -> None:
        """EV and storage side by side."""
        self._title("EV or storage")
        ui.html(f"<ion-banners></ion-banners>{self._profiles()}", sanitize=False).classes("ion-page")

    def _profiles(self) -> str:
        if not self._profile_html:
            self._profile_html = profiles.page(System.from_dict(self.live.plan.system))
        return self._profile_html

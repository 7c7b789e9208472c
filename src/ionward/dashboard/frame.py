"""The frame around every screen: navigation, name of the pack, freshness, clock, dark or light."""

from __future__ import annotations

from html import escape

from nicegui import ui

from ionward.dashboard.facts import Facts

PAGES = (
    ("/", "Overview", "M4 13a8 8 0 1 1 16 0M12 13l4-5M4 13v4h16v-4"),
    ("/cells", "Cells", "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z"),
    ("/trends", "Trends", "M4 4v16h16M7.5 15l4-5 3.5 3L20 7"),
    ("/events", "Events", "M6.5 17V11a5.5 5.5 0 0 1 11 0v6l1.8 1.6H4.7zM10.2 21h3.6M12 3v2.5"),
    ("/system", "System", "M5 5h14v6H5zM5 13h14v6H5zM8 8h.1M8 16h.1M12 8h4M12 16h4"),
    ("/profiles", "EV or storage", "M8 4v16M8 7H3.8M8 12H3.8M8 17H3.8M16 4v16M16 7h4.2M16 12h4.2M16 17h4.2"),
)
MARK = (
    '<svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" '
    'aria-hidden="true"><path d="M6 23V9M26 23V9M6 16h6M20 16h6M12 8v16M20 12v8"/></svg>'
)
SUN = "M12 4V2M12 22v-2M4 12H2M22 12h-2M6.3 6.3 4.9 4.9M19.1 19.1l-1.4-1.4M6.3 17.7l-1.4 1.4M19.1 4.9l-1.4 1.4"


def icon(path: str) -> str:
    """One of our line icons as SVG."""
    return f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{path}"/></svg>'


def rail_html() -> str:
    """The navigation: a rail at the side, a bar at the bottom of a phone."""
    links = "".join(
        f'<a href="{href}">{icon(path)}<span>{escape(name)}</span>'
        + ('<span class="ion-badge" role="img"></span>' if href == "/events" else "")
        + "</a>"
        for href, name, path in PAGES
    )
    return f'<div class="ion-mark" title="Ionward">{MARK}</div>{links}<span class="ion-spring"></span>'


def bar_html(facts: Facts) -> str:
    """The bar at the top."""
    theme = icon(SUN + "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z")
    return (
        f'<span class="ion-name">{escape(facts.name)}</span><span class="ion-source">{escape(facts.source)}</span>'
        '<span class="ion-spring"></span><ion-fresh></ion-fresh><ion-clock></ion-clock>'
        f'<ion-theme><button class="ion-icon-button" type="button">{theme}</button></ion-theme>'
    )


def framed(facts: Facts) -> ui.element:
    """Build the frame in the present page; what is built inside the returned element is the screen."""
    with ui.element("div").classes("ion-shell"):
        ui.html('<a class="skip" href="#main">To the content</a>', sanitize=False)
        ui.html(f'<ion-rail class="ion-rail" role="navigation" aria-label="Pages">{rail_html()}</ion-rail>',
                sanitize=False).style("display: contents")  # fmt: skip
        ui.html(bar_html(facts), sanitize=False, tag="header").classes("ion-bar")
        return ui.element("main").classes("ion-main").props('id="main" tabindex="-1"')

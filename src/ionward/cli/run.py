"""`ionward run`: the BMS in real time, on the simulated battery or on measured captures, with the dashboard."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ionward._cache import interpret_here
from ionward.errors import UserError

if TYPE_CHECKING:
    from ionward.proving.live import Prepared
    from ionward.runtime.supervisor import Supervisor

DEFAULT_HTTP = "127.0.0.1:8080"
STATUS_PERIOD_S = 1.0
PLAIN_STATUS_PERIOD_S = 10.0  # where the output is no terminal
FIRST_TICK_WAIT_S = 120.0
LOOK_PERIOD_S = 0.05


def run(
    system: Annotated[Path, typer.Argument(help="System file (TOML).")],
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further captures after --from.", metavar="[CAPTURE]…")
    ] = None,
    from_: Annotated[
        list[Path] | None, typer.Option("--from", help="Measured captures instead of a simulated battery.")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="NAME=COLUMN where a capture's columns do not say what they are.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="Scenario file (TOML), run through once; left out: the profile's, repeated.")
    ] = None,
    http: Annotated[str, typer.Option(help="Address of dashboard and API: HOST:PORT, or PORT.")] = DEFAULT_HTTP,
    http_name: Annotated[
        list[str] | None, typer.Option(help="Another host name under which it is reached, as behind a proxy.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Where state, recordings and history are kept (default: in the user's state).")
    ] = None,
    duration: Annotated[float | None, typer.Option(min=0.1, help="End after so many seconds.")] = None,
    no_dashboard: Annotated[bool, typer.Option("--no-dashboard", help="Without dashboard and API.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated battery.")] = 1,
    watchdog: Annotated[
        str | None,
        typer.Option(help="Hardware watchdog: /dev/watchdog or gpio:CHIP/LINE (default: the system file's)."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="A new simulated battery, also if one still lives.")] = False,
) -> None:
    """Run the BMS in real time until Ctrl-C, which opens the contactors and ends every process.

    Control, the guard, the driver, the recorder and the services are processes of their own; `docs/live.md` says what
    happens when one of them dies, freezes or lies.
    """
    if duration is not None and not math.isfinite(duration):
        raise UserError(f"--duration is {duration:g}, allowed: a number of seconds, 0.1 or more")
    if (more or map_) and not from_:
        raise UserError("captures and --map need --from: ionward run SYSTEM.toml --from CAPTURE…")
    if from_ and scenario is not None:
        raise UserError("--scenario and --from exclude each other: captures bring their own course of events")
    if from_ and watchdog:
        raise UserError("--watchdog and --from exclude each other: with captures nothing is driven")
    if watchdog is not None:
        _check_watchdog(watchdog)
    host, port = parse_address(http)
    console = Console(highlight=False, soft_wrap=True)
    session = Session(console, system, state_dir, host, port, tuple(http_name or ()), dashboard=not no_dashboard)
    session.open(fresh)
    try:
        driver = "io" if from_ else "plant"
        files = [*(from_ or []), *(more or [])]
        session.start(driver, lambda: _prepare(system, scenario, files, map_ or [], seed, watchdog))
        session.watch(duration)
    finally:
        troubles = session.close()
    if troubles:
        raise typer.Exit(1)


def _prepare(
    system: Path, scenario: Path | None, captures: list[Path], mapping: list[str], seed: int, watchdog: str | None
) -> Prepared:
    if not captures:
        # A battery is built, not run, in this process: it starts half a second sooner without a compiler.
        interpret_here()
    from ionward.image.build import load_pack
    from ionward.proving.live import live_scenario, prepare_captures, prepare_twin
    from ionward.proving.scenario import load_scenario

    described, _ = load_pack(system)
    if captures:
        return prepare_captures(described, captures, mapping)
    chosen = load_scenario(scenario) if scenario else live_scenario(described.system.profile)
    prepared = prepare_twin(described, chosen, repeat=scenario is None, seed=seed)
    if watchdog is not None:
        prepared.plan = replace(prepared.plan, watchdog=watchdog)
    _check_watchdog(prepared.plan.watchdog)
    return prepared


def _check_watchdog(device: str) -> None:
    """Refuse a hardware watchdog that cannot be used, before anything is started.

    Raises:
        UserError: it is no watchdog's name, is not there, or may not be written.
    """
    if device:
        from ionward.runtime.watchdog import check_watchdog

        check_watchdog(device)


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT or PORT; an IPv6 address stands in brackets.

    Raises:
        UserError: it is neither.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f"--http {text}: not an address; write HOST:PORT, as in {DEFAULT_HTTP}")
    return host, int(port)


def default_state_dir(system: Path) -> Path:
    """The folder of a system file's state."""
    from ionward.runtime.doctor_storage import default_state_folder

    return default_state_folder() / system.stem


class Session:
    """One run from its lock to its end."""

    def __init__(
        self,
        console: Console,
        system: Path,
        state_dir: Path | None,
        host: str,
        port: int,
        names: tuple[str, ...],
        dashboard: bool,
    ) -> None:
        self._console = console
        self._state_dir = (state_dir or default_state_dir(system)).absolute()
        self._host, self._port, self._names, self._dashboard = host, port, names, dashboard
        self._lock: Any = None
        self._supervisor: Supervisor | None = None
        self._folder = Path()
        self._stop_signals = 0
        self._running = False
        self._began_s = time.monotonic()

    def open(self, fresh: bool) -> None:
        """Take the state folder and the port, make the live folder, and start the processes that load longest.

        Raises:
            UserError: the folder is in use or cannot be written, or the port is taken.
        """
        from ionward.runtime.plan import live_folder_of
        from ionward.runtime.state_store import lock_state_folder
        from ionward.runtime.supervisor import Supervisor, make_live_folder

        if self._dashboard:
            check_port(self._host, self._port)
        self._lock = lock_state_folder(self._state_dir)
        self._folder = live_folder_of(self._state_dir)
        make_live_folder(self._folder)
        if fresh:
            (self._folder / "battery.bin").unlink(missing_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._supervisor = Supervisor(self._folder, self._state_dir / "log")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1
        if self._stop_signals > 2 and self._supervisor is not None:
            self._supervisor.kill()

    def start(self, driver: str, prepare: Callable[[], Prepared]) -> None:
        """Start control and the driver while the pack is being read, then the rest, and wait for the first tick.

        Raises:
            UserError: the pack or its scenario is wrong, or a process cannot start.
        """
        from ionward.image.masks import Moment, masked_words, with_masks
        from ionward.runtime.live_folder import write_live_folder
        from ionward.runtime.state_store import check_copies, last_wall_s
        from ionward.runtime.survival_record import pack_fingerprint

        supervisor = self._supervisor
        assert supervisor is not None
        supervisor.start(["control"])
        prepared = prepare()
        plan = prepared.plan
        refused = check_copies(self._state_dir, pack_fingerprint(plan.system, plan.size), time.time())
        self._simulated = plan.simulated
        supervisor.start([plan.driver_role])
        # A clock that was set back while nothing ran makes no mask longer.
        wall_s = max(time.time(), last_wall_s(self._folder, self._state_dir))
        began = Moment(wall_s, time.monotonic())
        roles = (plan.driver_role, "control", "guard", "recorder", *(("services",) if self._dashboard else ()))
        plan = replace(
            plan,
            state_dir=str(self._state_dir),
            started_wall_s=began.wall_s,
            started_monotonic_s=began.image_s,
            http_host=self._host,
            http_port=self._port,
            http_names=self._names,
            dashboard=self._dashboard,
            roles=roles,
            notes=(*masked_words(prepared.masks, began), *prepared.notes, *refused),
        )
        if prepared.plant is not None:
            from ionward.runtime.battery_file import save_plant
            from ionward.runtime.plan import PLANT_FILE

            save_plant(self._folder / PLANT_FILE, prepared.plant, prepared.fingerprint)
        write_live_folder(self._folder, plan, with_masks(prepared.parameters, prepared.masks, began))
        self._running = True
        self._tell_plan(plan, prepared)
        self._await_first_tick()
        supervisor.start(roles[2:])

    def _tell_plan(self, plan: Any, prepared: Any) -> None:
        size, out = plan.size, self._console.print
        out(
            f"[bold]{plan.name}[/]: {size.cells} cells in series, a tick each {1000 * plan.cycle_s:g} ms, on "
            f"{'a simulated battery' if plan.simulated else plan.source}"
        )
        for note in plan.notes:
            out(f"  {note}", style="bold magenta" if note.startswith("MASKED") else "dim", markup=False)

    def _await_first_tick(self) -> None:
        from ionward.image.blocks import Block

        supervisor = self._supervisor
        assert supervisor is not None
        image = Block.reader(self._folder / "image.block")
        until_s = time.monotonic() + FIRST_TICK_WAIT_S
        while image.count == 0:
            now_s = time.monotonic()
            supervisor.step(now_s)
            if supervisor.messages or supervisor.hopeless or now_s > until_s:
                raise UserError(f"the BMS did not start: {_last(supervisor) or 'control makes no tick'}")
            if self._stop_signals:
                raise KeyboardInterrupt
            time.sleep(0.005)
        self.first_tick_s = time.monotonic() - self._began_s

    def watch(self, duration_s: float | None) -> None:
        """Supervise, and show a status line, until told to stop."""
        from ionward.runtime.live import Live

        supervisor, console = self._supervisor, self._console
        assert supervisor is not None
        live = Live(self._folder)
        console.print(f"running after {self.first_tick_s:.2f} s; state, recordings and history in {self._state_dir}")
        for line in self._restored():
            console.print(f"  {line}", style="dim", markup=False)
        for line in rights_missing(self._folder, live.plan.roles):
            console.print(f"  {line}", style="yellow", markup=False)
        if self._dashboard:
            host = f"[{self._host}]" if ":" in self._host else self._host
            console.print(f"dashboard: [bold]http://{host}:{self._port}[/]   (Ctrl-C opens the contactors and ends)")
            self._tell_token()
        end_s = math.inf if duration_s is None else time.monotonic() + duration_s
        self._loop(live, supervisor, end_s)

    def _tell_token(self) -> None:
        """Beyond loopback, say what a visitor needs."""
        from ionward.gateway.access import TOKEN_FILE, TOKEN_VARIABLE, is_loopback

        if is_loopback(self._host):
            return
        given = TOKEN_VARIABLE in os.environ
        where = f"the value of {TOKEN_VARIABLE}" if given else f"in {self._state_dir / TOKEN_FILE}"
        self._console.print(f"  reachable from the network: visitors need the token, {where}", markup=False)

    def _loop(self, live: Any, supervisor: Supervisor, end_s: float) -> None:
        console, shown_s = self._console, -math.inf
        period_s = STATUS_PERIOD_S if console.is_terminal else PLAIN_STATUS_PERIOD_S
        while not self._stop_signals and (now_s := time.monotonic()) < end_s:
            supervisor.step(now_s)
            while supervisor.messages:
                self._clear_line()
                console.print(supervisor.messages.popleft(), style="yellow", markup=False)
            vital = [role for role in supervisor.hopeless if role not in ("services", "recorder")]
            if vital:
                self._clear_line()
                console.print(f"{vital[0]} ends again and again: stopping", style="red")
                break
            if now_s - shown_s >= period_s:
                shown_s = now_s
                live.refresh()
                self._status(status_line(live.state()))
            time.sleep(LOOK_PERIOD_S)
        self._clear_line()

    def _status(self, line: str) -> None:
        if self._console.is_terminal:
            print(f"\r\x1b[2K{line[: self._console.width - 1]}", end="", flush=True)
        else:
            self._console.print(line, markup=False)

    def _clear_line(self) -> None:
        if self._console.is_terminal:
            print("\r\x1b[2K", end="", flush=True)

    def _restored(self) -> list[str]:
        try:
            return [line for line in (self._folder / "restored.txt").read_text(encoding="utf-8").splitlines() if line]
        except OSError:
            return []

    def close(self) -> list[str]:
        """Open the contactors, end every process, give the folders back; what went wrong, in words."""
        supervisor = self._supervisor
        troubles: list[str] = []
        if supervisor is not None:
            if self._running:
                self._console.print("opening contactors, ending processes …", style="dim")
            troubles = supervisor.end()
            supervisor.clean()
            for trouble in troubles:
                self._console.print(trouble, style="red", markup=False)
            if self._running and not troubles:
                self._console.print("ended: contactors open, no process left")
        if self._lock is not None:
            self._lock.release()
        return troubles


def _last(supervisor: Supervisor) -> str:
    return supervisor.messages[-1] if supervisor.messages else ""


def check_port(host: str, port: int) -> None:
    """Refuse a port that cannot be used, before anything is started.

    Raises:
        UserError: it is taken, not permitted, or the host is not one of this machine.
    """
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"--http {host}:{port}: {error.strerror}; choose another port with --http, or --no-dashboard"
            ) from None


def rights_missing(folder: Path, roles: tuple[str, ...]) -> list[str]:
    """One line that says which rights real time would want and did not get; none where all is well."""
    import numpy as np

    from ionward.image.blocks import Block, BlockError
    from ionward.image.exchange import HEALTH_RECORD
    from ionward.runtime.role import REFUSED, health_block

    refused: dict[str, list[str]] = {}
    record = np.zeros(1, HEALTH_RECORD)
    for role in roles[:3]:
        try:
            Block.reader(folder / health_block(role)).latest(record.view(np.int64))
        except BlockError:
            continue
        for name, words in (("fifo", "real-time priority"), ("memory_locked", "locked memory")):
            if record[name][0] == REFUSED:
                refused.setdefault(words, []).append(role)
    if not refused:
        return []
    told = " and ".join(f"{words} ({', '.join(roles)})" for words, roles in refused.items())
    return [f"not permitted: {told}; cycles may be late. `ionward doctor` says what to change"]


def status_line(state: dict[str, Any]) -> str:
    """The state in one short line."""

    def number(name: str, digits: int, unit: str) -> str:
        value = state.get(name)
        return f"– {unit}" if value is None else f"{value:.{digits}f} {unit}"

    soc, std = state.get("soc"), state.get("soc_std")
    parts = [
        str(state["state"]),
        "SOC –" if soc is None else f"SOC {100 * soc:.1f} ± {100 * (std or 0.0):.1f} %",
        number("pack_voltage_v", 1, "V"),
        number("current_a", 1, "A"),
    ]
    limits = state.get("limits") or {}
    if limits.get("charge_a") is not None:
        parts.append(f"limits +{limits['charge_a']:.0f}/-{limits['discharge_a']:.0f} A")
    if state.get("masks"):
        parts.append(f"MASKED: {', '.join(mask['fault'] for mask in state['masks'])}")
    faults = state.get("faults") or []
    parts.append(
        f"{len(faults)} fault{'s' if len(faults) != 1 else ''}: {faults[0]['text']}" if faults else "no faults"
    )
    return " · ".join(parts)

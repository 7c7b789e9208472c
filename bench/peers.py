"""Peers in real processes, over Zenoh and loopback: how soon they notice that one is lost, and go on without it.

Three processes run the shipped peer step (`peers.unit`) in a cycle of 10 ms each, and talk over `link.zenoh`. They are
peers and nothing else: no tick, no pack. They ask for the priority of control (FIFO), and go on without where it is not
permitted. Again and again the one that speaks is harmed, at a random moment:

- `killed`: its process ends (SIGKILL).
- `frozen`: it is stopped, and goes on later (SIGSTOP, SIGCONT).
- `hung`: it hangs in a call that never returns, interpreter lock and all; its network threads go on.
- `partitioned`: it drops all that it would send and all that came in. Its connections stay, as with a cable that was
  cut a moment ago, so that nothing but silence tells.

Measured from that moment, by the one clock of the machine: until both others no longer count it (`loss_detect`), until
one of them speaks (`takeover`), and until both tell limits without its share (`reshare`).

`python bench/peers.py --rounds 200 --load 2` measures longer, beside two processes that do nothing but calculate;
`--quiet 3600` only counts how often a healthy unit was taken for lost.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

UNITS, DIGEST = 3, 0x5EED
CYCLE_S = 0.01
HARMS = ("killed", "frozen", "hung", "partitioned")
WHOLE = (1 << UNITS) - 1
SETTLED_S = 0.3  # so long all must agree before the next harm
WAITS_S = 20.0  # longer than anything takes that works


def be_unit(me: int, boot: int, endpoints: list[str], fifo: bool) -> None:
    """One unit, until it is killed. Tells each change of what it thinks as a line of JSON."""
    from ionward.link.zenoh import ZenohTransport
    from ionward.peers.message import BadMessageError, decode, encode, software_digest
    from ionward.peers.unit import OWN_RECORD, new_state, sent, step, take
    from ionward.runtime.role import PRIORITY, ask_fifo

    own = np.zeros(1, OWN_RECORD)
    for name, value in (
        ("emf_v", 350.0), ("resistance_ohm", 0.1), ("bus_v", 350.0), ("charge_limit_a", 100.0), ("soc", 0.5),
        ("discharge_limit_a", 100.0), ("soh", 1.0), ("energy_wh", 2e4), ("connected", 1), ("ready", 1),
    ):  # fmt: skip
        own[name] = value
    os.set_blocking(0, False)
    if fifo:
        ask_fifo(PRIORITY["control"])  # before the network's threads start, which inherit it
    state = new_state(me, UNITS, boot, now_us(), site=DIGEST, software=software_digest(), margin=0.0, rise_a_per_s=1e9)
    transport = ZenohTransport(me, endpoints, DIGEST)
    gc.freeze()
    cut, told, due_s = False, (), time.monotonic()
    while True:
        asked = read_command()
        if asked == "hang":
            tell(harmed_us=now_us())
            ctypes.PyDLL(None).sleep(3600)  # with the interpreter's lock held
        elif asked in ("cut", "mend"):
            cut = asked == "cut"
            tell(harmed_us=now_us())
        now, messages = now_us(), transport.receive()
        for data in () if cut else messages:
            try:
                take(state, decode(data)[0], now)
            except BadMessageError as error:
                tell(bad=str(error))
        step(state, own[0], now)
        decision = state.decision[0]
        if decision["send"] == 1:
            sent(state, now_us())
            if not cut:
                transport.send(encode(state.message[0]))
        thinks = (int(decision["view"]), int(decision["speaks"]), round(float(decision["discharge_limit_a"])))
        if thinks != told:
            told = thinks
            tell(t_us=now, view=thinks[0], speaks=thinks[1], limit_a=thinks[2])
        due_s += CYCLE_S
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        else:
            due_s = time.monotonic()


def be_echo(me: int, boot: int, endpoints: list[str]) -> None:
    """Send back what comes in, at once."""
    from ionward.link.zenoh import ZenohTransport

    transport = ZenohTransport(me, endpoints, DIGEST)
    while True:
        for data in transport.receive():
            transport.send(data)
        time.sleep(0.00005)


def now_us() -> int:
    return time.monotonic_ns() // 1000


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def read_command() -> str:
    try:
        return os.read(0, 100).decode().strip()
    except BlockingIOError:
        return ""


class Unit:
    """A unit's process, and what it told."""

    def __init__(self, me: int, boot: int, endpoints: list[str], fifo: bool) -> None:
        self.me = me
        self.told: list[dict[str, Any]] = []
        self.harmed_us = 0
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--unit", str(me), "--boot", str(boot), *([] if fifo else ["--ordinary"]),
             "--endpoints", *endpoints],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            what = json.loads(line)
            if "harmed_us" in what:
                self.harmed_us = what["harmed_us"]
            elif "view" in what:
                self.told.append(what)

    def thinks(self) -> dict[str, Any]:
        return self.told[-1] if self.told else {"t_us": 0, "view": 0, "speaks": 0, "limit_a": 0}

    def first(self, after_us: int, wanted: Callable[[dict[str, Any]], bool]) -> int | None:
        """When it first told such a thing."""
        return next((w["t_us"] for w in tuple(self.told) if w["t_us"] >= after_us and wanted(w)), None)

    def ask(self, what: str) -> int:
        """Ask it to harm itself; when it did."""
        self.harmed_us = 0
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        until(lambda: self.harmed_us > 0, f"unit {self.me} does not {what}")
        return self.harmed_us

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def until(done: Callable[[], bool], otherwise: str) -> None:
    end_s = time.monotonic() + WAITS_S
    while not done():
        if time.monotonic() > end_s:
            raise RuntimeError(f"{otherwise} after {WAITS_S:g} s")
        time.sleep(0.002)


class Bench:
    """Three units, harmed in turn."""

    def __init__(self, seed: int = 1, fifo: bool = True) -> None:
        self.chance = random.Random(seed)
        self.endpoints = [f"tcp/127.0.0.1:{port}" for port in free_ports(UNITS)]
        self.boot, self.fifo = 1, fifo
        self.units = [self.unit(me) for me in range(UNITS)]

    def unit(self, me: int) -> Unit:
        return Unit(me, self.boot, self.endpoints, self.fifo)

    def settle(self) -> Unit:
        """Wait until all hear each other and one speaks; that one."""

        def whole() -> bool:
            thinks = [unit.thinks() for unit in self.units]
            calm_us = now_us() - max(t["t_us"] for t in thinks)
            return (
                all(t["view"] == WHOLE and t["limit_a"] == 100 * UNITS for t in thinks)
                and sum(t["speaks"] for t in thinks) == 1
                and calm_us > SETTLED_S * 1e6
            )

        until(whole, f"the units do not agree: {[unit.thinks() for unit in self.units]}")
        return next(unit for unit in self.units if unit.thinks()["speaks"] == 1)

    def harm(self, how: str) -> tuple[float, float, float]:
        """Harm the speaker once; ms until it is missed, replaced, and its share given up."""
        victim = self.settle()
        others = [unit for unit in self.units if unit is not victim]
        time.sleep(self.chance.uniform(0.0, 0.04))
        began_us = now_us()
        if how == "killed":
            victim.process.send_signal(signal.SIGKILL)
        elif how == "frozen":
            victim.process.send_signal(signal.SIGSTOP)
        else:
            began_us = victim.ask("hang" if how == "hung" else "cut")
        bit = 1 << victim.me

        def firsts(wanted: Callable[[dict[str, Any]], bool]) -> list[int | None]:
            return [unit.first(began_us, wanted) for unit in others]

        found: list[list[int | None]] = []

        def over() -> bool:
            found[:] = [
                firsts(lambda w: not w["view"] & bit),
                firsts(lambda w: w["speaks"] == 1),
                firsts(lambda w: 0 < w["limit_a"] < 100 * UNITS),
            ]
            missed, replaced, shared = found
            return None not in missed and any(replaced) and None not in shared

        until(over, f"{how}: the others do not go on: {[unit.thinks() for unit in others]}")
        self._heal(victim, how)
        missed, replaced, shared = ([t for t in each if t is not None] for each in found)
        return (max(missed) - began_us) / 1e3, (min(replaced) - began_us) / 1e3, (max(shared) - began_us) / 1e3

    def _heal(self, victim: Unit, how: str) -> None:
        time.sleep(0.2)
        if how == "frozen":
            victim.process.send_signal(signal.SIGCONT)
        elif how == "partitioned":
            victim.ask("mend")
        else:
            victim.kill()
            self.boot += 1
            self.units[victim.me] = self.unit(victim.me)

    def quiet(self, seconds: float) -> int:
        """How often a healthy unit was taken for lost."""
        self.settle()
        before = [len(unit.told) for unit in self.units]
        time.sleep(seconds)
        return sum(w["view"] != WHOLE for unit, n in zip(self.units, before, strict=True) for w in unit.told[n:])

    def close(self) -> None:
        for unit in self.units:
            unit.kill()


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def percentiles(values: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(max(values), 3)}


def round_trips(number: int) -> dict[str, float]:
    """Time in ms from sending a message of a peer's size to its coming back from another process that polls for it."""
    from ionward.link.zenoh import ZenohTransport

    endpoints = [f"tcp/127.0.0.1:{port}" for port in free_ports(2)]
    echo = subprocess.Popen([sys.executable, __file__, "--echo", "--unit", "0", "--endpoints", *endpoints])
    times_ms: list[float] = []
    try:
        with ZenohTransport(1, endpoints, DIGEST) as transport:
            ends_s = time.monotonic() + WAITS_S
            while len(times_ms) < number + 50 and time.monotonic() < ends_s + number * 0.01:
                began = time.perf_counter()
                transport.send(len(times_ms).to_bytes(145, "big"))
                while time.perf_counter() - began < 0.1:
                    if len(times_ms).to_bytes(145, "big") in transport.receive():
                        times_ms.append((time.perf_counter() - began) * 1e3)
                        break
                    time.sleep(0.00005)
                time.sleep(0.002)
    finally:
        echo.kill()
        echo.wait()
    if len(times_ms) < number:
        raise RuntimeError(f"only {len(times_ms)} of {number} messages came back")
    return percentiles(times_ms[50:])


def measure(
    rounds: int, harms: tuple[str, ...] = HARMS, load: int = 0, seed: int = 1, fifo: bool = True
) -> dict[str, Any]:
    """All figures: for each measure and kind of harm p50, p99 and max in ms; `rounds` of each kind."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
    names = ("loss_detect_ms", "takeover_ms", "reshare_ms")
    figures: dict[str, Any] = {"rounds": rounds, "load": load, **{name: {} for name in names}}
    try:
        bench = Bench(seed, fifo)
        try:
            for how in harms:
                found = [bench.harm(how) for _ in range(rounds)]
                for name, values in zip(names, zip(*found, strict=True), strict=True):
                    figures[name][how] = percentiles(list(values))
        finally:
            bench.close()
        figures["round_trip_ms"] = round_trips(1000)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="of each kind of harm (default 50)")
    parser.add_argument("--harm", choices=HARMS, action="append", help="only this kind (may be given again)")
    parser.add_argument("--load", type=int, default=0, help="processes beside that only calculate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ordinary", action="store_true", help="ordinary priority, instead of control's FIFO")
    parser.add_argument("--quiet", type=float, help="only count false losses, for so many seconds")
    for name in ("--unit", "--boot"):
        parser.add_argument(name, type=int, default=None if name == "--unit" else 1, help=argparse.SUPPRESS)
    parser.add_argument("--endpoints", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.unit is not None:
        if asked.echo:
            be_echo(asked.unit, asked.boot, asked.endpoints)
        else:
            be_unit(asked.unit, asked.boot, asked.endpoints, not asked.ordinary)
    elif asked.quiet is not None:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(asked.load)]
        bench = Bench(asked.seed, not asked.ordinary)
        try:
            print(json.dumps({"quiet_s": asked.quiet, "load": asked.load, "false_losses": bench.quiet(asked.quiet)}))
        finally:
            bench.close()
            for process in busy:
                process.kill()
    else:
        print(
            json.dumps(
                measure(asked.rounds, tuple(asked.harm or HARMS), asked.load, asked.seed, not asked.ordinary), indent=2
            )
        )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    main()

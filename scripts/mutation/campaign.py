"""The campaign: a plugin of pytest that runs chosen tests against one mutant after the other.

Everything is imported and collected once; each mutant lives in a forked process, into which its code is put. So a
mutant that the first test kills costs some hundredths of a second instead of a start of pytest.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from mutation.mutants import Mutant, mutated

PACKAGE = "ionward.safety"
# A mutant that has used this many times the CPU time of its tests, and so many seconds more, hangs.
HANGS_FACTOR, HANGS_S = 4.0, 10.0
KILLED, SURVIVED, HUNG, BROKEN = "killed", "survived", "hung", "broken"


class Seen(NamedTuple):
    """What a test does on the sound code: its CPU time, whether it passes, and which functions it calls."""

    seconds: float
    passed: bool
    functions: frozenset[str]


class Outcome(NamedTuple):
    """What became of a mutant, and the test that killed it."""

    outcome: str
    test: str


def strict_settings() -> None:
    """Hypothesis: the same cases each time, and no time spent on making a failing one smaller."""
    settings.register_profile(
        "mutation", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    settings.load_profile("mutation")


class Collected:
    """Plugin: collects, then hands the tests to `work` instead of running them."""

    def __init__(self, work: Callable[[list[pytest.Item]], None]) -> None:
        self._work = work

    def pytest_configure(self) -> None:
        """After conftest has loaded its profile, before tests are imported."""
        strict_settings()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests."""
        if session.testsfailed:
            raise session.Interrupted("tests cannot be collected")
        self._work(session.items)
        return True


def _forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Run something in a process of its own; its id, and the end of a pipe that it writes to."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    code = 1
    try:
        os.close(read)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        work(write)
        code = 0
    finally:
        os._exit(code)


def _drained(read: int) -> str:
    with os.fdopen(read, "rb") as pipe:
        return pipe.read().decode()


def look(item: pytest.Item, limit_s: float) -> Seen | None:
    """Run one test on the sound code; None when it takes more CPU time than the limit."""
    child, read = _forked(lambda write: _look_inside(item, limit_s, write))
    lines = _drained(read).split("\n")
    _, status = os.waitpid(child, 0)
    if status != 0 or len(lines) < 2:
        return None
    return Seen(float(lines[1]), lines[0] == "passed", frozenset(lines[2:]))


def _look_inside(item: pytest.Item, limit_s: float, write: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    folder, called = str(Path(importlib.import_module(PACKAGE).__file__ or "").parent), set()

    def trace(frame: types.FrameType, _event: str, _argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(folder):
            called.add(f"{Path(code.co_filename).name}:{code.co_qualname.split('.<')[0]}")

    start_s = time.process_time()
    sys.settrace(trace)
    passed = _passes(item, None)
    sys.settrace(None)
    told = ["passed" if passed else "failed", str(time.process_time() - start_s), *sorted(called)]
    os.write(write, "\n".join(told).encode())


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))


class Trial:
    """One mutant under way in a process of its own."""

    def __init__(self, mutant: Mutant, source: str, items: list[pytest.Item], seconds: float) -> None:
        self.mutant = mutant
        self.child, self._read = _forked(lambda write: self._inside(source, items, seconds, write))

    def _inside(self, source: str, items: list[pytest.Item], seconds: float, write: int) -> None:
        most_s = HANGS_FACTOR * seconds + HANGS_S
        signal.setitimer(signal.ITIMER_PROF, most_s)
        signal.alarm(int(10 * most_s))  # something that waits uses no CPU time
        try:
            put_in(self.mutant, source)
        except (SyntaxError, LookupError) as error:
            os.write(write, f"{BROKEN}\n{error}".encode())
            return
        for item, following in zip(items, [*items[1:], None], strict=True):
            if not _passes(item, following):
                os.write(write, f"{KILLED}\n{item.nodeid}".encode())
                return
        os.write(write, f"{SURVIVED}\n".encode())

    def outcome(self, status: int) -> Outcome:
        """What its process has told, or how it ended without a word."""
        told = _drained(self._read)
        if not told:
            hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
            return Outcome(HUNG if hung else KILLED, "")
        outcome, test = told.split("\n", 1)
        return Outcome(outcome, test)


def put_in(mutant: Mutant, source: str) -> None:
    """Put a mutant's code into the modules as they are loaded: into this process, for good."""
    module = importlib.import_module(f"{PACKAGE}.{Path(mutant.path).stem}")
    tree = mutated(source, mutant.index)
    code = compile(tree, str(module.__file__), "exec")
    if mutant.function:
        _function(module, mutant.function).__code__ = _code(code, mutant.function)
        return
    space = {"__name__": module.__name__, "__file__": module.__file__}
    exec(code, space)
    old, new = module.__dict__[mutant.constant], space[mutant.constant]
    for other in list(sys.modules.values()):
        if getattr(other, "__dict__", {}).get(mutant.constant, None) is old:
            setattr(other, mutant.constant, new)


def _function(module: types.ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    return found.fget if isinstance(found, property) else found


def _code(code: types.CodeType, name: str) -> types.CodeType:
    """The code of a function by its qualified name."""
    for part in name.split("."):
        inner = [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == part]
        if not inner:
            raise LookupError(f"{name} is not in the changed module")
        code = inner[-1]
    return code


def users_of(path: str, constant: str) -> Iterator[str]:
    """Functions of the package that read a constant of a module, as `file:name`."""
    module = importlib.import_module(f"{PACKAGE}.{Path(path).stem}")
    value = module.__dict__[constant]
    for name, other in list(sys.modules.items()):
        if name.startswith(PACKAGE + ".") and other.__dict__.get(constant) is value:
            for thing in list(vars(other).values()):
                for function in [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]:
                    bare = function.fget if isinstance(function, property) else function
                    if inspect.isfunction(bare) and bare.__module__ == name and constant in bare.__code__.co_names:
                        yield f"{Path(bare.__code__.co_filename).name}:{bare.__qualname__}"

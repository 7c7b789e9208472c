"""What is known already: an interrupted campaign goes on, and what is unchanged is not tried again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mutation.campaign import KILLED, Outcome, Seen
from mutation.mutants import Mutant


def digest(*paths: Path) -> str:
    """A word that changes with these files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


class Journal:
    """A file of one JSON object a line. An outcome holds while the mutated module is the same and, where a test
    killed it, that test's file; else while all tests are the same. What a test does on the sound code holds while
    `ground` (all other sources) and its file are the same."""

    def __init__(self, path: Path, root: Path, ground: str, tests: list[Path], budget_s: float) -> None:
        self._path, self._root, self._ground, self._budget_s = path, root, ground, budget_s
        self._files = {str(test.relative_to(root)): digest(test) for test in tests}
        self._tests = digest(*tests) + f"/{budget_s:g}"
        self._lines: dict[str, dict[str, object]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    entry = json.loads(line)
                    self._lines[entry["key"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue  # the last line of a campaign that was killed while it wrote

    def _write(self, entry: dict[str, object]) -> None:
        self._lines[str(entry["key"])] = entry
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _test_state(self, test: str) -> str:
        return self._files.get(test.split("::")[0], "")

    def seen(self, test: str) -> Seen | bool | None:
        """What a test does on the sound code; None when it is too slow, False when nothing is known."""
        entry = self._lines.get(test)
        if entry is None or entry["state"] != self._ground + self._test_state(test):
            return False
        if entry["seconds"] is None:
            return None
        functions = str(entry["functions"]).split()
        return Seen(float(str(entry["seconds"])), bool(entry["passed"]), frozenset(functions))

    def note_seen(self, test: str, seen: Seen | None) -> None:
        """Keep what a test does on the sound code."""
        entry: dict[str, object] = {"key": test, "state": self._ground + self._test_state(test), "seconds": None}
        if seen is not None:
            functions = " ".join(sorted(seen.functions))
            entry |= {"seconds": seen.seconds, "passed": seen.passed, "functions": functions}
        self._write(entry)

    def outcome(self, mutant: Mutant, module: str) -> Outcome | None:
        """What became of a mutant of a module of this digest; None when it must be tried."""
        entry = self._lines.get(f"{mutant.path}#{mutant.index}")
        if entry is None or entry["module"] != module:
            return None
        test = str(entry["test"])
        if entry["outcome"] == KILLED and test:
            return Outcome(KILLED, test) if entry["state"] == self._test_state(test) else None
        return Outcome(str(entry["outcome"]), test) if entry["state"] == self._tests else None

    def note_outcome(self, mutant: Mutant, module: str, outcome: Outcome) -> None:
        """Keep what became of a mutant."""
        by_test = outcome.outcome == KILLED and outcome.test
        self._write({
            "key": f"{mutant.path}#{mutant.index}", "module": module, "change": mutant.change,
            "outcome": outcome.outcome, "test": outcome.test,
            "state": self._test_state(outcome.test) if by_test else self._tests,
        })  # fmt: skip

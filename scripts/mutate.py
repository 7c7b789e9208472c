"""How well the protection kernel and the guard are tested: `make mutate`, or `python scripts/mutate.py`.

Sets small faults into `src/ionward/safety`, one at a time, and runs the tests of `tests/safety` that call the changed
function, with the compiler off. A fault that no test notices is a survivor. Without `--sample` all faults are tried;
with it a seeded choice. What is known from before is kept in `out/mutation.jsonl` and not tried again.

Survivors that cannot be noticed are explained in `scripts/mutation/explained.toml`. The score counts the others.
"""

from __future__ import annotations

import argparse
import inspect
import math
import os
import random
import sys
import time
import tomllib
from collections import defaultdict
from pathlib import Path

# Before anything of ours is loaded: plain Python, one thread, the same cases each time.
os.environ |= {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CI": "1"}

import pytest

from ionward.errors import UserError
from mutation.affinity import Affinity, words_of
from mutation.campaign import BROKEN, SURVIVED, Collected, Outcome, Seen, Trial, look, users_of
from mutation.journal import Journal, digest
from mutation.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
SAFETY = ROOT / "src" / "ionward" / "safety"
TESTS = ROOT / "tests" / "safety"
EXPLAINED = ROOT / "scripts" / "mutation" / "explained.toml"
# Most tests run the whole kernel. Those that ask the changed module itself are tried as if they were so much faster.
DIRECTLY = 10.0
JOURNAL = ROOT / "out" / "mutation.jsonl"


class Campaign:
    """All that one call tries and tells."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self.sources = {path.name: path.read_text() for path in chosen_files(arguments.file)}
        self._digests = {name: digest(SAFETY / name) for name in self.sources}
        ground = [*(ROOT / "src" / "ionward").rglob("*.py"), *(ROOT / "tests" / "helpers").glob("*.py")]
        tests = sorted(TESTS.glob("test_*.py"))
        self._journal = Journal(arguments.journal, ROOT, digest(*ground), tests, arguments.budget)
        every = [mutant for name, source in self.sources.items() for mutant in mutants_of(name, source)]
        sample = arguments.sample or len(every)
        self.mutants = sorted(random.Random(arguments.seed).sample(every, min(sample, len(every))))
        self.total = len(every)
        self.outcomes: dict[Mutant, Outcome] = {}
        self.explained = read_explained(self.sources)
        self._seen: dict[str, Seen] = {}
        self._killers: dict[str, list[str]] = defaultdict(list)
        self.left_out: list[str] = []

    def work(self, items: list[pytest.Item]) -> None:
        """Look at every test once on the sound code, then try the mutants."""
        by_name = {item.nodeid: item for item in items}
        self._affinity = Affinity({item.nodeid: inspect.getsource(item.function) for item in items})  # type: ignore[attr-defined]
        self._texts = {item.nodeid: Path(item.path).read_text() for item in items}
        for count, item in enumerate(items, 1):
            seen = self._journal.seen(item.nodeid)
            if isinstance(seen, bool):
                seen = look(item, self._arguments.slowest)
                self._journal.note_seen(item.nodeid, seen)
                progress(f"tests on the sound code: {count} of {len(items)}")
            if seen is None or not seen.passed:
                self.left_out.append(item.nodeid + (": too slow" if seen is None else ": fails with the compiler off"))
            else:
                self._seen[item.nodeid] = seen
        self._try_all(by_name)

    def _try_all(self, items: dict[str, pytest.Item]) -> None:
        waiting = []
        for mutant in self.mutants:
            known = self._journal.outcome(mutant, self._digests[mutant.path])
            if known is None:
                waiting.append(mutant)
            else:
                self._keep(mutant, known)
        trials: dict[int, Trial] = {}
        # Shuffled, so that an interrupted campaign is a fair sample too.
        random.Random(self._arguments.seed).shuffle(waiting)
        end_s = time.monotonic() + 60.0 * self._arguments.minutes
        while waiting or trials:
            if time.monotonic() > end_s:
                waiting.clear()
            while waiting and len(trials) < self._arguments.workers:
                mutant = waiting.pop()
                tests = self._tests_for(mutant)
                seconds = sum(self._seen[test].seconds for test in tests)
                trial = Trial(mutant, self.sources[mutant.path], [items[test] for test in tests], seconds)
                trials[trial.child] = trial
            child, status = os.wait()
            trial = trials.pop(child)
            outcome = trial.outcome(status)
            if outcome.outcome == BROKEN:
                raise UserError(f"{trial.mutant.name}: cannot be set in: {outcome.test}")
            self._journal.note_outcome(trial.mutant, self._digests[trial.mutant.path], outcome)
            self._keep(trial.mutant, outcome)
            survived = sum(o.outcome == SURVIVED for o in self.outcomes.values())
            progress(f"mutants: {len(self.outcomes)} of {len(self.mutants)}, {survived} survived")

    def _keep(self, mutant: Mutant, outcome: Outcome) -> None:
        self.outcomes[mutant] = outcome
        killers = self._killers[mutant.path + mutant.function]
        if outcome.test and outcome.test not in killers:
            killers.insert(0, outcome.test)

    def _tests_for(self, mutant: Mutant) -> list[str]:
        """Tests that call what is changed: those that killed its neighbours, then those that are fast, ask the changed
        module itself, and talk of the same things as the changed line and the two beside it. They end where they would
        take more CPU time than the budget.
        """
        called = (
            {f"{mutant.path}:{mutant.function}"} if mutant.function else set(users_of(mutant.path, mutant.constant))
        )
        killers = self._killers[mutant.path + mutant.function]
        lines = self.sources[mutant.path].splitlines()[max(mutant.line - 2, 0) : mutant.line + 1]
        words = words_of(" ".join([*lines, mutant.function, mutant.constant]))
        module = f"from ionward.safety.{Path(mutant.path).stem} import"

        def rank(test: str) -> tuple[int, float]:
            place = killers.index(test) if test in killers else len(killers)
            fast = DIRECTLY if module in self._texts[test] else 1.0
            return place, self._seen[test].seconds / fast / (1.0 + self._affinity.score(test, words)) ** 2

        able = sorted((test for test, seen in self._seen.items() if seen.functions & called), key=rank)
        total_s, chosen = 0.0, []
        for test in able:
            if total_s + self._seen[test].seconds <= self._arguments.budget:
                total_s += self._seen[test].seconds
                chosen.append(test)
        return chosen


def chosen_files(names: list[str]) -> list[Path]:
    """The modules to change: all of the room, or those named."""
    files = [path for path in sorted(SAFETY.glob("*.py")) if path.name != "__init__.py"]
    for name in names:
        if name not in [path.name for path in files]:
            raise UserError(f"--file {name}: there is no such module in {SAFETY.relative_to(ROOT)}")
    return [path for path in files if not names or path.name in names]


Spot = tuple[str, str, str, str]  # file, function or constant, source line, change


def spot_of(mutant: Mutant, sources: dict[str, str]) -> Spot:
    """What identifies a mutant for as long as its line stays as it is, wherever it moves."""
    line = sources[mutant.path].splitlines()[mutant.line - 1].strip()
    return mutant.path, mutant.function or mutant.constant, line, mutant.change


def read_explained(sources: dict[str, str]) -> dict[Spot, str]:
    """Why some survivors cannot be noticed."""
    explained = {}
    known = {spot_of(mutant, sources) for path, source in sources.items() for mutant in mutants_of(path, source)}
    for entry in tomllib.loads(EXPLAINED.read_text())["mutant"]:
        for change in entry["changes"]:
            spot = (entry["file"], entry["in"], entry["line"], change)
            if entry["file"] in sources and spot not in known:
                raise UserError(f"{EXPLAINED.name}: {': '.join(spot)}: no such mutant any more; take it out")
            explained[spot] = entry["why"]
    return explained


def progress(text: str) -> None:
    """One line that replaces itself; nothing where nobody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def report(campaign: Campaign, seed: int) -> float:
    """Print survivors and the score of each module; the score of all, in percent."""
    progress("")
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    refuted = []
    for mutant, outcome in sorted(campaign.outcomes.items()):
        key = spot_of(mutant, campaign.sources)
        row = rows[mutant.path]
        row[0] += 1
        if outcome.outcome != SURVIVED:
            row[1] += 1
            if key in campaign.explained:
                refuted.append(f"{mutant.name}: explained as not to be noticed, but killed by {outcome.test}")
        elif key in campaign.explained:
            row[2] += 1
        else:
            print(f"survived  {mutant.name}")
    for line in refuted + [f"not used  {test}" for test in campaign.left_out]:
        print(line)
    print(f"\n{'module':24}{'mutants':>9}{'killed':>8}{'explained':>11}{'survived':>10}{'score':>9}")
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    for name, (count, killed, explained) in [*sorted(rows.items()), ("all", total)]:
        score = f"{100.0 * killed / (count - explained):.1f} %" if count > explained else "-"
        print(f"{name:24}{count:9}{killed:8}{explained:11}{count - killed - explained:10}{score:>9}")
    print(f"{total[0]} of {campaign.total} mutants, seed {seed}; "
          f"{100.0 * total[1] / total[0]:.1f} % killed where explained ones count as survivors")  # fmt: skip
    return 100.0 * total[1] / max(total[0] - total[2], 1)


def main() -> int:
    """Run it; 1 when the score is below what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, chosen by the seed (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", action="append", default=[], help="only this module, such as ladder.py")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", type=float, default=30.0, help="CPU time that the tests of one mutant may take, s")
    parser.add_argument("--slowest", type=float, default=5.0, help="tests that take longer are not used, s")
    parser.add_argument("--minutes", type=float, default=math.inf, help="tell after so long what is known by then")
    parser.add_argument("--at-least", type=float, default=95.0, help="score that is asked for, percent")
    parser.add_argument("--journal", type=Path, default=JOURNAL)
    arguments = parser.parse_args()
    try:
        campaign = Campaign(arguments)
        options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::RuntimeWarning"]
        code = pytest.main([*options, str(TESTS)], plugins=[Collected(campaign.work)])
        if code or not campaign.outcomes:
            return int(code) or 1
        score = report(campaign, arguments.seed)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    if score < arguments.at_least:
        print(f"score {score:.1f} %: at least {arguments.at_least:g} % is asked for", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Makes history of finished recordings, one after the other, in a process of its own at the lowest priority."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

COMMAND = (sys.executable, "-m", "ionward.runtime.history")
PR_SET_PDEATHSIG = 1
END_WAIT_S = 1.0


class HistoryMaker:
    """`add` recordings (or folders of them) and call `poll` now and then.

    What is not done when this process ends is done by the next one, which is given the whole folder.
    """

    def __init__(
        self, history: Path, command: Sequence[str] = (sys.executable, "-m", "ionward.runtime.history")
    ) -> None:
        self.history = history
        self.failures = 0
        self._command = tuple(command)
        self._waiting: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork

    @property
    def busy(self) -> bool:
        """Something is being made, or waits for it."""
        return self._process is not None or bool(self._waiting)

    def add(self, path: Path) -> None:
        """Take a recording, or a folder of them, into the history."""
        if path not in self._waiting:
            self._waiting.append(path)

    def poll(self) -> None:
        """Begin what waits when nothing runs; never waits itself."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self.failures += code != 0
            self._process = None
        if not self._waiting:
            return
        arguments = [*self._command, *(str(path) for path in self._waiting), "--out", str(self.history)]
        self._waiting.clear()
        try:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=self._end_with_parent
            )
        except OSError:
            self.failures += 1

    def _end_with_parent(self) -> None:
        """In the new process: nothing is left behind when the recorder is killed."""
        self._libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    def end(self) -> None:
        """Stop what runs: it is done again by the next run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_WAIT_S)
            return
        process.kill()
        process.wait()

"""Where compiled code is kept, under names that every edit changes.

Numba's own cache does not see edits in functions called from other files (an old protection limit can survive
one), so each module's machine code stands in a folder named by a hash of its source and all that it imports, the Numba
version and the processor: an edit compiles again what can depend on it, and nothing else. Light on purpose: commands
look here before they load a compiler.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

# Numba reads the same variable.
jit_disabled: bool = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def interpret_here() -> None:
    """Run compiled functions as plain Python in this process. Call it before anything that compiles is imported."""
    global jit_disabled
    if "ionward._machine_code" not in sys.modules:
        jit_disabled = True


# Names of what is kept: folders of modules, and marks of what has been compiled as a whole.
_OURS = re.compile(r"\w+-[0-9a-f]{16}")
_COMPILES = re.compile(rb"^from ionward\._compile import .*\b(?:njit|inlined)\b", re.MULTILINE)
_IMPORTS = re.compile(
    rb"^[ \t]*(?:from (?P<origin>ionward[\w.]*) import (?:\((?P<many>[^)]*)\)|(?P<few>[^\n(]*))"
    rb"|import (?P<whole>ionward[\w.]*))",
    re.MULTILINE,
)


def _processor() -> str:
    """Name of the processor model and its features: compiled code of one must not run on another."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        lines = {line for line in text.splitlines() if line.startswith(("model name", "flags", "Features"))}
        return "".join(sorted(lines))
    except OSError:
        return platform.processor()


def _imported(text: bytes) -> set[str]:
    """Modules of ours that a source names in its imports; a name out of a module counts as one, and may not exist."""
    found: set[str] = set()
    for match in _IMPORTS.finditer(text):
        origin = (match["origin"] or match["whole"]).decode()
        names = re.findall(r"\w+", (match["many"] or match["few"] or b"").decode())
        found |= {origin, *(f"{origin}.{name}" for name in names)}
    return found


ROOT = Path(__file__).parent


def _sources(root: Path) -> dict[str, bytes]:
    """All sources below the package at `root`, by module name."""
    texts: dict[str, bytes] = {}
    for path in sorted(root.rglob("*.py")):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        texts[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_bytes()
    return texts


@cache
def _graph() -> tuple[dict[str, bytes], dict[str, set[str]]]:
    """Sources of this package, and what each module imports of it."""
    texts = _sources(ROOT)
    return texts, {name: _imported(text) & texts.keys() for name, text in texts.items()}


def _reached(start: set[str], imports: Callable[[str], set[str]]) -> list[str]:
    """These modules and all that they import, directly or not, in order of their names."""
    reached: set[str] = set()
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= imports(name) - reached
    return sorted(reached)


def compiled_sources(root: Path) -> dict[str, bytes]:
    """Sources below the package at `root` that compiled code can depend on, by module name.

    They are the modules that compile something, and all that these import, directly or not: screens, gateways and
    commands stay outside, so that an edit there compiles nothing again.
    """
    texts = _sources(root)
    compiling = {name for name, text in texts.items() if _COMPILES.search(text)}
    return {name: texts[name] for name in _reached(compiling, lambda name: _imported(texts[name]) & texts.keys())}


def _key(sources: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, text in sources:
        digest.update(name.encode())
        digest.update(text)
    digest.update(_build().encode())
    return digest.hexdigest()[:16]


@cache
def _build() -> str:
    return f"{sys.version} {version('numba')} {version('numpy')} {_processor()}"


@cache
def cache_key() -> str:
    """Hash over all sources that compiled code can depend on, the interpreter, Numba and the processor."""
    texts, imports = _graph()
    compiling = {name for name, text in texts.items() if _COMPILES.search(text)}
    return _key((name, texts[name]) for name in _reached(compiling, imports.__getitem__))


@cache
def module_key(name: str) -> str:
    """Hash over a module's source and all that it imports, the interpreter, Numba and the processor."""
    texts, imports = _graph()
    return _key((found, texts[found]) for found in _reached({name}, imports.__getitem__))


@cache
def module_folder(source: str) -> Path | None:
    """Folder for the compiled code of a source file of this package; None for a file that is not one."""
    try:
        parts = Path(source).resolve().relative_to(ROOT.resolve()).with_suffix("").parts
    except ValueError:
        return None
    name = ".".join((ROOT.name, *(parts[:-1] if parts[-1:] == ("__init__",) else parts)))
    return cache_folder() / f"{parts[-1]}-{module_key(name)}" if name in _graph()[0] else None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


@cache
def cache_folder() -> Path:
    """Folder for compiled code: what `NUMBA_CACHE_DIR` names, else the user's cache, else a temporary one."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("HOME") and f"{os.environ['HOME']}/.cache")
    if base:
        folder = Path(base) / "ionward" / "compiled"
        if _writable(folder):
            return folder
    folder = Path(tempfile.gettempdir()) / f"ionward-{os.getuid()}"
    _writable(folder)
    return folder


def forget_old_caches(days: float = 14.0, now_s: float | None = None) -> None:
    """Remove compiled code of earlier sources that nobody has used for so long. Other things are left alone."""
    texts, _ = _graph()
    current = {f"{name.rpartition('.')[2]}-{module_key(name)}" for name in texts}
    oldest_s = (time.time() if now_s is None else now_s) - 86400.0 * days
    for entry in cache_folder().iterdir():
        mine = _OURS.fullmatch(entry.name) is not None and entry.name not in current
        if mine and entry.stat().st_mtime < oldest_s:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)


def use_cache_folder() -> None:
    """Name the folder to Numba. Must be done before Numba is imported."""
    os.environ["NUMBA_CACHE_DIR"] = str(cache_folder())

"""Where compiled code is kept, under a name that every edit changes.

Numba's own cache does not see edits in functions called from other files (an old protection limit can survive
one), so the cache folder is named by a hash of the sources that compiled code can depend on, the Numba version and the
processor. Light on purpose: commands look here before they load a compiler.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

# Numba reads the same variable.
jit_disabled: bool = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")

_COMPILES = re.compile(rb"^from ionward\._compile import .*\b(?:njit|inlined)\b", re.MULTILINE)
_IMPORTS = re.compile(
    rb"^\s*(?:from (?P<origin>ionward[\w.]*) import (?:\((?P<many>[^)]*)\)|(?P<few>[^\n(]*))"
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


def compiled_sources(root: Path) -> dict[str, bytes]:
    """Sources below the package at `root` that compiled code can depend on, by module name.

    They are the modules that compile something, and all that these import, directly or not: screens, gateways and
    commands stay outside, so that an edit there compiles nothing again.
    """
    texts: dict[str, bytes] = {}
    for path in sorted(root.rglob("*.py")):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        texts[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_bytes()
    reached: set[str] = set()
    waiting = {name for name, text in texts.items() if _COMPILES.search(text)}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= (_imported(texts[name]) & texts.keys()) - reached
    return {name: texts[name] for name in sorted(reached)}


@cache
def cache_key() -> str:
    """Hash over the sources that compiled code can depend on, the interpreter, Numba and the processor."""
    digest = hashlib.sha256()
    for name, text in compiled_sources(Path(__file__).parent).items():
        digest.update(name.encode())
        digest.update(text)
    digest.update(f"{sys.version} {version('numba')} {version('numpy')} {_processor()}".encode())
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


def cache_folder() -> Path:
    """Folder for compiled code: the user's cache, or a private temporary one where that cannot be written."""
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("HOME") and f"{os.environ['HOME']}/.cache")
    if base:
        folder = Path(base) / "ionward" / cache_key()
        if _writable(folder):
            return folder
    folder = Path(tempfile.gettempdir()) / f"ionward-{os.getuid()}" / cache_key()
    _writable(folder)
    return folder


def forget_old_caches(keep: int = 8) -> None:
    """Remove compiled code of earlier sources, but for the newest `keep` folders."""
    here = Path(os.environ.get("NUMBA_CACHE_DIR") or cache_folder())
    if here.name != cache_key():
        return  # the user named a folder: it is not ours to tidy
    others = [f for f in here.parent.iterdir() if f.is_dir() and f != here]
    for folder in sorted(others, key=lambda f: f.stat().st_mtime, reverse=True)[keep - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


def use_cache_folder() -> None:
    """Name the folder to Numba, unless the user has named one. Must be done before Numba is imported."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(cache_folder())

"""Where source code implements requirements: ids in its text, rules of faults, functions named for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REQUIREMENT = re.compile(r"\bSR-\d{3}\b")
# The catalogue declares which requirement a fault has, and this room writes about them: neither implements one.
_DECLARED = re.compile(r'requirement="SR-\d{3}"')
_THIS_ROOM = "safety_case"


class Definition(NamedTuple):
    """A function or class: its dotted name within the file, and its lines."""

    name: str
    first: int
    last: int


class Source:
    """All Python files of the package, read once. Places are `path` or `path:name` below the package."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.trees: dict[str, ast.Module] = {}
        self.texts: dict[str, str] = {}
        for path in sorted(package.rglob("*.py")):
            name = path.relative_to(package).as_posix()
            self.texts[name] = path.read_text(encoding="utf-8")
            self.trees[name] = ast.parse(self.texts[name])

    def exists(self, place: str) -> bool:
        """A place of the form `path:function` or `path:Class.method` is there."""
        path, _, name = place.partition(":")
        return path in self.trees and (not name or any(d.name == name for d in definitions(self.trees[path])))

    def named_ids(self) -> dict[str, list[str]]:
        """Requirement -> the places whose text names it."""
        found: dict[str, list[str]] = {}
        for path, text in self.texts.items():
            if path.startswith(f"{_THIS_ROOM}/"):
                continue
            parts = list(definitions(self.trees[path]))
            for number, line in enumerate(text.splitlines(), 1):
                for name in REQUIREMENT.findall(_DECLARED.sub("", line)):
                    _add(found, name, _place(path, parts, number))
        return found

    def fault_rules(self) -> dict[str, list[str]]:
        """Fault -> the functions of the safety kernel that judge it: they name it as `FAULT_ID.<fault>`."""
        found: dict[str, list[str]] = {}
        for path, tree in self.trees.items():
            if not path.startswith("safety/"):
                continue
            parts = list(definitions(tree))
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "FAULT_ID":
                    _add(found, node.attr, _place(path, parts, node.lineno))
        return found


def definitions(tree: ast.AST, prefix: str = "") -> Iterator[Definition]:
    """Functions and classes of a file, outer ones first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            yield Definition(name, node.lineno, node.end_lineno or node.lineno)
            yield from definitions(node, f"{name}.")


def _place(path: str, parts: list[Definition], line: int) -> str:
    inside = [d for d in parts if d.first <= line <= d.last]
    return f"{path}:{inside[-1].name}" if inside else path


def _add(found: dict[str, list[str]], name: str, place: str) -> None:
    places = found.setdefault(name, [])
    if place not in places:
        places.append(place)

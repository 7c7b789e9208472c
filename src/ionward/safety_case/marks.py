"""Which tests verify which requirements, read from the tests' source without running or importing them.

    @pytest.mark.verifies("SR-129", "SR-130")      this test verifies these
    @pytest.mark.verifies(each="fault")            each case verifies the requirement of the fault that the parameter
                                                   `fault` names; the cases stand as literals in the same file

A mark may also stand on a class, or as `pytestmark` for a whole file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MARK = "verifies"


class Verifying(NamedTuple):
    """A test that verifies a requirement. `case` is the fault of a case; empty: the whole test. `line`: its mark."""

    requirement: str
    test: str
    case: str
    line: int

    @property
    def name(self) -> str:
        """The test as pytest names it, with the fault of its case."""
        return f"{self.test}[{self.case}]" if self.case else self.test


def verifying_tests(tests: Path, of_fault: Mapping[str, str]) -> tuple[list[Verifying], list[str]]:
    """All marks below the folder `tests`, and what cannot be read of them.

    Args:
        tests: folder of the tests.
        of_fault: requirement of each fault.
    """
    found: list[Verifying] = []
    problems: list[str] = []
    for path in sorted(tests.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if MARK in text:
            name = path.relative_to(tests.parent).as_posix()
            reader = _File(name, ast.parse(text), of_fault)
            reader.read()
            found += reader.found
            problems += reader.problems
    return found, problems


class _File:
    """Reads the marks of one test file."""

    def __init__(self, name: str, tree: ast.Module, of_fault: Mapping[str, str]) -> None:
        self.name, self.tree, self.of_fault = name, tree, of_fault
        self.found: list[Verifying] = []
        self.problems: list[str] = []
        self._read_marks: set[int] = set()

    def read(self) -> None:
        whole_file = [mark for value in self._pytestmarks() for mark in self._marks(value)]
        self._read_body(self.tree.body, "", whole_file)
        for node in ast.walk(self.tree):
            if _is_mark(node) and id(node) not in self._read_marks:
                self._tell(node, "this mark is on no test; write it above a test function")

    def _read_body(self, body: list[ast.stmt], prefix: str, outer: list[ast.Call]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                marks = [mark for d in node.decorator_list for mark in self._marks(d)]
                self._read_body(node.body, f"{prefix}{node.name}::", outer + marks)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marks = [mark for d in node.decorator_list for mark in self._marks(d)]
                for mark in outer + marks:
                    self._read_mark(mark, node, f"{self.name}::{prefix}{node.name}")

    def _pytestmarks(self) -> Iterator[ast.expr]:
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets
            ):
                yield from node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else (node.value,)

    def _marks(self, node: ast.expr) -> Iterator[ast.Call]:
        if isinstance(node, ast.Call) and _is_mark(node):
            self._read_marks.add(id(node))
            yield node

    def _read_mark(self, mark: ast.Call, test: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> None:
        for argument in mark.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                self.found.append(Verifying(argument.value, name, "", mark.lineno))
            else:
                self._tell(mark, 'write the requirements as text, such as "SR-129"')
        for keyword in mark.keywords:
            parameter = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg != "each" or not isinstance(parameter, str):
                self._tell(mark, 'a mark takes requirements, or each="<parameter that names the fault>"')
                continue
            faults = self._cases(test, parameter)
            if not faults:
                self._tell(mark, f"no literal cases with a parameter '{parameter}' stand in this file")
            for fault in faults:
                if fault in self.of_fault:
                    self.found.append(Verifying(self.of_fault[fault], name, fault, mark.lineno))
                else:
                    self._tell(mark, f"a case names the fault '{fault}', which is not in the catalogue")

    def _cases(self, test: ast.FunctionDef | ast.AsyncFunctionDef, parameter: str) -> list[str]:
        """Distinct texts that a test's parameter takes, in order."""
        texts: dict[str, None] = {}
        for decorator in test.decorator_list:
            if not (isinstance(decorator, ast.Call) and _attribute(decorator.func) == "parametrize"):
                continue
            names, rows = _parameter_names(decorator), self._rows(decorator)
            if parameter in names:
                for row in rows:
                    item = _item(row, names.index(parameter), len(names))
                    if isinstance(item, ast.Constant) and isinstance(item.value, str):
                        texts[item.value] = None
        return list(texts)

    def _rows(self, decorator: ast.Call) -> list[ast.expr]:
        values = decorator.args[1] if len(decorator.args) > 1 else None
        if isinstance(values, ast.Name):
            values = next((v for n, v in _assigned(self.tree) if n == values.id), None)
        return list(values.elts) if isinstance(values, ast.List | ast.Tuple) else []

    def _tell(self, node: ast.AST, what: str) -> None:
        self.problems.append(f"{self.name}:{getattr(node, 'lineno', 0)}: {what}")


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _attribute(node.func) == MARK


def _attribute(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _parameter_names(decorator: ast.Call) -> list[str]:
    names = decorator.args[0]
    if isinstance(names, ast.Constant) and isinstance(names.value, str):
        return [n.strip() for n in names.value.split(",")]
    if isinstance(names, ast.Tuple | ast.List):
        return [n.value for n in names.elts if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return []


def _item(row: ast.expr, place: int, count: int) -> ast.expr | None:
    if isinstance(row, ast.Call) and _attribute(row.func) == "param":
        return row.args[place] if place < len(row.args) else None
    if count == 1:
        return row
    return row.elts[place] if isinstance(row, ast.Tuple | ast.List) and place < len(row.elts) else None

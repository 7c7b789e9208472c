"""Which small faults can be set into a module, and how one of them is set in.

Operators: boundary and direction of comparisons, arithmetic, `and` / `or`, conditions, numbers, signs, `min` / `max`
and their kin of NumPy, answers of functions, statements left out. Not changed: annotations, decorators, texts,
definitions of classes, and `[0]` (the one record of a structured array; any other place would only crash).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "greater": "greater_equal",
    "greater_equal": "greater",
    "less": "less_equal",
    "less_equal": "less",
    "logical_and": "logical_or",
    "logical_or": "logical_and",
}


class Mutant(NamedTuple):
    """One small fault. `function` is the qualified name, empty for a constant of the module, which `constant` names."""

    path: str
    index: int
    function: str
    constant: str
    line: int
    column: int
    change: str

    @property
    def name(self) -> str:
        """Where and what, for people."""
        return f"{self.path}:{self.line}:{self.column} {self.function or self.constant}: {self.change}"


class Spot(NamedTuple):
    """A change that can be made: `make` changes the tree in place."""

    function: str
    constant: str
    node: ast.AST
    change: str
    make: Callable[[], None]


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    return [
        Mutant(path, index, spot.function, spot.constant, _line(spot.node), _column(spot.node), spot.change)
        for index, spot in enumerate(_spots(ast.parse(source)))
    ]


def mutated(source: str, index: int) -> ast.Module:
    """The module's tree with one fault in it."""
    tree = ast.parse(source)
    spot = next(spot for number, spot in enumerate(_spots(tree)) if number == index)
    spot.make()
    return ast.fix_missing_locations(tree)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _column(node: ast.AST) -> int:
    return int(getattr(node, "col_offset", 0))


def _spots(tree: ast.Module) -> Iterator[Spot]:
    # Listed first: a change made in place must not be walked into.
    yield from list(_module_spots(tree))


def _module_spots(tree: ast.Module) -> Iterator[Spot]:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            yield from _function_spots(statement, statement.name)
        elif isinstance(statement, ast.ClassDef):
            for inner in statement.body:
                if isinstance(inner, ast.FunctionDef):
                    yield from _function_spots(inner, f"{statement.name}.{inner.name}")
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if all(isinstance(n, _NUMBERS) for n in ast.walk(statement.value)):
                for spot in _expression_spots(statement, "value", None):
                    yield Spot("", name, *spot)


_NUMBERS = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop)


def _function_spots(function: ast.FunctionDef, name: str) -> Iterator[Spot]:
    for spot in _body_spots(function.body, function.returns):
        yield Spot(name, "", *spot)


Change = tuple[ast.AST, str, Callable[[], None]]


def _body_spots(body: list[ast.stmt], returns: ast.expr | None) -> Iterator[Change]:
    for place, statement in enumerate(body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        if _can_be_left_out(statement):
            yield statement, f"left out: {ast.unparse(statement)}", _setter(body, place, ast.Pass())
        if isinstance(statement, ast.Return):
            yield from _answer_spots(statement, returns)
        if isinstance(statement, (ast.If, ast.While)):
            yield from _condition_spots(statement)
        for field, value in ast.iter_fields(statement):
            if field in ("annotation", "decorator_list", "returns", "args"):
                continue
            if field in ("body", "orelse", "finalbody"):
                yield from _body_spots(value, returns)
            elif isinstance(value, ast.AST):
                yield from _expression_spots(statement, field, None)
            elif isinstance(value, list):
                for number, item in enumerate(value):
                    if isinstance(item, ast.expr):
                        yield from _expression_spots(statement, field, number)
        if isinstance(statement, ast.AugAssign) and type(statement.op) in ARITHMETIC:
            new = ARITHMETIC[type(statement.op)]()
            yield statement, f"{_sign(statement.op)}= -> {_sign(new)}=", _field(statement, "op", new)


def _can_be_left_out(statement: ast.stmt) -> bool:
    """Without it the function still runs: what it leaves behind or where it goes on is different."""
    if isinstance(statement, ast.Assign):
        return all(isinstance(part, (ast.Subscript, ast.Attribute)) for t in statement.targets for part in _parts(t))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    return isinstance(statement, (ast.AugAssign, ast.Continue)) or (
        isinstance(statement, ast.Return) and statement.value is None
    )


def _parts(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, ast.Tuple) else [target]


def _answer_spots(statement: ast.Return, returns: ast.expr | None) -> Iterator[Change]:
    """Another answer, as the function's annotation lets it be."""
    value, kind = statement.value, ast.unparse(returns) if returns is not None else ""
    if value is None or isinstance(value, (ast.Constant, ast.Compare, ast.BoolOp)):
        return
    new: ast.expr | None = None
    if kind == "bool":
        new = ast.UnaryOp(ast.Not(), value)
    elif kind in ("int", "float"):
        new = ast.BinOp(value, ast.Add(), ast.Constant(1))
    elif kind.endswith("| None"):
        new = ast.Constant(None)
    if new is not None:
        yield statement, f"return {ast.unparse(new)}", _field(statement, "value", new)


def _condition_spots(statement: ast.If | ast.While | ast.IfExp) -> Iterator[Change]:
    """The opposite of a condition that is no comparison (those are turned round anyway)."""
    test = statement.test
    if not isinstance(test, (ast.Compare, ast.BoolOp, ast.Constant)):
        yield test, f"not ({ast.unparse(test)})", _field(statement, "test", ast.UnaryOp(ast.Not(), test))


def _expression_spots(parent: ast.AST, field: str, number: int | None) -> Iterator[Change]:
    """Changes of an expression and all below it. `number` is its place where the field is a list."""
    holder: Any = getattr(parent, field)
    node = holder if number is None else holder[number]
    if not isinstance(node, ast.expr):
        return

    def put(new: ast.expr) -> Callable[[], None]:
        return _field(parent, field, new) if number is None else _setter(holder, number, new)

    yield from _own_spots(node, put)
    if isinstance(node, ast.Subscript):
        yield from _expression_spots(node, "value", None)
        if not isinstance(node.slice, ast.Constant):
            yield from _expression_spots(node, "slice", None)
        return
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, ast.keyword):
                    yield from _expression_spots(item, "value", None)
                elif isinstance(item, ast.comprehension):
                    yield from _expression_spots(item, "iter", None)
                    for condition in range(len(item.ifs)):
                        yield from _expression_spots(item, "ifs", condition)
                else:
                    yield from _expression_spots(node, name, place)
        else:
            yield from _expression_spots(node, name, None)


def _own_spots(node: ast.expr, put: Callable[[ast.expr], Callable[[], None]]) -> Iterator[Change]:
    """Changes of one node of an expression."""
    if isinstance(node, ast.Compare):
        for place, op in enumerate(node.ops):
            for new in COMPARISONS[type(op)]:
                yield node, f"{_sign(op)} -> {_sign(new())} in {ast.unparse(node)}", _setter(node.ops, place, new())
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        other = ARITHMETIC[type(node.op)]()
        yield node, f"{_sign(node.op)} -> {_sign(other)} in {ast.unparse(node)}", _field(node, "op", other)
    elif isinstance(node, ast.BoolOp):
        swapped: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield node, f"{_sign(node.op)} -> {_sign(swapped)} in {ast.unparse(node)}", _field(node, "op", swapped)
        for place, value in enumerate(node.values):
            if not isinstance(value, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
                negated = ast.UnaryOp(ast.Not(), value)
                yield value, f"not ({ast.unparse(value)})", _setter(node.values, place, negated)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield node, f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", put(node.operand)
    elif isinstance(node, ast.IfExp):
        yield from _condition_spots(node)
    elif isinstance(node, ast.Call):
        yield from _call_spots(node)
    elif isinstance(node, ast.Constant):
        number = _other_number(node.value)
        if number is not None:
            yield node, f"{node.value} -> {number}", put(ast.Constant(number))


def _call_spots(node: ast.Call) -> Iterator[Change]:
    if isinstance(node.func, ast.Name) and node.func.id in NAMES:
        new = NAMES[node.func.id]
        yield node, f"{node.func.id} -> {new} in {ast.unparse(node)}", _field(node.func, "id", new)
    elif isinstance(node.func, ast.Attribute) and node.func.attr in NAMES:
        new = NAMES[node.func.attr]
        yield node, f"{node.func.attr} -> {new} in {ast.unparse(node)}", _field(node.func, "attr", new)


def _other_number(value: object) -> bool | int | float | None:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return 2.0 * value if value else 1.0
    return None


_SIGNS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>", ast.And: "and", ast.Or: "or",
}  # fmt: skip


def _sign(op: ast.AST) -> str:
    return _SIGNS[type(op)]


def _field(node: ast.AST, name: str, new: object) -> Callable[[], None]:
    return lambda: setattr(node, name, new)


def _setter(items: list[Any], place: int, new: object) -> Callable[[], None]:
    return lambda: items.__setitem__(place, new)

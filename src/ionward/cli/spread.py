"""Options that take several values after one name: `--ocv a b c`.

The command line parser takes one value for each option name, while shells expand `--ocv *.parquet` to many.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperCommand


def spread_values(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """Repeat an option before each of its values: `--ocv a b` becomes `--ocv a --ocv b`."""
    out: list[str] = []
    current = ""
    fresh = False
    for argument in arguments:
        if argument.startswith("--"):
            name, written, _ = argument.partition("=")
            current = name if name in options else ""
            fresh = not written
            out.append(argument)
        elif current and not fresh:
            out += [current, argument]
        else:
            out.append(argument)
            fresh = False
    return out


class SpreadCommand(TyperCommand):
    """A command whose repeatable options take several values after one name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option names, then parse as usual."""
        repeatable = {name for p in self.params if getattr(p, "multiple", False) for name in p.opts}
        return super().parse_args(ctx, spread_values(args, repeatable))

"""The command line: commands are found by name and imported when used, so that each starts quickly."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

# Small matrices only: several BLAS threads cost more than they bring, tenfold on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
from typer.core import TyperGroup

import ionward
from ionward.cli.spread import SpreadCommand
from ionward.errors import UserError

# Command name -> module and function (or Typer application) below `ionward.cli`, in the order of the help page.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("check", "check"),
    "cells": ("cells", "cells_app"),
    "identify": ("identify", "identify_command"),
    "estimate": ("estimate", "estimate"),
    "run": ("run", "run"),
    "simulate": ("simulate", "simulate"),
    "replay": ("recordings", "replay"),
    "export": ("recordings", "export"),
    "plot": ("recordings", "plot"),
    "faults": ("faults", "faults"),
    "release": ("release", "release"),
    "contactors": ("contactors", "contactors"),
    "safety": ("safety", "safety_app"),
    "prove": ("prove", "prove"),
    "history": ("history", "history_app"),
    "doctor": ("doctor", "doctor"),
    "service": ("service", "service_app"),
    "demo": ("demo", "demo"),
    "warm-up": ("warmup", "warm_up"),
    "bench": ("bench", "bench"),
}


# Commands that run the tick.
COMPILED = {"run", "estimate", "simulate", "replay", "export", "plot", "demo", "prove"}


class CompiledCommand(SpreadCommand):
    """A command that needs the compiled control core: on first use it says so and shows progress."""

    def invoke(self, ctx: Any) -> Any:
        """Compile what is not in the cache, then run."""
        from ionward.cli.warmup import compile_first

        compile_first(command=ctx.info_name or "")
        return super().invoke(ctx)


def load_command(name: str) -> Any:
    """Import one command."""
    module, attribute = COMMANDS[name]
    found = getattr(import_module(f"ionward.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command = typer.main.get_command(found)
    else:
        app = typer.Typer(add_completion=False)
        app.command(name, cls=CompiledCommand if name in COMPILED else SpreadCommand)(found)
        command = typer.main.get_command(app)
    command.name = name
    return command


class LazyGroup(TyperGroup):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None when there is none of this name."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Typer would end an interrupted one without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has gone (`ionward … | head`): not an error of ours.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Ionward: a battery management system, from a single cell to a pack.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ionward {ionward.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Say the version."),
) -> None:
    """Options of all commands."""


# Typer brings a Click of its own; what it raises for a mistake on the command line is public by this name only.
UsageError: Any = typer.BadParameter.__base__


def usage_line(error: Any) -> str:
    """A mistake on the command line, in one line, with where to read on."""
    message = " ".join(error.format_message().split()).rstrip(".")
    asked = error.ctx.command_path if error.ctx is not None else "ionward"
    return f"{message[0].lower()}{message[1:]}; `{asked} --help` lists what there is"


def run(arguments: list[str] | None = None) -> None:
    """Entry point: a person's mistakes become one line each, without a traceback, and exit code 2."""
    try:
        code = app(arguments, prog_name="ionward", standalone_mode=False)
    except UserError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # nothing was asked for: the help page says what can be
            error.show()
        else:
            print(f"error: {usage_line(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    run()

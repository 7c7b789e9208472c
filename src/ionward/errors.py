"""Errors that a person can cause. Each carries one clear line: what, where, what to do."""

from __future__ import annotations


class UserError(Exception):
    """Wrong use or bad input: shown as its text alone, without a traceback, with exit code 2.

    Several problems found at once are several lines.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

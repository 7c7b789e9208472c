"""Which tests are likely to notice a fault: those that talk about the same things as the changed line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

WORD = re.compile(r"[A-Za-z]{4,}")


def words_of(text: str) -> frozenset[str]:
    """The words of a piece of code, in lower case; names are taken apart at their underscores."""
    return frozenset(word.lower() for word in WORD.findall(text))


class Affinity:
    """Words of every test; a word that few tests use tells more than one that all use."""

    def __init__(self, tests: Mapping[str, str]) -> None:
        self._words = {name: words_of(f"{name} {source}") for name, source in tests.items()}
        self._uses = Counter(word for words in self._words.values() for word in words)

    def score(self, test: str, words: frozenset[str]) -> float:
        """How much a test has to do with these words; 0 nothing."""
        shared = self._words[test] & words
        return sum(math.log(len(self._words) / self._uses[word]) for word in shared)

"""Challenge and answer: the same number in Python and in compiled code, and another one for whatever else goes in."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ionward._compile import njit
from ionward.image.challenge import mix

WORDS = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(0, 2**62 - 1)
FLOWS = st.integers(0, 2**31 - 1)

compiled_mix = njit(mix)


@given(challenge=WORDS, flow=WORDS, tick=WORDS)
@example(challenge=2**63 - 1, flow=2**63 - 1, tick=2**63 - 1)
@example(challenge=-(2**63), flow=-(2**63), tick=-(2**63))
def test_compiled_code_and_python_agree_on_every_word(challenge: int, flow: int, tick: int) -> None:
    answer = mix(challenge, flow, tick)
    assert compiled_mix(challenge, flow, tick) == answer
    assert 0 <= answer < 2**62


@given(challenge=COUNTS, flow=FLOWS, tick=COUNTS, other=COUNTS)
def test_one_thing_changed_changes_the_answer(challenge: int, flow: int, tick: int, other: int) -> None:
    answer = mix(challenge, flow, tick)
    if other != challenge:
        assert mix(other, flow, tick) != answer
    if other != tick:
        assert mix(challenge, flow, other) != answer
    if other % 2**31 != flow:
        assert mix(challenge, other % 2**31, tick) != answer


def test_challenges_made_from_a_counter_do_not_repeat() -> None:
    made = {mix(12345, count, 0) for count in range(100_000)}
    assert len(made) == 100_000
    ones = sum(bin(challenge).count("1") for challenge in made) / len(made)
    assert 30.5 < ones < 31.5

"""How a large file is cut: arithmetic, for every size that a store takes."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from s3upload.parts import (
    ABREAST,
    MIB,
    ONE_REQUEST,
    S3_LIMITS,
    USUAL_PART_SIZE,
    Limits,
    part_count,
    part_length,
    part_size_for,
)

GIB = 1024 * MIB

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LARGEST = 10_000 * 5 * GIB

sizes = st.integers(1, LARGEST) | st.integers(0, 45).flatmap(lambda n: st.integers(2**n, min(2 ** (n + 1), LARGEST)))

limits = st.builds(
    lambda smallest, further, count: Limits(smallest, smallest + further, count),
    st.integers(1, 64 * MIB),
    st.integers(0, 8 * GIB),
    st.integers(1, 20_000),
)


@given(sizes)
@example(1)
@example(ONE_REQUEST + 1)
@example(LARGEST)
@example(LARGEST - 1)
def test_limits_of_s3_are_never_passed(size: int) -> None:
    part_size = part_size_for(size)
    count = part_count(size, part_size)
    assert 1 <= count <= 10_000
    assert 5 * MIB <= part_size <= 5 * GIB
    assert 1 <= part_length(size, part_size, count) <= part_size


@given(sizes)
def test_parts_are_of_one_size_but_for_the_last_and_make_the_file(size: int) -> None:
    part_size = part_size_for(size)
    count = part_count(size, part_size)
    lengths = [part_length(size, part_size, number) for number in range(1, count + 1)]
    assert set(lengths[:-1]) <= {part_size}
    assert sum(lengths) == size


@given(limits, st.data())
def test_limits_of_any_store_are_never_passed(limits: Limits, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, limits.largest_file))
    part_size = part_size_for(size, limits)
    count = part_count(size, part_size)
    assert count <= limits.max_count
    assert part_size <= limits.max_size
    assert count == 1 or part_size >= limits.min_size
    assert (count - 1) * part_size < size <= count * part_size


@given(limits, st.integers(1, 10**15))
def test_file_that_a_store_does_not_take_is_refused(limits: Limits, more: int) -> None:
    with pytest.raises(ValueError, match=str(limits.max_count)):
        part_size_for(limits.largest_file + more, limits)


@given(st.integers(ONE_REQUEST + 1, 2 * GIB))
def test_connections_are_busy_until_the_end(size: int) -> None:
    """Parts go in rounds, and the last round is nearly full."""
    part_size = part_size_for(size)
    ideal = size / ABREAST
    rounds = -(-part_count(size, part_size) // ABREAST)
    assert rounds * part_size <= max(ideal + (rounds + 1) * MIB, 5 * MIB)


@given(sizes)
def test_parts_are_as_small_as_the_number_of_them_allows(size: int) -> None:
    """What is sent again after an error, and what a browser holds, is one part."""
    part_size = part_size_for(size)
    if part_size > USUAL_PART_SIZE:
        assert part_count(size, part_size - MIB) > 10_000
    else:
        assume(size > ONE_REQUEST)
        # Several connections are busy until the end.
        assert part_count(size, part_size) >= 4


def test_largest_object_that_s3_takes_is_planned() -> None:
    assert S3_LIMITS.largest_file == LARGEST
    assert round(LARGEST / 1024**4, 1) == 48.8
    part_size = part_size_for(LARGEST)
    assert (part_size, part_count(LARGEST, part_size)) == (5 * GIB, 10_000)
    assert part_length(LARGEST, part_size, 10_000) == 5 * GIB
    assert part_length(LARGEST - 1, part_size, 10_000) == 5 * GIB - 1


def test_one_byte_more_than_s3_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="10000 parts"):
        part_size_for(LARGEST + 1)


@pytest.mark.parametrize(
    ("size", "part_size", "count"),
    [
        (1, 5 * MIB, 1),
        (5 * MIB, 5 * MIB, 1),
        (5 * MIB + 1, 5 * MIB, 2),
        (ONE_REQUEST + 1, 5 * MIB, 4),
        (40 * 10**6, 8 * MIB, 5),
        (80 * MIB, 16 * MIB, 5),
        (80 * MIB + 1, 9 * MIB, 9),
        (200 * 10**6, 13 * MIB, 15),
        (6 * GIB, 16 * MIB, 384),
        (10_000 * 16 * MIB, 16 * MIB, 10_000),
        (10_000 * 16 * MIB + 1, 17 * MIB, 9_412),
        (5 * 1024 * GIB, 525 * MIB, 9_987),
    ],
)
def test_size_and_number_of_parts(size: int, part_size: int, count: int) -> None:
    assert part_size_for(size) == part_size
    assert part_count(size, part_size) == count


def test_store_that_takes_few_parts_gets_larger_ones() -> None:
    few = Limits(max_count=1_000)
    assert part_size_for(100 * GIB, few) == 103 * MIB
    assert part_count(100 * GIB, 103 * MIB) <= 1_000

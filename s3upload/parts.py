"""How a large file is cut into parts. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024**2

ONE_REQUEST = 16 * MIB
"""Bytes up to which a file is sent in one request: below, the calls that parts cost are not won back."""

USUAL_PART_SIZE = 16 * MIB
"""Bytes of a part unless there would be too many: little to send again, and little for the browser to hold."""

ABREAST = 5
"""Parts that the script sends at the same time; all are busy until the end when the parts are a multiple of that."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a store allows; the defaults are those of S3.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html

    :param min_size: bytes of the smallest part, the last one excepted.
    :param max_size: bytes of the largest part.
    :param max_count: the most parts that an object can have.
    """

    min_size: int = 5 * MIB
    max_size: int = 5 * 1024 * MIB
    max_count: int = 10_000

    @property
    def largest_file(self) -> int:
        """Bytes of the largest file that can be sent: 48.8 TiB on S3."""
        return self.max_size * self.max_count


S3_LIMITS = Limits()


def part_size_for(size: int, limits: Limits = S3_LIMITS) -> int:
    """
    Return the size of the parts of a file, in bytes; the last one may be smaller.

    All others are of one size, because some stores insist on that.

    :param size: of the file, in bytes, above 0.
    :raises ValueError: when the file is larger than the store takes.

    >>> part_size_for(40_000_000), part_size_for(10**9)
    (8388608, 16777216)
    """
    if size > limits.largest_file:
        raise ValueError(f"a file of {size} bytes does not fit into {limits.max_count} parts of {limits.max_size}")
    rounds = part_count(size, ABREAST * USUAL_PART_SIZE)
    wanted = _share_in_mib(size, ABREAST * rounds)
    needed = _share_in_mib(size, limits.max_count)
    return min(max(wanted, needed, limits.min_size), limits.max_size)


def part_count(size: int, part_size: int) -> int:
    """Return how many parts a file has."""
    return -(-size // part_size)


def part_length(size: int, part_size: int, number: int) -> int:
    """
    Return the bytes of one part.

    :param number: of the part; the first is 1.
    """
    return min(part_size, size - (number - 1) * part_size)


def _share_in_mib(size: int, count: int) -> int:
    # In integers: a float does not hold the bytes of a large file.
    return -(-size // (count * MIB)) * MIB

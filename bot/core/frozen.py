"""Frozen dataclasses that are made as fast as others.

What travels through a turn is never changed, only replaced, and mypy refuses every assignment to it. Refusing it again
while the program runs would more than double the time to make one, and a message takes some thirty of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool = False, slots: bool, kw_only: bool = False):
        """The decorator of `dataclasses`, frozen for the eyes of mypy only; equal ones have equal hashes as before."""
        return dataclasses.dataclass(slots=slots, kw_only=kw_only, unsafe_hash=frozen)

"""A module that has imported more than it defines."""

from os.path import *  # noqa: F403


def own(value: int) -> int:
    return value

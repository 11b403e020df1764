"""Transformations from the frames in which the maps of an element act to the frame of the lattice.

Maps of displaced and rolled elements act in the element's own frame, collisions at an angle in a moving one. The last
coordinates of a particle lost there are in such a frame; the maps to the lattice frame follow from their roles.
"""

from __future__ import annotations

from collections.abc import Sequence

from gputrack.elements.roles import Role

#: maps by their number in the element, in the order of use; True forwards, False inverted
Path = list[tuple[int, bool]]

_INNER = (Role.BODY, Role.KICK, Role.ENTER_INNER, Role.LEAVE_INNER)


def lattice_frame_paths(roles: Sequence[Role]) -> list[Path]:
    """Path to the frame of the lattice from before each map of an element, and from after the last one.

    Paths from the body undo the maps that entered the frame, and lead to its entrance; those from after the body
    continue through the maps that leave the frame. Rotations and fringes of a bend's face are omitted.

    Parameters
    ----------
    roles : sequence of Role
        Of the element's map calls, in their order.
    """
    exit_ = max((i + 1 for i, role in enumerate(roles) if role in _INNER), default=len(roles))
    paths: list[Path] = []
    entered: list[int] = []  # maps to undo, the last one first
    for i, role in enumerate(roles):
        leaving = role is Role.LEAVE or i >= exit_
        paths.append(_onward(roles, i) if leaving else [(number, False) for number in entered])
        if role in (Role.ENTER, Role.ENTER_INNER):
            entered.insert(0, i)
        elif role is Role.LEAVE_INNER:
            del entered[0]
        elif role is Role.LEAVE:
            entered.clear()
    return [*paths, []]


def _onward(roles: Sequence[Role], start: int) -> Path:
    """Through the maps that leave the frame next, without those that act before them."""
    first = next((i for i in range(start, len(roles)) if roles[i] is Role.LEAVE), len(roles))
    last = next((i for i in range(first, len(roles)) if roles[i] is not Role.LEAVE), len(roles))
    return [(i, True) for i in range(first, last)]


def has_own_frame(roles: Sequence[Role]) -> bool:
    """Whether some maps act in another frame than that of the lattice."""
    return Role.ENTER in roles or Role.ENTER_INNER in roles

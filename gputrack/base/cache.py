"""Cache of values derived from an immutable object, with typed entries of bounded number."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Entry(Generic[T]):
    """One kind of derived value.

    Attributes
    ----------
    name : str
    most : int
        Largest number of values for different keys; the least recently used is dropped first.
    """

    name: str
    most: int = 1


class Identity:
    """Key that compares by identity, for large objects that are passed on without copying."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held  # a reference, so that its identity is not reused while the key exists

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


class Cache:
    """Derived values of one object, computed at first use.

    Threads may share it: two that need a value at the same time may both compute it, but get the same one.
    Copies and pickles of the object begin with an empty cache.
    """

    __slots__ = ("_lock", "_values")

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[Entry[Any], dict[tuple[Hashable, ...], Any]] = {}

    def get(self, entry: Entry[T], make: Callable[[], T], *key: Hashable) -> T:
        """Value of an entry for a key, computed by ``make()`` if it is not cached."""
        with self._lock:
            held = self._values.setdefault(entry, {})
            if key in held:
                found = held.pop(key)
                held[key] = found  # ordered by use, most recent last
                return cast(T, found)
        made = make()
        with self._lock:
            value = held.setdefault(key, made)
            while len(held) > entry.most:
                del held[next(iter(held))]
        return cast(T, value)

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()

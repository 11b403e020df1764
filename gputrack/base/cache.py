"""Cache of values derived from an object that does not change, with typed entries of bounded number."""

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
        Values for different keys that are held at a time; those used longest ago are dropped first.
    """

    name: str
    most: int = 1


class Identity:
    """Key that compares by identity: for objects that are large, and always handed on as the same object."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held  # alive as long as the key, so that its identity is not given to another object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


class Cache:
    """Derived values of one object, computed when they are first needed.

    Threads may share it: two that need the same value at the same time may both compute it, and get the same one.
    Copies and pickles of the object begin with an empty cache.
    """

    __slots__ = ("_lock", "_values")

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[Entry[Any], dict[tuple[Hashable, ...], Any]] = {}

    def get(self, entry: Entry[T], make: Callable[[], T], *key: Hashable) -> T:
        """The value of an entry for a key, from ``make()`` where it is not held."""
        with self._lock:
            held = self._values.setdefault(entry, {})
            if key in held:
                found = held.pop(key)
                held[key] = found  # the last one is the one used most recently
                return cast(T, found)
        made = make()
        with self._lock:
            value = held.setdefault(key, made)
            while len(held) > entry.most:
                del held[next(iter(held))]
        return cast(T, value)

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()

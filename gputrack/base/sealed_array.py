"""A CuPy array under seal: what autograd carries along a beam on a GPU."""

from __future__ import annotations

from typing import Any

from gputrack.base.errors import InputError


def refusal(what: str) -> InputError:
    """The error for what autograd cannot follow on a GPU."""
    return InputError(
        f"{what}: autograd does not follow it on a GPU; differentiate the beam's centroid, sizes, sigma and "
        "emittances, or move it to the host first: beam.to_device('numpy'), record.coordinates.get()"
    )


def opened(value: Any) -> Any:
    """The CuPy array under a seal; anything else unchanged."""
    return value.array if isinstance(value, DeviceArray) else value


def sealed_as(other: Any, value: Any) -> Any:
    """`value`, under seal where `other` is."""
    return DeviceArray(value) if isinstance(other, DeviceArray) else value


class DeviceArray:
    """A CuPy array that no function opens by accident.

    autograd hands the plain arrays in its boxes to functions of NumPy. These pass CuPy arrays on to CuPy, so that
    values would come out, while the rules for their derivatives fail or copy to the host: so they are refused.

    Attributes
    ----------
    array : cupy.ndarray
    """

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise refusal("conversion of a CuPy array to NumPy")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise refusal(f"numpy.{function.__name__} of a CuPy array")

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        raise refusal(f"numpy.{function.__name__} of a CuPy array")

    def __bool__(self) -> bool:
        raise refusal("the truth of a CuPy array")

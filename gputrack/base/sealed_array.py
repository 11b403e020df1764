"""Sealed CuPy arrays, which autograd carries along with a beam on a GPU."""

from __future__ import annotations

from typing import Any

from gputrack.base.errors import InputError


def refusal(operation: str) -> InputError:
    """Error for an operation that autograd cannot differentiate on a GPU."""
    return InputError(
        f"{operation}: autograd does not follow it on a GPU; differentiate the beam's centroid, sizes, sigma and "
        "emittances, or move it to the host first: beam.to_device('numpy'), record.coordinates.get()"
    )


def opened(value: Any) -> Any:
    """CuPy array inside a seal; anything else unchanged."""
    return value.array if isinstance(value, DeviceArray) else value


def sealed_as(other: Any, value: Any) -> Any:
    """`value`, sealed if `other` is."""
    return DeviceArray(value) if isinstance(other, DeviceArray) else value


class DeviceArray:
    """A CuPy array that NumPy functions refuse.

    autograd passes the plain arrays in its boxes to NumPy functions, which dispatch CuPy arrays to CuPy: the values
    would be right, but the derivative rules fail or copy to the host silently.

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

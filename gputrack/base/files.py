"""Reading and writing of files, with checks of size and type."""

from __future__ import annotations

import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from gputrack.base.checks import short
from gputrack.base.errors import InputError, LatticeFileError

MAX_FILE_SIZE = 256 * 2**20  # bytes


def require_path(path: object, argument: str = "path") -> Path:
    """`path` as a `Path`, or raise `InputError`."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{argument} must be text or a pathlib.Path, got {short(path)}")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(f"{argument} must name a file, got {short(path)}")
    return Path(text)


def read_text(path: Path) -> str:
    """Text of a regular file of reasonable size; bytes that are not UTF-8 become U+FFFD.

    Raises
    ------
    LatticeFileError
        The file is absent, not readable, not a regular file (a pipe would block), or too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise LatticeFileError(f"{path}: is not a regular file")
        if status.st_size > MAX_FILE_SIZE:
            raise LatticeFileError(f"{path}: is larger than {MAX_FILE_SIZE} bytes")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise LatticeFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: to a draft beside it, which then replaces it.

    Raises
    ------
    LatticeFileError
        The file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LatticeFileError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def replacing(path: Path, kind: str) -> Iterator[h5py.File]:
    """HDF5 file written to a draft, which replaces `path` at the end and is removed on any error."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    image = io.BytesIO()  # HDF5 itself does not survive a full disk
    with h5py.File(image, "w") as file:
        yield file
    try:
        with draft.open("xb") as written:
            written.write(image.getbuffer())
            written.flush()
            os.fsync(written.fileno())
        draft.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {kind} {path}: {one_line(error)}") from error
    finally:
        draft.unlink(missing_ok=True)


def one_line(error: BaseException) -> str:
    """Message of an error on one line, at most 300 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."

"""Heading of records: processor, versions, date."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("gputrack", "numpy", "cpymad", "xtrack", "accelerator-toolbox", "pymadng", "cupy-cuda12x")


def processor() -> str:
    """Model name of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def instructions() -> str:
    """Widest vector instructions of the CPU."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.is_file() else set()
    wide = [name for name in ("avx512f", "avx2", "sse2") if name in flags]
    return wide[0] if wide else "vector width unknown"


def compiler() -> str:
    """First line of the host compiler's version."""
    found = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not found:
        return "no host compiler"
    out = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return out.splitlines()[0] if out else found


def version(package: str) -> str | None:
    """Version of a package, None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def heading() -> str:
    """First lines of a record."""
    versions = ", ".join(f"{p} {v}" for p in PACKAGES if (v := version(p)))
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {processor()}, {os.cpu_count()} CPUs, {instructions()}",
            f"Python {platform.python_version()}, {versions}; {compiler()}",
        ]
    )

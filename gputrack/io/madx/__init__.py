"""MAD-X files: read with our own parser and evaluator, never executed."""

from gputrack.io.madx.reader import MadxFile, read_madx

__all__ = ["MadxFile", "read_madx"]

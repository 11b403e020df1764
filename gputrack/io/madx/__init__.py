"""Reader of MAD-X files, with a parser and an evaluator of its own; MAD-X is not needed."""

from gputrack.io.madx.reader import MadxFile, read_madx

__all__ = ["MadxFile", "read_madx"]

"""Command line: commands, their tables and pictures, demonstration and self-test."""

"""Foundations independent of accelerator elements: constants, errors, checks, arrays, compiler."""

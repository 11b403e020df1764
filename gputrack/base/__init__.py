"""Foundations that know no accelerator element: constants, errors, checks, arrays, compiler."""

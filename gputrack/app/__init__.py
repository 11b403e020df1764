"""Command line, demonstration, self-test, and the pictures of the command line."""

"""Backend `host`: programs run by compiled kernels on CPU threads."""

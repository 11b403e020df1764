"""Programs run on truncated power series, on the host and on GPUs."""

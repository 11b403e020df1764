"""Backend `cuda`: programs run by CUDA kernels on a GPU."""

"""``python -m gputrack`` is the command ``gputrack``."""

from gputrack.cli import main

if __name__ == "__main__":
    main()

"""``python -m gputrack`` is the command ``gputrack``."""

from gputrack.app.cli import main

if __name__ == "__main__":
    main()

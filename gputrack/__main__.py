"""Entry point of ``python -m gputrack``, the same as the command ``gputrack``."""

from gputrack.app.cli import main

if __name__ == "__main__":
    main()

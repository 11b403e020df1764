"""Run a script as on a machine with a GPU.

For example ``python tests/support/emulation/emulated_run.py examples/x.py --device cuda``.

``import cupy`` finds the stand-in, whose kernels run on the host: right to the last digits, and slow.
"""

import runpy
import sys
from pathlib import Path

TESTS = str(Path(__file__).resolve().parents[2])
sys.path.append(TESTS)
from support.emulation import fake_cupy  # noqa: E402 - from the folder just added

sys.modules.update(fake_cupy.make_cupy())
sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).resolve().parent)  # as Python itself does for a script
runpy.run_path(sys.argv[0], run_name="__main__")

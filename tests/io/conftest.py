"""MAD-X processes that end with the test, and files from text."""

import pytest
from support.peers.madx_peer import Madx


@pytest.fixture
def madx(request):
    """Starts MAD-X in a folder; skips where cpymad is not installed."""

    def start(folder):
        process = Madx(folder)
        request.addfinalizer(process.close)
        return process

    return start


@pytest.fixture
def read_text(tmp_path):
    """Reads a MAD-X text through a file, as `read_madx` does."""
    from gputrack.io.madx import read_madx

    def read(text, sequence=None):
        path = tmp_path / "test.madx"
        path.write_text(text)
        return read_madx(path, sequence)

    return read

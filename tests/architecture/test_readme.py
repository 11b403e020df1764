"""The README's examples run and print the output shown."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)


def test_the_examples_print_the_output_shown(capsys):
    """One after the other, as a reader would type them."""
    names = {}
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for code, shown in blocks:
        exec(compile(code, str(README), "exec"), names)
        printed = capsys.readouterr().out
        assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
        found, claimed = ([float(v) for v in NUMBER.findall(part)] for part in (printed, shown))
        # machines round differently, which decides on the survival of particles at the limit of stability
        np.testing.assert_allclose(found, claimed, rtol=0.05)
    assert names["best"].fun < names["goal"](names["knobs"].values), "the optimiser gained nothing"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8")))
def test_links_lead_somewhere(link):
    assert (README.parent / link).is_file()

# SPDX-License-Identifier: GPL-3.0-or-later
"""For all pytest tests: what several folders share is importable (`from lab import Lab`)."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / 'netns'))

import lab as lab_module  # noqa: E402


@pytest.fixture
def lab():
    """An empty lab (tests/netns/lab.py)."""
    reason = lab_module.skip_reason()
    if reason:
        pytest.skip(reason)
    with lab_module.Lab() as made:
        yield made


@pytest.fixture
def build():
    """The build directory."""
    return lab_module.BUILD

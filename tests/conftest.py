# SPDX-License-Identifier: GPL-3.0-or-later
"""For all pytest tests: what several folders share is importable (`from lab import Lab`,
`from process import Program`), and the fixtures that most of them want.

WEFT_BUILD names the build folder, WEFT_TEST_SCOPE is short (default) or all: tests marked
@pytest.mark.long run only with all."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
for folder in ('netns', 'support', 'peer'):
    sys.path.insert(0, str(TESTS / folder))

import lab as lab_module  # noqa: E402
import postgres as postgres_module  # noqa: E402

LONG = os.environ.get('WEFT_TEST_SCOPE', 'short') == 'all'


def pytest_configure(config):
    config.addinivalue_line('markers', 'long: runs only with WEFT_TEST_SCOPE=all')


def pytest_collection_modifyitems(items):
    """Long tests are left out, not skipped: the short form is a selection."""
    if not LONG:
        items[:] = [item for item in items if item.get_closest_marker('long') is None]


@pytest.fixture
def lab():
    """An empty lab (tests/netns/lab.py)."""
    reason = lab_module.skip_reason()
    if reason:
        pytest.skip(reason)
    with lab_module.Lab() as made:
        yield made


@pytest.fixture(scope='session')
def build():
    """The build directory."""
    return lab_module.BUILD


@pytest.fixture(scope='session')
def postgres():
    """A throw-away PostgreSQL (tests/support/postgres.py); postgres.url() is a new database."""
    reason = postgres_module.skip_reason()
    if reason:
        pytest.skip(reason)
    with postgres_module.Postgres() as server:
        yield server


@pytest.fixture
def short_path():
    """A folder whose path is short enough for unix sockets, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix='weft-') as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)

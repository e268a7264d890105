# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/check: what it counts, where it stops, what it says, in a small tree with a make of its own."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

CONFIGURE = """#!/bin/sh
cat >Makefile <<'EOF'
all check check-lint check-tsan fuzz-targets:
\t@echo $@
check-unit:
\t@cat $(UNIT) && exit $$(cat $(UNIT).status)
distcheck:
\t@cat $(UNIT); true
EOF
touch config.status && chmod +x config.status
"""

SUMMARY = """# PASS:  99
PASS: tests/unit/x 1 /x
Testsuite summary for weft 0
# TOTAL: {0}
# PASS:  {1}
# SKIP:  {2}
# XFAIL: 0
# FAIL:  {3}
# XPASS: 0
# ERROR: 0
make[1]: Leaving
"""


class Tree:
    def __init__(self, folder):
        self.folder = folder
        self.put("configure", CONFIGURE, 0o755)
        self.put("Makefile.in", "")
        self.put("tools/packages", "")
        for name in ("check", "bench"):
            shutil.copy(TOP / "tools" / name, folder / "tools" / name)
        self.put("tests/support/postgres.py",
                 "import os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n")
        self.unit(3, 0, 0)

    def put(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def unit(self, passed, skipped, failed, status=0):
        self.put("unit", SUMMARY.format(passed + skipped + failed, passed, skipped, failed))
        self.put("unit.status", str(status))

    def check(self, *arguments, **environment):
        done = subprocess.run(
            [self.folder / "tools/check", *arguments], stdin=subprocess.DEVNULL, text=True,
            capture_output=True, timeout=120,
            env={**os.environ, "UNIT": str(self.folder / "unit"), **environment})
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def closing(out):
    return out.splitlines()[-1]


def test_tap_totals_are_summed(tree):
    tree.unit(3, 2, 0)
    status, out, _ = tree.check("unit", "lint")
    assert (status, closing(out)) == (0, "3 passed, 0 failed, 2 skipped")


def test_a_failing_layer_stops_and_shows_its_log(tree):
    tree.unit(3, 0, 1, status=2)
    status, out, _ = tree.check("unit", "interop")
    assert (status, closing(out)) == (1, "3 passed, 1 failed, 0 skipped")
    assert "PASS: tests/unit/x 1 /x" in out
    assert "\ninterop" not in out


def test_a_build_that_breaks_is_one_failure(tree):
    tree.put("configure", "#!/bin/sh\necho no compiler\nexit 1\n", 0o755)
    status, out, _ = tree.check("unit")
    assert (status, closing(out)) == (1, "0 passed, 1 failed, 0 skipped")
    assert "no compiler" in out


def test_failures_count_even_when_make_says_all_is_well(tree):
    tree.unit(3, 0, 2, status=0)
    status, out, _ = tree.check("unit")
    assert (status, closing(out)) == (1, "3 passed, 2 failed, 0 skipped")


def test_pytest_cases_are_counted(tree):
    tree.put("tests/interop/test_x.py", "import pytest\ndef test_a(): pass\ndef test_b(): pass\n"
             "def test_c(): pytest.skip('no')\n")
    status, out, _ = tree.check("interop")
    assert (status, closing(out)) == (0, "2 passed, 0 failed, 1 skipped")
    tree.put("tests/interop/test_y.py", "def test_d(): assert False, 'the reason'\n")
    status, out, _ = tree.check("interop")
    assert (status, closing(out)) == (1, "2 passed, 1 failed, 1 skipped")
    assert "the reason" in out


def test_a_layer_with_nothing_to_run_counts_nothing(tree):
    status, out, _ = tree.check("interop", "vm", "fuzz", "demo", "bench-smoke")
    assert (status, closing(out)) == (0, "0 passed, 0 failed, 0 skipped")


def test_a_layer_that_cannot_run_is_skipped_with_its_reason(tree):
    tree.put("tests/vm/run", "#!/bin/sh\necho 'SKIP: no kernel' >&2\nexit 77\n", 0o755)
    tree.put("bin/qemu-system-x86_64", "#!/bin/sh\n", 0o755)
    status, out, _ = tree.check("vm", PATH=f"{tree.folder}/bin:{os.environ['PATH']}")
    assert (status, closing(out)) == (0, "0 passed, 0 failed, 1 skipped")
    assert "skipped: no kernel" in out


def test_distcheck_is_one_test(tree):
    status, out, _ = tree.check("distcheck")
    assert (status, closing(out)) == (0, "1 passed, 0 failed, 0 skipped")


def test_a_benchmark_that_fails_is_a_failure(tree):
    tree.put("configure", CONFIGURE.replace("fuzz-targets:", "bench-programs:"), 0o755)
    tree.put("tests/bench/good/run", "#!/bin/sh\necho bench good/x: 1 s\n", 0o755)
    status, out, _ = tree.check("bench-smoke")
    assert (status, closing(out)) == (0, "1 passed, 0 failed, 0 skipped")
    tree.put("tests/bench/mute/run", "#!/bin/sh\n", 0o755)
    status, out, _ = tree.check("bench-smoke")
    assert (status, closing(out)) == (1, "1 passed, 1 failed, 0 skipped")


@pytest.mark.parametrize("arguments, complaint", [
    (["cellar"], "unknown layer 'cellar'"), (["--loud"], "unknown option --loud"),
    (["--seconds", "x"], "--seconds x"), (["--seconds"], "--seconds needs")])
def test_bad_arguments_are_usage_errors(tree, arguments, complaint):
    status, _, err = tree.check(*arguments)
    assert status == 2
    assert complaint in err


def test_an_older_report_is_not_counted_again(tree):
    tree.put("tests/interop/test_x.py", "def test_a(): pass\n")
    tree.check("interop")
    shutil.rmtree(tree.folder / "tests/interop")
    status, out, _ = tree.check("interop")
    assert (status, closing(out)) == (0, "0 passed, 0 failed, 0 skipped")


def test_changed_options_configure_again(tree):
    tree.check("unit")
    options = tree.folder / "build/check-main/.options"
    options.write_text("other\n")
    status, out, _ = tree.check("unit")
    assert (status, closing(out)) == (0, "3 passed, 0 failed, 0 skipped")
    assert "--enable-werror" in options.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_leaves_the_tree_to_its_owner(short_path):
    tree = Tree(short_path)
    for path in (short_path, *short_path.rglob("*")):
        os.chown(path, 65534, 65534)
    status, out, _ = tree.check("unit", "lint", "interop")
    assert (status, closing(out)) == (0, "3 passed, 0 failed, 0 skipped")
    assert {p.stat().st_uid for p in short_path.rglob("*")} == {65534}

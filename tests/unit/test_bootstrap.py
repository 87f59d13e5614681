"""The environment is made on machines that lack things, or one sentence says what to install."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "dirname", "cksum", "grep", "rm", "mkdir", "cat")
# Stands for a Python: fit by every check, makes environments whose Python is itself, notes what it was told.
GOOD = """#!/bin/sh
echo "$@" >>calls
case "$1 $2" in "-m venv") mkdir -p "$3/bin"; cat "$0" >"$3/bin/python"; /bin/chmod +x "$3/bin/python" ;; esac
"""
LACKS_ENSUREPIP = "#!/bin/sh\nexit 3\n"
BROKEN_SHIM = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"
TOO_OLD = "#!/bin/sh\nexit 2\n"


class Machine:
    """A checkout in a folder of its own, and a PATH that holds only what is put there."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.path = folder / "checkout", folder / "bin"
        (self.checkout / "tools").mkdir(parents=True)
        self.path.mkdir()
        for name in ("requirements.lock", "pyproject.toml", "tools/bootstrap.sh"):
            shutil.copy(ROOT / name, self.checkout / name)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.path / tool).symlink_to(found)

    def add(self, name: str, script: str) -> None:
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.path)}
        command = [str(self.path / "sh"), "tools/bootstrap.sh"]
        return subprocess.run(command, cwd=self.checkout, env=env, capture_output=True, text=True, check=False)

    def calls(self) -> list[str]:
        return (self.checkout / "calls").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_usable_python_one_sentence_says_what_to_install(machine: Machine) -> None:
    machine.add("python3.12", BROKEN_SHIM)
    machine.add("python3", TOO_OLD)
    done = machine.run()
    assert done.returncode == 1
    sentence = "bootstrap: Millrace needs Python 3.11 or 3.12: install one of them, or uv, which brings its own.\n"
    assert done.stderr == sentence


def test_a_python_without_ensurepip_is_named_with_the_package_that_it_lacks(machine: Machine) -> None:
    machine.add("python3.11", LACKS_ENSUREPIP)
    done = machine.run()
    assert done.returncode == 1
    assert "python3.11 cannot make environments: install its venv package" in done.stderr


def test_a_broken_shim_is_passed_over_and_the_locked_packages_come_before_the_project(
    machine: Machine,
) -> None:
    machine.add("python3.12", BROKEN_SHIM)
    machine.add("python3.11", LACKS_ENSUREPIP)
    machine.add("python3", GOOD)
    done = machine.run()
    assert done.returncode == 0, done.stderr
    installs = [call for call in machine.calls() if " install " in call]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "-r requirements.lock" in installs[0]
    assert "--no-index -e ." in installs[1]


def test_a_second_run_installs_nothing_and_says_nothing(machine: Machine) -> None:
    machine.add("python3", GOOD)
    machine.run()
    before = len([call for call in machine.calls() if " install " in call])
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len([call for call in machine.calls() if " install " in call]) == before


def test_a_changed_project_file_renews_the_project_and_a_changed_lock_file_everything(
    machine: Machine,
) -> None:
    machine.add("python3", GOOD)
    machine.run()
    (machine.checkout / "pyproject.toml").write_text("# changed")
    machine.run()
    assert len([call for call in machine.calls() if " install " in call]) == 3
    (machine.checkout / "requirements.lock").write_text("# changed")
    machine.run()
    assert len([call for call in machine.calls() if " install " in call]) == 5


def test_a_folder_that_was_moved_gets_a_new_environment(machine: Machine) -> None:
    """The scripts of an environment name the folder that it was made in."""
    machine.add("python3", GOOD)
    machine.run()
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("moved"))
    machine.run()
    assert len([call for call in machine.calls() if call.startswith("-m venv")]) == 2


def test_where_uv_is_it_brings_the_python(machine: Machine) -> None:
    machine.add("uv", GOOD.replace('"-m venv") mkdir -p "$3/bin"', '"venv -q") set -- 1 2 .venv; mkdir -p "$3/bin"'))
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert "venv -q --python 3.12 .venv" in machine.calls()
    assert len([call for call in machine.calls() if call.startswith("pip install")]) == 2

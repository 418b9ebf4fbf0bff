"""Check that the core installs without a compiler: every package of it, as locked, has wheels for all systems.

python3 wheels_check.py; needs uv and a package index. `make lock` calls it.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent
MACOS = "14.0"  # what PyAV's wheels need
SYSTEMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    f"macOS {MACOS} arm64": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
PYTHONS = ("3.11", "3.12", "3.13")


def locked(lock: str) -> str:
    """Return the versions of a lock, with their markers and without hashes."""
    return "\n".join(re.findall(r"^[\w.-]+==[^\\\n]*", lock, re.MULTILINE)) + "\n"


def missing(constraints: Path, platform: str, python: str) -> str:
    """Return why the core cannot be installed from wheels there; empty where it can."""
    done = subprocess.run(
        ["uv", "pip", "compile", "pyproject.toml", "--quiet", "--only-binary", ":all:"]
        + ["--constraints", str(constraints), "--python-platform", platform, "--python-version", python],
        cwd=ROOT,
        env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": MACOS},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else " ".join(done.stderr.split())


def main() -> int:
    """Print a line a system and Python; return how many lack something."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "locked.txt"
        constraints.write_text(locked((ROOT / "requirements.lock").read_text(encoding="utf-8")), encoding="utf-8")
        for system, platform in SYSTEMS.items():
            for python in PYTHONS:
                why = missing(constraints, platform, python)
                bad += bool(why)
                print(f"{system}, Python {python}: {why or 'wheels of every package'}")
    return bad


if __name__ == "__main__":
    sys.exit(min(main(), 1))

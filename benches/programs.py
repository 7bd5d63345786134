"""The environments of the demo and of the benchmarks: real programs, and this package, in folders of the checkout."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"
PACKAGES = ("networkx", "rich", "sqlalchemy", "sympy")
# What only the benchmarks and `tools/equivalence` use.
MORE_PACKAGES = ("coverage", "django", "fastapi", "httpx", "matplotlib", "openai", "pandas")

# What runs, as `python ARGS`.
LEDGER = [str(HERE / "example" / "tool.py")]
FILE = str(HERE / "example" / "ledger.csv")
JOBS = {
    "rich: a table": [str(HERE / "jobs" / "rich_table.py")],
    "networkx: paths": [str(HERE / "jobs" / "networkx_paths.py")],
    "sqlalchemy: a query": [str(HERE / "jobs" / "sqlalchemy_query.py")],
    "pip list": ["-m", "pip", "--disable-pip-version-check", "list"],
    "pip check": ["-m", "pip", "--disable-pip-version-check", "check"],
    "example: balance": [*LEDGER, "balance", FILE],
    "example: report": [*LEDGER, "report", FILE],
}


def python():
    """The demo's interpreter. Made where there is none yet of this version, which needs the network."""
    return _python(ROOT / ".demo", PACKAGES)


def python_to_measure():
    """The benchmarks' interpreter: with more packages, as far as there are wheels of them for this version."""
    return _python(ROOT / ".venvs" / "benches", [*PACKAGES, *MORE_PACKAGES], can_miss=MORE_PACKAGES)


def _python(folder, packages, can_miss=()):
    interpreter, ready = folder / "bin" / "python", folder / "ready"
    made_of = f"{sys.version}\n{' '.join(packages)}\n"
    if not ready.exists() or ready.read_text() != made_of:
        print(f"Making {folder.relative_to(ROOT)}/ with {', '.join(packages)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [interpreter, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        for package in packages:
            subprocess.run([*install, package], check=package not in can_miss)
        [site_packages] = folder.glob("lib/python*/site-packages")
        (site_packages / "overlay_import.pth").write_text(f"{ROOT}\n")
        ready.write_text(made_of)
    return str(interpreter)

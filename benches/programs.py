"""The environments of the demo and of the benchmarks: real programs, and this package, in folders of the checkout."""

import subprocess
import sys
from pathlib import Path

from workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"
DEMO_PACKAGES = ("networkx", "rich", "sqlalchemy", "sympy")
# The workloads', and what only `tools/equivalence` uses.
PACKAGES = (*dict.fromkeys(package for workload in WORKLOADS for package in workload.packages), "coverage")

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
    """The demo's interpreter, with the package from the checkout. Made where there is none yet of this version."""
    folder = ROOT / ".demo"
    interpreter = _python(folder, sys.executable, DEMO_PACKAGES)
    [site_packages] = folder.glob("lib/python*/site-packages")
    (site_packages / "overlay_import.pth").write_text(f"{ROOT}\n")
    return interpreter


def python_to_measure(base=sys.executable):
    """An interpreter of `base`'s version with the workloads' packages, as far as there are wheels of them for it."""
    version = subprocess.check_output([base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
    return _python(ROOT / ".venvs" / f"benches-{version.strip()}", base, PACKAGES, can_miss=PACKAGES)


def install_wheel(interpreter):
    """Installs what users get: the wheel that lies in `dist/`."""
    options = ["--quiet", "--disable-pip-version-check", "--force-reinstall", "--no-index", "--find-links", "dist"]
    subprocess.run([interpreter, "-m", "pip", "install", *options, "overlay-import"], cwd=ROOT, check=True)


def _python(folder, base, packages, can_miss=()):
    """The interpreter of the environment in the folder; to make it needs the network."""
    interpreter, ready = folder / "bin" / "python", folder / "ready"
    made_of = f"{subprocess.check_output([base, '-VV'], text=True)}{' '.join(packages)}\n"
    if not ready.exists() or ready.read_text() != made_of:
        print(f"Making {folder.relative_to(ROOT)}/ with {', '.join(packages)} ...", flush=True)
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
        install = [interpreter, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        for package in packages:
            subprocess.run([*install, package], check=package not in can_miss)
        ready.write_text(made_of)
    return str(interpreter)

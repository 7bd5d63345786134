"""The demo's environment: real programs, and this package, in `.demo/` of the checkout."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"
PACKAGES = ("networkx", "rich", "sqlalchemy", "sympy")

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
    """The environment's interpreter. Made where there is none yet of this version, which needs the network."""
    folder = ROOT / ".demo"
    interpreter, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists() or ready.read_text() != sys.version:
        print(f"Making {folder.name}/ with {', '.join(PACKAGES)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        [site_packages] = folder.glob("lib/python*/site-packages")
        (site_packages / "overlay_import.pth").write_text(f"{ROOT}\n")
        ready.write_text(sys.version)
    return str(interpreter)

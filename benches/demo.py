"""Runs real programs with and without overlays, then shows a module whose heavy half waits on disk.

Exit status 1 where a program gives another output or exit status with overlays.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import programs
from paired import environment, number_it_prints, run_pairs, seconds_of_process

RUNS = 5
OVERLAYS = ["-m", "overlay_import", "run"]

EXAMPLE = """
import overlay_import
overlay_import.install(lazy="declared")
import ledger, sys

def show(title):
    status = overlay_import.status(ledger)
    print(f"   {title}")
    for kind in ("loaded", "pending"):
        names = ", ".join(sorted(attribute for _, attribute in getattr(status, kind))) or "nothing"
        print(f"      {kind + ':':9}{names:24}{getattr(status, 'bytes_' + kind):6} bytes")
    print(f"      zipfile and ElementTree imported: {'zipfile' in sys.modules}, {'xml.etree' in sys.modules}")

show("when the module has been imported:")
ledger.balances(ledger.read(sys.argv[1]))
show("when balances() has run:")
len(ledger.chart(ledger.read(sys.argv[1])))
show("when chart() has run:")
"""


def main():
    python = programs.python()
    print("\nReal programs, plainly and with overlays. They declare none: what is lazy is the bodies of functions.\n")
    print(f"   {'':22}{'same output':12}{'plain':>9}{'overlays':>10}   overlays / plain")
    same = [run_job(python, title, arguments) for title, arguments in programs.JOBS.items()]
    with tempfile.TemporaryDirectory() as folder:
        show_example(python, Path(folder))
    return 0 if all(same) else 1


def run_job(python, title, arguments):
    """Compares the job's results and times; whether the results are the same."""
    commands = {"stock": [python, *arguments], "overlays": [python, *OVERLAYS, *arguments]}
    plain, served = (result(command) for command in commands.values())
    pairs = run_pairs(lambda side: cpu_seconds(commands[side]), RUNS)
    times = [f"{1000 * statistics.median(side):.0f} ms" for side in (pairs.stock, pairs.overlays)]
    answer = "yes" if plain == served else "NO"
    print(f"   {title:22}{answer:12}{times[0]:>9}{times[1]:>10}   {pairs.ratio:.2f}", flush=True)
    if plain != served:
        print(f"plain: {plain}\nwith overlays: {served}")
    return plain == served


def result(command):
    """Exit status, output and errors. In a folder of its own, so that nothing but the program can make a difference."""
    done = subprocess.run(command, env=environment(), cwd=programs.HERE, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def cpu_seconds(command):
    return seconds_of_process(command, check=False, env=environment(), cwd=programs.HERE, stderr=subprocess.DEVNULL)


def show_example(python, folder):
    """What becomes of a module with declared overlays: its file, its status, its time."""
    source = folder / "ledger.py"
    for name in ("ledger.py", "ledger.csv"):
        shutil.copy(programs.HERE / "example" / name, folder)
    print("\nA module with declared overlays: benches/example/ledger.py\n")
    inspect(python, folder, "before it was ever imported:")
    run = [python, "-c", EXAMPLE, "ledger.csv"]
    subprocess.run(run, env=environment(), cwd=folder, check=True)
    inspect(python, folder, "after:")
    commands = {
        side: [python, programs.HERE / "child.py", level, "imports", folder, source.stem]
        for side, level in (("stock", "stock"), ("overlays", "declared"))
    }
    pairs = run_pairs(lambda side: number_it_prints(commands[side], env=environment()), RUNS)
    plain, served = (statistics.median(side) * 1000 for side in (pairs.stock, pairs.overlays))
    print(f"   import ledger: {plain:.2f} ms plainly, {served:.2f} ms with overlays, ratio {pairs.ratio:.3f}")


def inspect(python, folder, title):
    print(f"   overlay-import inspect ledger.py, {title}", flush=True)
    command = [python, "-m", "overlay_import", "inspect", "ledger.py"]
    done = subprocess.run(command, env=environment(), cwd=folder, capture_output=True, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        print(f"      {line}")


if __name__ == "__main__":
    sys.exit(main())

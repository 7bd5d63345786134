"""Scenes in which files change: the cache's under a living process, and the sources' with clocks that are wrong."""

import contextlib
import fnmatch
import gc
import importlib
import io
import os
import random
import re
import signal
import subprocess
import sys
import time

from load_scene import HERE, NAMES, User, facts, load_library, touches_of


def verify(tally, *folders):
    """Every module's overlay file is there and right, to the last byte, and nothing else was left."""
    from overlay_import.cli import main

    User(tally).all()
    files = files_like("*.opt-overlay*.pyc", sys.pycache_prefix)
    for file in files:
        tally.expect(f"inspect {file}", _said(main, "inspect", "--verify", file)[0], 0)
    for folder in folders:
        said = re.sub("[1-9][0-9]* up", "all up", _said(main, "compile", folder)[1])
        tally.expect(f"compile {folder}", said, "0 compiled, all up to date, 0 failed\n")
    tally.expect("temporary files left", files_like(".overlay-*.tmp", sys.pycache_prefix), [])
    tally.notes["overlay files"] = len(files)


def _said(main, *arguments):
    """What the command line returns and prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = main(list(arguments))
    return status, said.getvalue()


def files_like(pattern, folder):
    """All files below a folder whose names are like that, in hidden folders, too."""
    found = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in fnmatch.filter(names, pattern)]
    return sorted(found)


def _in_place(change):
    def damage(path, chance):
        with open(path, "r+b") as file:
            good = file.read()
            bad = change(good, chance)
            file.seek(0)
            file.write(bad)
            file.truncate()

    return damage


def _flip(good, chance):
    bad = bytearray(good)
    for _ in range(1 + len(bad) // 500):
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
    return bytes(bad)


def _replaced(path, chance):
    with open(path + ".new", "wb") as file:
        file.write(chance.randbytes(os.path.getsize(path)))
    os.replace(path + ".new", path)


def _moved_away(path, chance):
    os.rename(os.path.dirname(path), os.path.dirname(path) + f".moved{chance.random()}")


DAMAGES = {
    "emptied": _in_place(lambda good, chance: b""),
    "cut anywhere": _in_place(lambda good, chance: good[: chance.randrange(len(good))]),
    "cut by a page": _in_place(lambda good, chance: good[: (len(good) - 1) // 4096 * 4096]),
    "cut by a byte": _in_place(lambda good, chance: good[:-1]),
    "overwritten with zeros": _in_place(lambda good, chance: bytes(len(good))),
    "overwritten with random bytes": _in_place(lambda good, chance: chance.randbytes(len(good))),
    "with bits flipped": _in_place(_flip),
    "moved by a byte": _in_place(lambda good, chance: b"\0" + good),
    "grown": _in_place(lambda good, chance: good + chance.randbytes(10_000)),
    "replaced": _replaced,
    "deleted": lambda path, chance: os.unlink(path),
    "in a folder that is renamed": _moved_away,
}


def damages(tally, rounds):
    """The file that modules come from is damaged while they are lazy: right values or OverlayCorruptError, and the next
    import is right."""
    known = facts()
    for turn in range(int(rounds)):
        for name, damage in DAMAGES.items():
            _one_damage(tally, known, damage, random.Random(f"{turn} {name}"))


def _one_damage(tally, known, damage, chance):
    import overlay_import

    user = User(tally, known)
    # The library is the bundle's, too: what the scene needs of it is loaded before.
    user.all()
    for name in NAMES:
        sys.modules.pop(name)
    gc.collect()
    load_library()
    for name in NAMES:
        user.module(name)
    # A part is loaded before.
    for name in chance.sample(NAMES, 10):
        user.do(name, "class")
    files = {overlay_import.status(sys.modules[name]).file for name in NAMES}
    good = {path: _read(path) for path in files if path}
    for path in good:
        if os.path.exists(path):  # else its folder is gone already
            damage(path, chance)
    for name in NAMES:
        _use_damaged(tally, user, name)
    for name in NAMES:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    user.all(lambda each: each[0] in NAMES)
    for path, data in good.items():
        _write(path, data)
    # A bundle that is whole again is used again.
    if os.environ.get("OVERLAY_IMPORT_BUNDLE"):
        overlay_import.install(bundle=os.environ["OVERLAY_IMPORT_BUNDLE"])


def _use_damaged(tally, user, name):
    import overlay_import

    for what in touches_of(name):
        try:
            user.do(name, what)
            tally.count("values right")
        except overlay_import.OverlayCorruptError:
            tally.tried += 1
            tally.count("OverlayCorruptError")
        except Exception:
            tally.fail(f"{name} {what}")


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def unsteady(tally, seconds):
    """Another process cuts and grows the files in place all the time: what one call says of them does not hold at the
    next."""
    import overlay_import

    known = facts()
    user = User(tally, known)
    user.all()
    load_library()
    for name in NAMES:
        sys.modules.pop(name)
        user.module(name)
    paths = sorted({overlay_import.status(sys.modules[name]).file for name in NAMES} - {""})
    program = os.path.join(HERE, "load_files.py")
    good = {path: _read(path) for path in paths}
    shaking = subprocess.Popen([sys.executable, "-E", "-S", program, *paths], stdin=subprocess.PIPE)
    end, chance = time.monotonic() + float(seconds), random.Random(1)
    try:
        while time.monotonic() < end:
            name = chance.choice(NAMES)
            sys.modules.pop(name, None)
            _use_damaged(tally, user, name)
    finally:
        shaking.send_signal(signal.SIGKILL)
        shaking.wait()
        for path, data in good.items():
            _write(path, data)


def shake(paths):
    """Cuts, zeros and restores files, for ever."""
    good = {path: _read(path) for path in paths}
    chance = random.Random(0)
    while True:
        path = chance.choice(paths)
        data = good[path]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "r+b" if os.path.exists(path) else "wb") as file:
            file.truncate(chance.randrange(len(data)))
            file.write(bytes(chance.randrange(len(data))))
            file.seek(0)
            file.write(data)
            file.truncate(len(data))


DAY = 86_400
START = 1_700_000_000
# What happens to a source: the time of its first text, and of the second, in nanoseconds.
CLOCKS = {
    "in the future": lambda now: (now + DAY * 10**9, now + DAY * 10**9 + 10**9),
    "in the future, then the present": lambda now: (now + DAY * 10**9, now),
    "far in the future": lambda now: ((2**33 + 5) * 10**9, (2**33 + 6) * 10**9),
    "2**32 seconds later": lambda now: (START * 10**9, (START + 2**32) * 10**9),
    "the same": lambda now: (START * 10**9, START * 10**9),
    "the same second": lambda now: (START * 10**9, START * 10**9 + 5),
    "zero": lambda now: (0, 0),
    "zero, then one": lambda now: (0, 10**9),
    "before 1970": lambda now: (-DAY * 10**9, -DAY * 10**9 + 10**9),
    "before 1970, then zero": lambda now: (-1, 0),
    "backwards": lambda now: (START * 10**9, (START - 5) * 10**9),
    "of this moment": lambda now: (now, time.time_ns()),
}
TEXTS = {
    "another size": ("VALUE = 'first'\n", "VALUE = 'the second'\n"),
    "the same size": ("VALUE = 'first.'\n", "VALUE = 'second'\n"),
}
BODY = (
    "def value():\n    return [VALUE for each in range(1) if each is not None and VALUE is not None][0], 'of {name}'\n"
)


def clock_cases():
    """Names of modules, and what happens to each."""
    return {f"clock{n}_{size.count(' ')}": (clock, size) for n, clock in enumerate(CLOCKS) for size in TEXTS}


def write_clocks(tally, folder, turn):
    """Writes each module's text of this turn, 0 or 1, with the time that belongs to it."""
    now = int(os.environ["LOAD_NOW"])
    for name, (clock, size) in clock_cases().items():
        path = os.path.join(folder, f"{name}.py")
        with open(path, "w") as file:
            file.write(TEXTS[size][int(turn)] + BODY.format(name=name))
        stamp = CLOCKS[clock](now)[int(turn)]
        os.utime(path, ns=(stamp, stamp))
    tally.tried += 1


def read_clocks(tally, folder):
    """What the modules are worth to this side."""
    sys.path.insert(0, folder)
    tally.notes["values"] = {name: importlib.import_module(name).value() for name in clock_cases()}
    tally.notes["again"] = {name: importlib.reload(sys.modules[name]).value() for name in clock_cases()}
    tally.tried += 1


if __name__ == "__main__":
    sys.stdout.flush()
    shake(sys.argv[1:])

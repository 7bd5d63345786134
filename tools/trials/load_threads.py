"""Scenes of one process: threads, modules that come and go, signals."""

import faulthandler
import gc
import importlib
import os
import random
import signal
import sys
import threading
import time
import traceback

from load_scene import ALL, NAMES, Tally, User, facts, touches_of


def threads(tally, count, seconds, threshold):
    """Threads that import, touch, reload and drop modules at random."""
    count, end = int(count), time.monotonic() + float(seconds)
    if int(threshold):
        gc.set_threshold(int(threshold))
    sys.setswitchinterval(1e-6)
    faulthandler.dump_traceback_later(float(seconds) + 100, exit=True)
    known, start = facts(), threading.Barrier(count)
    tallies = [Tally() for _ in range(count)]
    works = [
        threading.Thread(target=_thread, args=(tallies[n], known, n, start, end), daemon=True) for n in range(count)
    ]
    for each in works:
        each.start()
    for each in works:
        each.join(max(0, end - time.monotonic()) + 60)
        if each.is_alive():
            tally.fail("a thread hangs")
            faulthandler.dump_traceback()
            break
    for each in tallies:
        tally.add(each)
    gc.set_threshold(700)


def _thread(tally, known, number, start, end):
    user, chance = User(tally, known), random.Random(number)
    start.wait()
    while time.monotonic() < end:
        name, what = chance.choice(ALL)
        action = chance.random()
        try:
            if action < 0.05 and name in NAMES:
                sys.modules.pop(name, None)
                tally.count("drops")
            elif action < 0.1 and name in NAMES:
                importlib.reload(user.module(name))
                tally.count("reloads")
            else:
                user.do(name, what)
        except Exception as error:
            if _is_stocks(error, name):
                tally.count("dropped under an import")
            else:
                tally.fail(f"{name} {what}")


def _is_stocks(error, name):
    """Whether importlib itself did not find the module, which another thread has just dropped."""
    frames = traceback.extract_tb(error.__traceback__)
    of_importlib = "importlib" in frames[-1].filename
    # `import world.m3` ends in a read of the package's attribute, which a failed import may not have set.
    return of_importlib and isinstance(error, KeyError | ImportError) and any(each in str(error) for each in NAMES)


def cold(tally, count, seed):
    """Threads that import all at once, where there is no cache yet, not even of the package's own modules."""
    sys.setswitchinterval(1e-6)
    faulthandler.dump_traceback_later(150, exit=True)
    known, start = facts(), threading.Barrier(int(count))
    tallies = [Tally() for _ in range(int(count))]

    def work(number):
        start.wait()
        User(tallies[number], known).all(seed=int(seed) * 100 + number)

    works = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(int(count))]
    for each in works:
        each.start()
    for each in works:
        each.join()
    for each in tallies:
        tally.add(each)


def drops(tally, modules, rounds, folder):
    """Modules that are imported, used, reloaded, used and dropped again; what the process holds after each round."""
    modules, rounds = int(modules), int(rounds)
    sys.path.insert(0, folder)
    # The first round fills importlib's and the interpreter's own tables.
    held = []
    for _ in range(rounds):
        for number in range(modules):
            _come_and_go(tally, f"passing{number}", number)
        for _ in range(3):
            gc.collect()
        held.append(_held())
    tally.notes["held"] = held


def _come_and_go(tally, name, number):
    module = importlib.import_module(name)
    for _ in range(2):
        tally.expect(name, module.use(3), ([number, number + 1, number + 2], f"used {number}", 3 * number + 3))
        module = importlib.reload(module)
    del sys.modules[name]


def _held():
    """Private memory in bytes, mappings, open files."""
    with open("/proc/self/smaps_rollup") as file:
        fields = [line.split() for line in file]
    private = sum(int(each[1]) for each in fields if each[0].startswith("Private_")) * 1024
    with open("/proc/self/maps") as file:
        maps = len(file.readlines())
    return private, maps, len(os.listdir("/proc/self/fd"))


class Interrupt(Exception):
    """What a signal handler raises."""


def signals(tally, seconds, kind):
    """A timer that strikes every some hundred microseconds, in the middle of whatever runs.

    `kind`: the handler "works" (imports, and calls for the first time) or "raises", during touches, or during imports,
    too ("raises in imports").
    """
    end = time.monotonic() + float(seconds)
    chance = random.Random(kind)
    handler = Works(tally) if kind == "works" else Raises()
    sys.unraisablehook = handler.unraisable.append
    signal.signal(signal.SIGALRM, handler)
    user = User(tally)
    while time.monotonic() < end:
        name = chance.choice(NAMES)
        for each in NAMES if chance.random() < 0.1 else [name]:
            sys.modules.pop(each, None)
        if kind != "raises in imports":
            user.module(name)
        _under_fire(tally, user, name, chance, handler, kind == "raises in imports")
    handler.armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    tally.notes |= {"signals": handler.struck, "lost": handler.lost}
    tally.notes["could not come out"] = len(handler.unraisable)
    # importlib's locks have weak references with callbacks in Python.
    known = ("KeyedRef.remove", "_get_module_lock")
    strange = [repr(each) for each in handler.unraisable if not any(name in repr(each) for name in known)]
    tally.expect("exceptions that could not come out", strange, [])


def _under_fire(tally, user, name, chance, handler, in_imports):
    """Touches a module while signals strike, and again when they are over."""
    touches = touches_of(name)
    chance.shuffle(touches)
    handler.busy_with = name
    for what in touches:
        try:
            try:
                handler.arm(chance.uniform(20e-6, 400e-6))
                user.do(name, what)
            finally:
                handler.disarm()
            if handler.raised != tally.notes.get("came out", 0) + len(handler.unraisable):
                handler.raised -= 1
                handler.lost += 1
                # Imports lose some with plain Python as well: a caller of importlib's takes it for an error of its own.
                if not in_imports:
                    tally.fail(f"{name} {what}: the handler's exception is lost")
        except Interrupt:
            tally.count("came out")
            if in_imports:
                user.do(name, what)  # an interrupted import may leave its lock behind, as ever
            else:
                _do_elsewhere(user, name, what)
        except Exception:
            tally.fail(f"{name} {what}")


def _do_elsewhere(user, name, what):
    """The same touch, by another thread: what was interrupted holds no lock."""
    thread = threading.Thread(target=user.all, args=((name, what).__eq__,), daemon=True)
    thread.start()
    thread.join(5)
    if thread.is_alive():
        user.tally.fail(f"{name} {what}: hangs after an interrupted call")
        user.do(name, what)  # this thread may have the lock


class Handler:
    """Of signals that strike once, soon."""

    def __init__(self):
        self.armed = False
        self.struck = 0
        self.raised = 0
        self.lost = 0
        self.unraisable = []
        self.busy_with = ""  # the module that the signals strike in

    def arm(self, seconds):
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def disarm(self):
        # Nothing that takes a signal's exception away stands between these.
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


class Works(Handler):
    """Imports a module, and calls what it has for the first time."""

    def __init__(self, tally):
        super().__init__()
        self.user = User(tally)
        self.chance = random.Random(1)

    def __call__(self, number, frame):
        self.struck += 1
        name, what = self.chance.choice(ALL)
        try:
            self.user.do(name, what)
        except Exception as error:
            # It may strike in the middle of the import of this very module, or of the load of this very name.
            if _is_half_imported(error) or (name == self.busy_with and "has no attribute" in str(error)):
                self.user.tally.count("half-loaded modules seen")
            else:
                self.user.tally.fail(f"in the handler: {name} {what}")


def _is_half_imported(error):
    text = str(error)
    return isinstance(error, AttributeError | NameError | ImportError) and (
        "partially initialized" in text or "is not defined" in text or "not in sys.modules" in text
    )


class Raises(Handler):
    """Raises."""

    def __call__(self, number, frame):
        if self.armed:
            self.struck += 1
            self.armed = False
            self.raised += 1
            raise Interrupt

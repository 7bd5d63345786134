"""Scenes of several processes: forks, pools of workers, sudden ends."""

import importlib
import multiprocessing
import os
import random
import sys
import threading
import time
import warnings
from functools import partial

from load_scene import ALL, LIBRARY, NAMES, Tally, User, facts, in_child, reap

warnings.simplefilter("ignore", DeprecationWarning)  # of forks among threads

THREADS = 6
# Modules that others import, and such as nobody does. Of the latter the even ones are the threads' to import, the odd
# ones the children's: what one thread imports while another forks stays locked in the child for ever, as ever.
SHARED, OURS, THEIRS = NAMES[: len(NAMES) // 2], NAMES[len(NAMES) // 2 :: 2], NAMES[len(NAMES) // 2 + 1 :: 2]


def forks(tally, count):
    """Forks from the main thread, at any point of the way: some modules are imported, some used, some not at all."""
    user, chance = User(tally), random.Random(int(count))
    for number in range(int(count)):
        for name, what in chance.sample(ALL, 8):
            user.do(name, what)
        child = in_child(
            lambda mine, number=number: User(mine, user.facts).all(lambda _: chance.random() < 0.3, number)
        )
        reap(child, tally, "a child")
        for name in chance.sample(NAMES, 3):
            sys.modules.pop(name, None)


def forks_among_threads(tally, count):
    """Forks, from the main thread and from others, while threads import, reload and touch at random."""
    sys.setswitchinterval(1e-5)
    known, end = facts(), []
    for name in [*SHARED, *LIBRARY]:
        importlib.import_module(name)
    tallies = [Tally() for _ in range(THREADS)]
    works = [threading.Thread(target=_busy, args=(tallies[n], known, n, end), daemon=True) for n in range(THREADS)]
    for each in works:
        each.start()
    for number in range(int(count)):
        if number % 2:
            thread = threading.Thread(target=_fork_one, args=(tally, known, number))
            thread.start()
            thread.join()
        else:
            _fork_one(tally, known, number)
    end.append(True)
    for each in works:
        each.join(60)
        if each.is_alive():
            tally.fail("a thread hangs")
    for each in tallies:
        tally.add(each)


def forks_while_compiling(tally, count):
    """Forks while a thread imports modules that have to be compiled; the children import others."""
    if int(count) and "overlay_import._compiler" in sys.modules:
        tally.fail("the compiler has been imported before")
    sys.setswitchinterval(1e-6)
    known = facts()
    thread = threading.Thread(target=User(tally, known).all, args=(lambda each: each[0] == NAMES[0],))
    thread.start()
    children = []
    for number in range(int(count)):
        children.append(in_child(partial(_import_alone, number)))
        time.sleep(0.0003)
    for child in children:
        reap(child, tally, "a child", seconds=20)
    thread.join()


def _import_alone(number, tally):
    name = f"alone{number}"
    tally.expect(name, importlib.import_module(name).value(), ["alone", number])


def _busy(tally, known, number, end):
    """Executes shared modules anew, drops and imports its own, and touches both.

    Not by `reload`: it takes the module out of `sys.modules` for a moment, and has its lock. A child forked at this
    moment waits for ever to import it, with plain Python as well.
    """
    user, chance = User(tally, known), random.Random(number)
    shared, own = SHARED[number::THREADS], OURS[number::THREADS]
    touches = [each for each in ALL if each[0] in own or each[0] in SHARED]
    while not end:
        name, what = chance.choice(touches)
        try:
            if chance.random() < 0.1:
                module = sys.modules[chance.choice(shared)]
                module.__loader__.exec_module(module)
            if name in own and chance.random() < 0.5:
                sys.modules.pop(name, None)
            user.do(name, what)
        except Exception:
            tally.fail(f"{name} {what}")


def _fork_one(tally, known, number):
    def work(mine):
        chance = random.Random(number)
        User(mine, known).all(lambda each: each[0] not in OURS and chance.random() < 0.2, number)

    reap(in_child(work), tally, "a child")


def forks_in_first_calls(tally, count):
    """Forks in the middle of first calls: in the function, and while its code is read. Both processes go on."""
    children = []

    def fork(event, arguments):
        if event == "marshal.loads" and armed and armed.pop():
            child = os.fork()
            if child:
                children.append(child)
            else:
                children[:] = [None]

    armed = []
    sys.addaudithook(fork)
    user = User(tally)
    for name, what in random.Random(count).sample(ALL, min(int(count), len(ALL))):
        user.module(name)
        armed[:] = [True]
        user.do(name, what)
        armed.clear()
        if children == [None]:
            os._exit(_rest(user, name))
        while children:
            tally.count("forks while code was read")
            reap(children.pop(), tally, f"a child of {name} {what}")


def _rest(user, name):
    """The child's part: the rest of the module, and its own status."""
    before = len(user.tally.wrong)
    user.all(lambda each: each[0] == name)
    for wrong in user.tally.wrong[before:]:
        sys.stderr.write(wrong)
    return int(len(user.tally.wrong) > before)


def work_of(number):
    """What a worker of a pool does: some touches, in an order of its own."""
    tally = Tally()
    chance = random.Random(number)
    User(tally).all(lambda each: chance.random() < 0.1, number)
    return tally.tried, tally.wrong, tally.notes


def pools(tally, kind, workers, tasks):
    """Pools of workers."""
    if kind == "processes":
        from concurrent.futures import ProcessPoolExecutor

        pool = ProcessPoolExecutor(int(workers))
    elif kind == "threads":
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(int(workers))
    else:
        pool = multiprocessing.get_context(kind).Pool(int(workers))
    with pool:
        for tried, wrong, notes in pool.map(work_of, range(int(tasks))):
            told = Tally()
            told.tried, told.wrong, told.notes = tried, wrong, notes
            tally.add(told)


def preload(tally, workers, rounds):
    """As servers do: the master imports all, forks workers who use it, reloads all, and forks others."""
    user = User(tally)
    for name in [*NAMES, *LIBRARY]:
        user.module(name)
    for turn in range(int(rounds)):
        children = [in_child(lambda mine, n=n: User(mine, user.facts).all(seed=n)) for n in range(int(workers))]
        for name in NAMES:
            importlib.reload(sys.modules[name])
        for name, what in random.Random(turn).sample(ALL, 50):
            user.do(name, what)
        for child in children:
            reap(child, tally, "a worker")


def ends(tally, where, count):
    """Ends at once with the status 7, the `count`th time that a module's body begins, or that code is read; or with
    threads running."""
    user, events = User(tally), iter(range(int(count)))
    if where == "among threads":
        sys.setswitchinterval(1e-6)
        for number in range(8):
            threading.Thread(target=User(Tally(), user.facts).all, kwargs={"seed": number}, daemon=True).start()
        time.sleep(0.02 * int(count))
        os._exit(7)
    if where == "while code is read":
        for name in NAMES:
            user.module(name)
    awaited = {"in an import": "exec", "while code is read": "marshal.loads"}[where]

    def hook(event, arguments):
        if event == awaited and next(events, None) is None:
            os._exit(7)

    sys.addaudithook(hook)
    user.all(seed=int(count))
    os._exit(8)

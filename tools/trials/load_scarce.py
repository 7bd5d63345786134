"""Scenes in which something is scarce: file descriptors, mappings, address space, memory."""

import errno
import gc
import importlib
import mmap
import os
import random
import resource

from load_scene import ALL, LIBRARY, NAMES, User, facts, in_child, reap, touch

# What a child of a scene ends with where it ran out of memory and Python said so: no crash, and nothing wrong.
OUT_OF_MEMORY = 3


def descriptors(tally, taken, spare):
    """A limit of 64 open files, of which the program has `taken` already: all is imported and touched all the same."""
    user = User(tally)
    kept = _few_descriptors(int(taken))
    user.all(seed=int(spare))
    tally.expect("files left open", len(os.listdir("/proc/self/fd")), len(kept) + 4)


def _few_descriptors(taken):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    return [os.open(os.devnull, os.O_RDONLY) for _ in range(taken)]


def no_descriptors(tally):
    """Not one file can be opened: what is imported works; what is not fails as with plain Python, and works later."""
    user = User(tally)
    imported, rest = NAMES[:30], NAMES[31:]
    for name in [*imported, *LIBRARY]:
        user.module(name)
    user.do(NAMES[30], "error")  # for tracebacks Python imports something itself
    kept = _few_descriptors(0)
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    user.all(lambda each: each[0] in imported)
    failed = 0
    for name in rest:
        try:
            importlib.import_module(name)
        except OSError as error:
            failed += error.errno == errno.EMFILE
        except Exception:
            tally.fail(f"{name}: not the error that plain Python gives")
    tally.notes["imports that failed"] = failed
    for each in kept:
        os.close(each)
    importlib.invalidate_caches()
    user.all()


def mappings(tally, first_spare):
    """No mapping is left, or next to none: what is lazy is loaded, and modules are imported."""
    known = facts()
    user = User(tally, known)
    for name in [*NAMES[:20], *LIBRARY]:
        user.module(name)
    for spare in (*range(int(first_spare), 12), 20, 50):
        child = in_child(lambda mine, spare=spare: _without_mappings(mine, known, spare))
        code = reap(child, tally, f"{spare} mappings left", (0, OUT_OF_MEMORY))
        tally.count("out of memory" if code == OUT_OF_MEMORY else "came to an end")


def _without_mappings(tally, known, spare):
    user, chosen = User(tally, known), random.Random(spare).sample(ALL, len(ALL))
    gc.disable()
    held = [None] * 200_000
    count = _take_all_mappings(held)
    for number in range(count - 2 * spare, count):
        held[number] = None
    error = _until_error(user, chosen)
    held.clear()
    _tell(error)


def _until_error(user, chosen):
    """Touches; gives the error that ended that, where one did."""
    try:
        for name, what in chosen:
            user.do(name, what)
    except Exception as error:
        return error


def _tell(error):
    """Ends the child where Python said that there was no memory; another error is wrong."""
    if is_lack_of_memory(error):
        os._exit(OUT_OF_MEMORY)
    if error is not None:
        raise error


def is_lack_of_memory(error):
    """Whether that is what an error says, in one of the ways in which plain Python says it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    says = {RuntimeError: "can't allocate lock", ImportError: "failed to map segment from shared object"}
    return isinstance(error, MemoryError) or says.get(type(error), "no such text") in str(error)


def _take_all_mappings(held):
    """As many mappings as the kernel gives, each of another protection than its neighbours, so that none become one.

    Gives their number. From then on a list that changes its size may be too much to ask for.
    """
    count = 0
    try:
        while True:
            kind = mmap.PROT_READ if count % 2 else mmap.PROT_READ | mmap.PROT_WRITE
            held[count] = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=kind)
            count += 1
    except (OSError, MemoryError):
        return count


def address_space(tally, count, step):
    """Less and less address space: all goes well, or Python says that there is no memory."""
    known = facts()
    user = User(tally, known)
    for name in [*NAMES[:20], *LIBRARY]:
        user.module(name)
    for number in range(int(count)):
        room = number * int(step)
        child = in_child(lambda mine, room=room: _with_room(mine, known, room))
        code = reap(child, tally, f"{room} bytes left", (0, OUT_OF_MEMORY))
        tally.count("out of memory" if code == OUT_OF_MEMORY else "came to an end")


def _with_room(tally, known, room):
    user = User(tally, known)
    chosen = random.Random(room).sample(ALL, len(ALL))
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * mmap.PAGESIZE + room, unlimited[1]))
    error = _until_error(user, chosen)
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
    _tell(error)


def allocations(tally, count, of):
    """The nth allocation fails, and so do those after it: of a first call, of a lazy name's load, or of an import."""
    import _testcapi

    known = facts()
    user = User(tally, known)
    for name in [*NAMES[:20], *LIBRARY]:
        user.module(name)
    whats = {"first call": "work1", "lazy name": "lazy class", "import": "work2"}
    name = NAMES[25] if of == "import" else NAMES[12]
    for number in range(int(count)):
        child = in_child(lambda mine, n=number: _failing_allocation(mine, known, _testcapi, n, name, whats[of]))
        code = reap(child, tally, f"allocation {number} of the {of} fails", (0, OUT_OF_MEMORY))
        tally.count("out of memory" if code == OUT_OF_MEMORY else "came to an end")


def _failing_allocation(tally, known, _testcapi, number, name, what):
    import_module, error = importlib.import_module, None
    _testcapi.set_nomemory(number, number + 1)
    try:
        got = touch(import_module(name), name, what)
    except Exception as caught:
        error = caught
    finally:
        _testcapi.remove_mem_hooks()
    if error is None:
        tally.expect(f"{name} {what}", got, known[f"{name} {what}"])
    # The module is as good as before.
    User(tally, known).all(lambda each: each[0] == name)
    if not tally.wrong:
        _tell(error)

"""Comparisons and traces as the measuring parts give them, made up: what the tests of the page show on it."""

import random
import statistics

PHASES = ("find", "read", "compile", "unmarshal", "run", "other")


class TraceMaker:
    """Writes a trace down, import by import, against a clock that only its phases move."""

    def __init__(self, variant, watched=True):
        self.variant = variant
        self.watched = watched
        self.now = 0.001
        self.imports = []
        self.touched = []

    def begin(self, name, parent=None, by=None, **changes):
        """Begins an import; gives its index, which `spend` and `end` take."""
        self.imports.append(
            {
                "name": name,
                "parent": parent,
                "thread": 0,
                "file": f"/site/{name.replace('.', '/')}.py",
                "cache": None,
                "kind": "source",
                "by": by,
                "start": self.now,
                "segments": [],
                "bytes_read": 4000,
                "functions_run": 3 if self.watched else None,
                "functions_run_later": 1 if self.watched else None,
                "overlays": None,
                **changes,
            }
        )
        return len(self.imports) - 1

    def spend(self, index, phase, seconds):
        """Lets time pass in a phase of an import."""
        self.imports[index]["segments"].append([phase, self.now, self.now + seconds])
        self.now += seconds

    def end(self, index):
        """Ends an import."""
        made = self.imports[index]
        made["total"] = self.now - made["start"]
        for phase in PHASES:
            made[phase] = sum(end - start for name, start, end in made["segments"] if name == phase)

    def leaf(self, name, parent=None, by=None, scale=1.0, **changes):
        """An import with nothing within: 1 ms of find, 0.5 of read, 2 of unmarshal, 4 of run, times `scale`."""
        index = self.begin(name, parent, by, **changes)
        for phase, seconds in (("find", 0.001), ("read", 0.0005), ("unmarshal", 0.002), ("run", 0.004)):
            self.spend(index, phase, seconds * scale)
        self.end(index)
        return index

    def touch(self, module, overlay, file="/app/main.py", line=7):
        """Notes the load of an overlay."""
        self.touched.append(
            {
                "module": module,
                "overlay": overlay,
                "kind": "body",
                "file": file,
                "line": line,
                "function": "main",
                "start": self.now,
                "seconds": 0.0001,
                "bytes": 300,
            }
        )
        self.now += 0.0001

    def trace(self):
        """What was written down, as a trace."""
        return {
            "format": "overlay-import trace 1",
            "command": ["python", "app.py"],
            "variant": self.variant,
            "seconds": self.now + 0.01,
            "imports_end": self.now,
            "before": 31,
            "python": "CPython 3.13.0",
            "calls_watched": self.watched,
            "imports": self.imports,
            "touched": self.touched,
        }


def small_trace(variant="stock", scale=1.0):
    """`app` imports `rich` and `json`, `rich` imports `rich.console`."""
    maker = TraceMaker(variant)
    app = maker.begin("app")
    maker.spend(app, "find", 0.001)
    maker.spend(app, "run", 0.002)
    rich = maker.begin("rich", app, {"file": "/app/app.py", "line": 3})
    maker.spend(rich, "unmarshal", 0.003 * scale)
    maker.leaf("rich.console", rich, {"file": "/site/rich/__init__.py", "line": 9}, scale, functions_run_later=0)
    maker.spend(rich, "run", 0.001)
    maker.end(rich)
    maker.leaf("json", app, {"file": "/app/app.py", "line": 4}, scale * 2)
    maker.spend(app, "run", 0.003)
    maker.end(app)
    maker.touch("rich.console", "Console.print")
    maker.touch("json", "('lazy', 'dumps')", line=12)
    return maker.trace()


def big_trace(variant, modules, scale=1.0):
    """A trace of so many modules, nested as in real programs; the same modules for every `scale`."""
    chance = random.Random(1)
    maker = TraceMaker(variant)

    def add(parent, depth):
        number = len(maker.imports)
        index = maker.begin(f"package{number // 40}.part{number // 8 % 5}.module{number}", parent)
        for phase, mean in (("find", 1e-4), ("read", 5e-5), ("unmarshal", 2e-4 * scale), ("run", 2e-4 * scale)):
            maker.spend(index, phase, chance.expovariate(1) * mean)
        within = chance.choice((0, 0, 0, 1, 2, 3, 5, 8)) if depth < 16 else 0
        for _ in range(within):
            if len(maker.imports) < modules:
                add(index, depth + 1)
                maker.spend(index, "run", chance.expovariate(1) * 4e-5 * scale)
        maker.end(index)

    while len(maker.imports) < modules:
        add(None, 0)
    for number in range(0, modules, 10):
        maker.touch(maker.imports[number]["name"], f"function{number}", line=number + 1)
    return maker.trace()


def variant(scale=1.0, runs=20, **changes):
    """What the runs of a variant gave: 300 ms of CPU time and 40 MB at most, times `scale`."""
    chance = random.Random(2)

    def measured(middle, spread, count):
        return [middle * scale * (1 + spread * chance.uniform(-1, 1)) for _ in range(count)]

    return {
        "works": True,
        "why": None,
        "status": 0,
        "cpu": measured(0.3, 0.03, runs),
        "wall": measured(0.33, 0.05, runs),
        "peak": measured(40e6, 0.01, 3),
        "private": measured(30e6, 0.01, 3),
        "counts": {
            "modules": 312,
            "modules_with_overlays": 300,
            "bytes_read": 2_500_000,
            "overlays_loaded": 120,
            "overlays_pending": 2191,
        },
        "trace": None,
        **changes,
    }


def absent(works, why):
    """A variant that breaks the program (`works` false), or is not there (`None`)."""
    empty = {what: [] for what in ("cpu", "wall", "peak", "private")}
    return variant(works=works, why=why, status=None, counts=None, **empty)


def comparison(noise=(), **variants):
    """A comparison of stock with the variants; what is measured of those in `noise` is too close to it."""
    variants = {"stock": variant(), **variants}
    compared = []
    for name, result in list(variants.items())[1:]:
        for what in ("cpu", "wall", "peak", "private"):
            if not result[what]:
                continue
            ratio = statistics.median(result[what]) / statistics.median(variants["stock"][what])
            half = 0.3 if what in noise else 0.02
            compared.append(
                {
                    "variant": name,
                    "against": "stock",
                    "what": what,
                    "ratio": ratio,
                    "interval": [ratio - half, ratio + half],
                    "confidence": 0.979,
                    "verdict": "noise" if abs(ratio - 1) <= half else "less" if ratio < 1 else "more",
                }
            )
    return {
        "format": "overlay-import bench 1",
        "command": ["python", "app.py", "--name", "two words"],
        "python": "CPython 3.13.0",
        "overlay_import": "0.1.0",
        "machine": {"system": "Linux x86_64", "cpus": 2},
        "runs": 20,
        "variants": variants,
        "compared": compared,
    }

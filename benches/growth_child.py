"""What runs in a measured process of growth.py: `growth_child.py SIDE FOLDER MODULE COUNT`.

Imports the module, uses `COUNT` of its functions for the first time, each by its name, and prints the seconds of CPU
time that one took, the median. `SIDE` is `stock` or a level.
"""

import statistics
import sys
from time import process_time

MOST = 200


def first_uses(module, count):
    """Seconds for each: the functions are spread over the whole module."""
    rows = [("x", 1), ("xyz", 20)]
    for number in range(0, count, max(1, count // MOST)):
        name = f"widths_{number}"
        start = process_time()
        getattr(module, name)(rows)
        yield process_time() - start


if __name__ == "__main__":
    side, folder, name, count = sys.argv[1:]
    if side != "stock":
        import overlay_import

        overlay_import.install(lazy=side)
    sys.path.insert(0, folder)
    print(statistics.median(first_uses(__import__(name), int(count))))

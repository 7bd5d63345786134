"""Draws the README's chart: what the workloads take with overlays, and with what people use instead.

    python benches/chart.py FOLDER      # writes docs/benchmarks.svg; needs matplotlib

Of the newest version in run.py's folder, which has most peers. The same results give the same bytes.
"""

import sys
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from peers import mean
from report import read, version

CHART = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.svg"
PANELS = {
    "overlays": "overlays",
    "lazyloader": "LazyLoader\non everything",
    "pep810": "PEP 810\non everything",
    "overlays+pep810": "overlays\nand PEP 810",
}
# In the middle between black and white, to be read on either.
TEXT, FAINT, FASTER, OTHERS, SLOWER, BROKE = "#6e7781", "#6e778150", "#2f81f7", "#4fa3a5", "#d9822b", "#d1434b"
SETTINGS = {
    "svg.hashsalt": "benchmarks",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": TEXT,
    "axes.edgecolor": FAINT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


def main():
    newest = read(sys.argv[1])[-1]
    with matplotlib.rc_context(SETTINGS):
        figure = draw(newest)
        figure.savefig(CHART, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def draw(run):
    """The figure: a panel for each peer, a row for each workload, the last of them for the geometric mean."""
    results = [result for result in run["workloads"] if "peers" in result]
    peers = [peer for peer in PANELS if any(peer in result["peers"] for result in results)]
    figure, panels = pyplot.subplots(
        1, len(peers), sharey=True, squeeze=False, figsize=(2.2 + 1.7 * len(peers), 1.1 + 0.24 * len(results))
    )
    for peer, panel in zip(peers, panels[0], strict=True):
        draw_panel(panel, peer, results)
    labels = [*(result["title"] for result in results), "geometric mean"]
    panels[0][0].set_yticks(range(len(labels)), labels)
    panels[0][0].set_ylim(len(results) + 0.5, -0.6)
    figure.suptitle(f"CPU time of whole processes on CPython {version(run)}; plain Python = 1, shorter is better")
    note = lazy_loader_note(results)
    if note:
        figure.text(0.01, 0.01, note)
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    return figure


def draw_panel(panel, peer, results):
    """A peer's bars."""
    for row, result in enumerate(results):
        found = result["peers"].get(peer, {})
        draw_bar(panel, row, found.get("cpu"), FASTER if "overlays" in peer else OTHERS)
    interval, worked, of = mean(results, peer, "cpu")
    draw_bar(panel, len(results), interval, FASTER if "overlays" in peer else OTHERS, f" ({worked} of {of})")
    panel.axhline(len(results) - 0.5, color=FAINT, linewidth=0.8)
    panel.axvline(1, color=TEXT, linewidth=0.8)
    panel.set_title(PANELS[peer], fontsize=9)
    panel.set_xlim(0, 1.75)
    panel.set_xticks([0, 0.5, 1])
    panel.tick_params(length=0)
    panel.spines[["top", "right", "bottom"]].set_visible(False)


def draw_bar(panel, row, interval, color, more=""):
    """One bar with its interval and its number; a word where the program broke."""
    if interval is None:
        panel.text(0.05, row, "broke", color=BROKE, va="center")
        return
    low, ratio, high = interval
    panel.barh(row, ratio, height=0.62, color=SLOWER if low > 1 else color)
    panel.plot([low, high], [row, row], color=TEXT, linewidth=1)
    panel.text(max(high, 1) + 0.05, row, f"{ratio:.2f}{more}", va="center")


def lazy_loader_note(results):
    """What lazy-loader does, which too few workloads use for a panel."""
    ratios = {
        result["title"].partition(":")[0]: result["peers"].get("lazy-loader", {}).get("cpu") for result in results
    }
    used = ", ".join(f"{ratio[1]:.2f} in {title}" for title, ratio in ratios.items() if ratio)
    return used and f"The library lazy-loader, where a package uses it: {used}."


if __name__ == "__main__":
    main()

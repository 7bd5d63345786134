"""What the benchmarks say of what they measured. Nothing is timed here."""

import sys
from pathlib import Path

import pytest

BENCHES = str(Path(__file__).resolve().parent.parent / "benches")
BEFORE = set(sys.modules)
sys.path.append(BENCHES)
try:
    import agree
    import intervals
    import peers
    import report
    import tables
    from workloads import HERE, WORKLOADS
finally:
    sys.path.remove(BENCHES)
    # Their names are plain ones, which other tests give to modules of their own.
    for name in set(sys.modules) - BEFORE:
        if getattr(sys.modules[name], "__file__", None) == f"{BENCHES}/{name}.py":
            del sys.modules[name]

HALF, DOUBLE = [0.4, 0.5, 0.6], [1.9, 2.0, 2.1]


def workload(title="a", **of_peers):
    """A result. `of_peers`: an interval, or why the peer broke."""
    found = {
        name: {"broke": value} if isinstance(value, str) else dict.fromkeys(peers.MEASURES, value)
        for name, value in of_peers.items()
    }
    return {"title": title, "stock": dict.fromkeys(peers.MEASURES, 1.0), "peers": found}


def run(*results, python="3.13.0"):
    return {"python": python, "workloads": list(results), "bodies": [], "declared": []}


def disagreements(tmp_path, one, other):
    for name, results in (("one", one), ("other", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "3.13.json").write_text(report.as_json(results))
    return set(agree.disagreements(*(agree.stated(tmp_path / name) for name in ("one", "other"))))


def test_an_interval_is_never_stated_narrower_than_it_is():
    assert intervals.stated(0.7099, 0.71234, 0.7201) == [0.70, 0.712, 0.73]


def test_the_mean_is_over_the_workloads_on_which_a_peer_worked():
    results = [workload(overlays=HALF), workload(overlays="no output"), workload(overlays=DOUBLE), workload()]
    interval, worked, of = peers.mean(results, "overlays", "cpu")
    assert (interval[1], worked, of) == (1.0, 2, 3)


def test_a_peer_that_worked_nowhere_has_no_mean():
    assert peers.mean([workload(overlays="no output")], "overlays", "cpu") == (None, 0, 1)


def test_the_tables_show_what_broke_and_why():
    made = tables.made_of([run(workload("a", overlays=HALF), workload("b", overlays="KeyError: 1"))])
    assert "| b | broke |" in made["overlays"]
    assert "0.50 (0.40 to 0.60), 1 of 2" in made["overlays"]
    assert made["broken"] == "- `overlays`, b (3.13): `KeyError: 1`"


def test_the_tables_go_into_their_places_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: a -->\nold\n<!-- end -->\nafter\n")
    for _ in range(2):
        tables.put_into(page, {"a": "new", "b": "not asked for"})
        assert page.read_text() == "before\n<!-- table: a -->\n\nnew\n\n<!-- end -->\nafter\n"


def test_a_table_that_was_not_made_stays_as_it_was(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- table: a -->\nold\n<!-- end -->\n")
    tables.put_into(page, {})
    assert page.read_text() == "<!-- table: a -->\nold\n<!-- end -->\n"


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (HALF, [0.6, 0.7, 0.8], True),
        (HALF, [0.61, 0.7, 0.8], False),
        (HALF, "KeyError: 1", False),
        ("KeyError: 1", "KeyError: 2", True),
    ],
)
def test_runs_agree_where_their_intervals_overlap(tmp_path, one, other, agrees):
    found = disagreements(tmp_path, run(workload(overlays=one)), run(workload(overlays=other)))
    assert bool(found) is not agrees


def test_lines_of_one_run_only_neither_agree_nor_disagree(tmp_path):
    assert not disagreements(tmp_path, run(workload("a", overlays=HALF)), run(workload("b", overlays=DOUBLE)))


def test_every_workload_has_a_name_of_its_own_and_its_files():
    assert len({each.name for each in WORKLOADS}) == len(WORKLOADS) == 20
    files = [word for each in WORKLOADS for word in each.command if word.startswith("jobs/")]
    assert [file for file in files if not (HERE / file).exists()] == []

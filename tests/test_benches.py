"""What the benchmarks say of what they measured. Nothing is timed here."""

import sys
from collections import defaultdict
from pathlib import Path

import pytest

BENCHES = str(Path(__file__).resolve().parent.parent / "benches")
BEFORE = set(sys.modules)
sys.path.append(BENCHES)
try:
    import agree
    import bundled
    import case
    import intervals
    import paired
    import peers
    import report
    import tables
    import training
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


def run(*results, python="3.13.0", **parts):
    return defaultdict(list, python=python, workloads=list(results), **parts)


def of_bundles(title, middle, shows="ratio", stock=1.0):
    """A result of the part `bundles`, whose bound is 1."""
    interval = [middle, middle, middle]
    found = {"title": title, "unit": "s", "stock": stock, "overlays": middle, "shows": shows, "interval": interval}
    return found | {"level": "bodies", "at_most": 1.0, "holds": case.holds(interval, 1.0)}


def of_workers(count):
    """A result of the part `bundle-memory`."""
    sizes = {"stock": 30_000_000, "overlays": 25_000_000, "bundle": 20_000_000}
    return {"title": "import a", "workers": count, "private": sizes, "share": sizes | {"bundle": 21_000_000}}


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


def test_what_an_import_takes_from_a_bundle_is_shown_beside_what_stock_takes():
    result = of_bundles("import an empty module, check=default", 18e-6, "amount", stock=48e-6)
    made = tables.made_of([run(bundles=[result])])
    assert "| 1 s | 18 us (18 us to 18 us), stock 48 us |" in made["bundles"]
    assert "| import an empty module from a bundle | 18 us |" in made["summary"]
    assert "18 us (18 us to 18 us), stock 48 us" in "".join(report.lines("bundles", result))


def test_a_case_with_a_bound_on_what_it_takes_does_not_look_at_stock():
    pairs = paired.Pairs(stock=[1.0] * 6, overlays=[18.0] * 6)
    found = case.Case("bodies", "", (), at_most=17.0)._compared(pairs)
    assert found == {"shows": "amount", "interval": [18.0, 18.0, 18.0], "at_most": 17.0, "holds": "NO"}


def test_the_summary_has_the_mean_and_the_programs_of_each_variant():
    programs = [
        of_bundles(f"bundle: {name}", ratio) for name, ratio in zip(bundled.PROGRAMS, (0.6, 0.7, 0.8, 0.9), strict=True)
    ]
    means = [of_bundles(f"{name}: geometric mean of 10 of 10 imports", 0.5) for name in bundled.VARIANTS]
    summary = tables.made_of([run(bundles=[*programs, *means])])["summary"]
    assert "| geometric mean of the ten imports, each from a bundle | 0.50 |" in summary
    assert "rich, networkx, django, sqlalchemy | 0.60 to 0.90 |" in summary
    assert "these programs with" not in summary


def test_the_table_of_workers_has_what_each_has_alone_and_with_others():
    made = tables.made_of([run(**{"bundle-memory": [of_workers(1), {"title": "import b", "not there": "no wheel"}]})])
    assert made["bundle-memory"].splitlines()[2:] == [
        "| import a | 1 | 30 MB | 25 MB | 20 MB | 30 MB | 25 MB | 21 MB |"
    ]


def test_results_of_a_run_without_bundles_are_read(tmp_path):
    (tmp_path / "3.13.json").write_text(report.as_json({"python": "3.13.0", "workloads": []}))
    [read] = report.read(tmp_path)
    assert read["bundles"] == read["bundle-memory"] == []


def test_runs_are_compared_by_what_bundles_gain(tmp_path):
    one, other = (run(bundles=[of_bundles("import a", ratio)]) for ratio in (0.5, 0.7))
    assert disagreements(tmp_path, one, other) == {("3.13", "bundles", "import a")}


def test_a_program_of_the_cases_is_one_of_the_workloads():
    assert {each.name for each in WORKLOADS} >= set(bundled.PROGRAMS)


def test_a_program_that_a_bundle_breaks_has_no_ratio():
    found = bundled._program(workload(bundle="no output"), "bundle: a", "bundle")
    assert found["not there"] == "broke: no output"
    assert bundled._program(workload(bundle=HALF), "bundle: a", "bundle")["holds"] == "yes"


def test_only_the_side_that_has_one_gets_the_bundle():
    measured = []

    class Watched(bundled.BundleCase):
        def measure(self, side, **settings):
            measured.append((side, settings))

    watched = Watched("a", (), lambda: "a.overlays", gc="startup")
    for side in ("stock", "overlays"):
        watched.measure_side(side)
    given = {"OVERLAY_IMPORT_BUNDLE": "a.overlays", "OVERLAY_IMPORT_GC": "startup"}
    assert measured == [("stock", {}), ("bodies", given)]


def test_measured_processes_have_no_settings_of_ours(monkeypatch):
    settings = {"OVERLAY_IMPORT", "OVERLAY_IMPORT_LAZY", "OVERLAY_IMPORT_BUNDLE", "OVERLAY_IMPORT_GC"}
    for name in settings:
        monkeypatch.setenv(name, "1")
    assert not settings & paired.environment().keys()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shapes.py").write_text("def area(side):\n    return side * side\n")
    return training.Training(tmp_path / "bundles")


def test_a_bundle_is_trained_once_by_the_command_that_uses_it(trained, tmp_path):
    path = trained.by_command("-c", "import shapes")
    assert path == trained.by_command("-c", "import shapes")
    assert path != trained.by_command("-c", "import shapes", check="never")
    measured = bundled.BundleCase("a", ("bundled", str(tmp_path / "code"), "shapes"), lambda: path)
    assert measured.measure_side("overlays") > 0


def test_a_case_whose_bundle_cannot_be_used_fails(trained, tmp_path, capfd):
    measured = bundled.BundleCase("a", ("bundled", str(tmp_path / "code"), "shapes"), lambda: "/nowhere.overlays")
    with pytest.raises(Exception, match="returned non-zero exit status"):
        measured.measure_side("overlays")
    assert "/nowhere.overlays is not used" in capfd.readouterr().err

"""`overlay-import bench` and `report` with a bundle."""

import json
import re
from pathlib import Path

import pytest

import bundles
from command_line import is_one_plain_line, overlay_import
from overlay_import.measuring import _processes

PAGE = Path(__file__).resolve().parents[1] / "docs" / "measuring.md"


@pytest.fixture
def bundle(tmp_path):
    """The bundle of a program in the folder `app` beside it, which prints the same with and without overlays."""
    bundle = bundles.program(tmp_path)
    (tmp_path / "app" / "app.py").write_text("import package.numbers, shapes\nprint(package.numbers.rows(3))\n")
    return bundle


def bench(bundle, *options):
    return overlay_import("bench", "--runs", "1", *options, "--", "app/app.py", cwd=bundle.parent)


def report(bundle, *options):
    return overlay_import("report", *options, "--", "app/app.py", cwd=bundle.parent)


def traced(bundle, *options):
    outcome = report(bundle, "--format", "json", "-o", "found.json", *options)
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads((bundle.parent / "found.json").read_text())


def origins(trace):
    return {each["name"]: each["overlays"]["origin"] for each in trace["imports"] if each["overlays"]}


# bench


def test_bench_measures_the_bundle_beside_the_others(bundle):
    outcome = bench(bundle, "--bundle", "app.overlays", "--json", "found.json")
    assert (outcome.status, outcome.err) == (0, "")
    assert "\nbundle: the same exit status and output as stock; " in outcome.out
    found = json.loads((bundle.parent / "found.json").read_text())["variants"]
    assert list(found) == ["stock", "overlays", "bundle"]
    assert {name: variant["trace"]["bundle"] for name, variant in found.items()} == {
        "stock": None,
        "overlays": None,
        "bundle": str(bundle),
    }
    modules = ["package.numbers", "shapes"]
    assert origins(found["overlays"]["trace"]) == dict.fromkeys(modules, "cache")
    assert origins(found["bundle"]["trace"]) == dict.fromkeys(modules, "bundle")
    assert found["bundle"]["counts"]["modules"] == found["overlays"]["counts"]["modules"]


@pytest.mark.parametrize(
    ("options", "variants"),
    [
        (["--gc"], ["stock", "overlays", "overlays+gc"]),
        (["--gc", "--bundle", "app.overlays"], ["stock", "overlays", "bundle", "bundle+gc"]),
        (
            ["--bundle=app.overlays", "--gc", "--against=overlays+gc"],
            ["stock", "overlays", "bundle", "bundle+gc", "overlays+gc"],
        ),
    ],
)
def test_bench_measures_what_becomes_of_start_up_without_garbage_collection(bundle, options, variants):
    assert bench(bundle, *options, "--json", "found.json").status == 0
    found = json.loads((bundle.parent / "found.json").read_text())["variants"]
    assert list(found) == variants
    assert all(variant["works"] for variant in found.values())


def test_a_bundle_that_cannot_be_used_is_not_measured(bundle):
    bundle.chmod(0o666)
    outcome = bench(bundle, "--bundle", bundle)
    assert outcome.status == 0
    assert re.search(rf"\nbundle: not there, the bundle {bundle} is not used: .*others can write it", outcome.out)
    assert not re.search("^ +bundle ", outcome.out, re.MULTILINE)


@pytest.mark.parametrize("options", [["--bundle", "missing"], ["--against", "bundle"], ["--against", "bundle+gc"]])
def test_bench_without_the_bundle_it_needs_is_one_plain_line(bundle, options):
    outcome = bench(bundle, *options)
    assert is_one_plain_line(outcome)
    assert "bundle" in outcome.err


def test_the_settings_of_the_environment_are_those_of_no_other_variant():
    base = {"OVERLAY_IMPORT_BUNDLE": "/x/app.overlays", "OVERLAY_IMPORT_GC": "startup"}
    seen = {variant: _processes.environment_of(variant, "time", "", base) for variant in _processes.VARIANTS}
    with_bundle = {variant for variant, settings in seen.items() if "OVERLAY_IMPORT_BUNDLE" in settings}
    with_gc = {variant for variant, settings in seen.items() if settings.get("OVERLAY_IMPORT_GC")}
    assert (with_bundle, with_gc) == ({"bundle", "bundle+gc"}, {"overlays+gc", "bundle+gc"})


# report


def test_report_runs_with_the_bundle(bundle):
    outcome = report(bundle, "--bundle", "app.overlays")
    assert (outcome.status, outcome.out) == (0, "['00', '11', '22']\n")
    lines = outcome.err.splitlines()
    assert ", with a bundle, measured" in lines[1]
    assert lines[-1] == "from the bundle: 2 of 2 modules with overlays"


def test_what_modules_of_a_bundle_cost_is_told_as_of_any(bundle):
    report(bundle)
    (bundle.parent / "app" / "package" / "__init__.py").write_text("TEXT = 'not in the bundle'\n")
    trace = traced(bundle, "--bundle", bundle)
    modules = {each["name"]: each for each in trace["imports"]}
    numbers = modules["package.numbers"]
    assert (trace["variant"], trace["bundle"], trace["reason"]) == ("bundle", str(bundle), "")
    assert (numbers["kind"], numbers["file"]) == ("source", str(bundle.parent / "app" / "package" / "numbers.py"))
    assert numbers["bytes_read"] == numbers["overlays"]["bytes_core"] > 0
    assert numbers["read"] > 0
    assert numbers["unmarshal"] > 0
    assert numbers["run"] > 0
    assert numbers["compile"] == 0
    assert sum(numbers[phase] for phase in ("find", "read", "unmarshal", "run", "other")) <= numbers["total"] + 1e-6
    (touched,) = trace["touched"]
    assert (touched["overlay"], touched["line"], touched["bytes"]) == ("rows", 2, numbers["overlays"]["bytes_loaded"])


def test_a_report_without_a_bundle_has_none(bundle):
    trace = traced(bundle)
    assert (trace["bundle"], trace["reason"]) == (None, "")
    assert origins(trace)["package.numbers"] == origins(trace)["shapes"] == "source"
    again = origins(traced(bundle))
    assert again["package.numbers"] == again["shapes"] == "cache"
    assert "bundle" not in report(bundle).err


def test_modules_that_do_not_come_from_the_bundle_are_named(bundle):
    app = bundle.parent / "app"
    (app / "shapes.py").write_text("# overlay: lazy, area\narea = max\n")
    (app / "new.py").write_text("# overlay: lazy, area\narea = max\n")
    (app / "app.py").write_text("import package.numbers, shapes, new\n")
    report(bundle, "--bundle", bundle)
    *_, head, shapes, new = report(bundle, "--bundle", bundle).err.splitlines()
    assert head == "from the bundle: 1 of 3 modules with overlays"
    assert shapes.startswith("  shapes: the bundle is not fresh: the source's size changed")
    assert new == "  new: it is not in the bundle"


def test_report_says_why_the_bundle_was_not_used(bundle):
    bundle.chmod(0o666)
    outcome = report(bundle, "--bundle", bundle)
    assert (outcome.status, outcome.out) == (0, "['00', '11', '22']\n")
    head = " ".join(outcome.err.splitlines()[:5])
    assert ", with overlays, but without the bundle, measured" in head
    assert "is not used: " in head
    assert "from the bundle" not in outcome.err


@pytest.mark.parametrize("options", [["--bundle", "missing"], ["--plain", "--bundle", "app.overlays"]])
def test_report_with_a_bundle_that_it_cannot_take_is_one_plain_line(bundle, options):
    outcome = report(bundle, *options)
    assert is_one_plain_line(outcome)
    assert "bundle" in outcome.err


def test_every_key_of_a_trace_with_a_bundle_is_in_the_docs(bundle):
    traced(bundle, "--bundle", bundle)
    page = PAGE.read_text()
    keys = set(re.findall(r'"(\w+)": ', (bundle.parent / "found.json").read_text()))
    assert {key for key in keys if f"`{key}`" not in page} == set()

"""The page of `overlay-import bench --html` and `overlay-import report --format html`, in headless Chromium.

`tools/install-commands` installs that. Where it, selenium or plotly is missing these tests are skipped; with
OVERLAY_IMPORT_TEST_BROWSER=1 in the environment, as in continuous integration, they fail then.
"""

import importlib.util
import os
import re
import shutil
import sys
import time

import pytest

from overlay_import.measuring import _page
from pages import TraceMaker, absent, big_trace, comparison, small_trace, variant

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1280,1000"
)
# A name that would do harm wherever it were taken for something else than a text.
HOSTILE = """</script><script>window.harm=1</script><img src=x onerror="window.harm=2">'"&lt;<b>$&${x}"""


def missing():
    """What these tests cannot find."""
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return programs + [name for name in ("selenium", "plotly") if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A browser; all tests of the file share it."""
    if missing() and os.environ.get("OVERLAY_IMPORT_TEST_BROWSER") != "1":
        pytest.skip(f"not installed: {', '.join(missing())}")
    assert not missing()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in (*OPTIONS.split(), f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


class Page:
    """A page in the browser."""

    def __init__(self, driver):
        self.driver = driver

    def run(self, script, *arguments):
        """What a JavaScript expression gives; `arguments` are in it."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def one(self, selector):
        """The first element that a CSS selector finds."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector):
        """The texts of all elements that a CSS selector finds, as they are in the document."""
        return self.run("[...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector)

    def column(self, table, number):
        """A table's column, from 1."""
        return self.texts(f"#{table} tbody td:nth-child({number})")

    def press(self, *keys):
        """Presses keys, where the focus is; one at a time."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def search(self, text):
        """Types into the search field."""
        self.one("#search").send_keys(text)

    def view(self):
        """From where to where the waterfall shows the time, in milliseconds."""
        return self.run("document.getElementById('waterfall').layout.xaxis.range")

    def bars(self, name):
        """The waterfall's bars of that name: for each panel, a list of `(module's index, start, length, opacity)`."""
        script = """document.getElementById("waterfall").data.filter((trace) => trace.name === arguments[0]).map(
            (trace) => trace.customdata.map((index, i) => [index, trace.base[i], trace.x[i], trace.marker.opacity?.[i]])
        )"""
        return self.run(script, name)

    def drawn(self, name):
        """How many bars of that name are in the picture."""
        script = """[...document.querySelectorAll("#waterfall .barlayer .trace")].filter(
            (each) => each.__data__[0].trace.name === arguments[0]
        ).map((each) => each.querySelectorAll(".point path").length)"""
        return sum(self.run(script, name))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Where the page lies: always there, so that the browser knows its library from the last time."""
    return tmp_path_factory.mktemp("page") / "page.html"


@pytest.fixture
def show(driver, path):
    """Shows a page in the browser; nothing on it may fail, or ask for anything."""

    def show(comparison, traces):
        path.write_text(_page.render(comparison, traces), encoding="utf-8")
        driver.get(path.as_uri())
        return Page(driver)

    yield show
    assert driver.get_log("browser") == []
    assert driver.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)") == []
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def pair(show):
    """A comparison's page with two small traces."""
    traces = {"overlays": small_trace("overlays", scale=0.4), "stock": small_trace()}
    return show(comparison(overlays=variant(0.8)), traces)


@pytest.fixture
def text(monkeypatch):
    """A function that gives a page's text, as a browser without scripts shows it; it needs no plotly."""
    monkeypatch.setattr(_page, "library", lambda: "")

    def text(comparison, traces=None):
        page = re.sub("<(style|script).*?</\\1>", "", _page.render(comparison, traces or {}), flags=re.DOTALL)
        return re.sub("<.*?>", "", page, flags=re.DOTALL)

    return text


# The text.


def test_without_plotly_there_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"pip install 'overlay-import\[html\]'"):
        _page.render(comparison(overlays=variant()), {})


def test_the_verdict_is_a_sentence(text):
    assert (
        "With overlays the program takes 0.80 of the CPU time (0.78 to 0.82), 0.80 of the wall time (0.78 to 0.82), "
        "0.80 of the peak memory (0.78 to 0.82) and 0.80 of the private memory (0.78 to 0.82) that stock takes."
    ) in text(comparison(overlays=variant(0.8)))


def test_what_is_too_close_to_the_noise_is_called_so(text):
    found = text(comparison(noise=["wall", "private"], overlays=variant(0.8)))
    assert (
        "0.80 of the peak memory (0.78 to 0.82) that stock takes; wall time and private memory are too close" in found
    )
    everything = ["cpu", "wall", "peak", "private"]
    found = text(comparison(noise=everything, declared=variant()))
    assert (
        "With declared overlays only: CPU time, wall time, peak memory and private memory are too close to the noise to"
        " tell." in found
    )


def test_variants_that_do_not_work_are_there_with_the_reason(text):
    lazyloader = absent(False, "line 3 of its output is 'a', not 'b'")
    found = text(comparison(overlays=variant(0.8), lazyloader=lazyloader, pep810=absent(None, "too old")))
    assert found.count("lazyloader is broken: line 3 of its output is &#x27;a&#x27;, not &#x27;b&#x27;.") == 2
    assert found.count("pep810 was not measured: too old.") == 2


def test_the_head_says_what_was_measured_and_on_what(text):
    found = text(comparison(overlays=variant(0.8)))
    assert "python app.py --name &#x27;two words&#x27;" in found
    assert "CPython 3.13.0 · overlay-import 0.1.0 · Linux x86_64 · 2 CPUs · 20 runs of each variant" in found


def test_a_single_run_has_quartiles_too(text):
    assert "300 ms to 300 ms" in text(comparison(overlays=variant(cpu=[0.3], wall=[0.3])))


def test_the_results_are_a_table(show):
    counts = {"modules": 1312, "bytes_read": 2_500_000, "overlays_loaded": 120, "overlays_pending": 2191}
    page = show(comparison(overlays=variant(0.8, cpu=[0.1, 0.2, 0.3, 0.4, 0.5], counts=counts)), {})
    cells = [cell.text for cell in page.driver.find_elements("css selector", "#results tbody tr:nth-child(2) td")]
    assert cells[0] == "overlays"
    assert cells[1].splitlines()[:2] == ["300 ms", "200 ms to 400 ms"]
    assert cells[3].splitlines()[2] == "0.80 (0.78 to 0.82)"
    assert cells[5:] == ["1,312", "2.5 MB", "120 of 2,311"]


# The bars.


def test_bars_are_as_long_as_the_ratios_and_have_their_intervals(show):
    page = show(comparison(overlays=variant(0.8), declared=variant(0.9)), {})
    for what in ("cpu", "wall", "peak", "private"):
        bars = "[...document.querySelectorAll('#bars-' + arguments[0] + ' .barlayer .point path')]"
        stock, overlays, declared = page.run(f"{bars}.map((each) => each.getBBox().width)", what)
        assert overlays / stock == pytest.approx(0.8, abs=0.005)
        assert declared / stock == pytest.approx(0.9, abs=0.005)
        whiskers = "[...document.querySelectorAll('#bars-' + arguments[0] + ' path.xerror')]"
        widths = page.run(f"{whiskers}.map((each) => each.getBBox().width)", what)
        assert [width / stock for width in widths] == pytest.approx([0.04, 0.04], abs=0.005)


def test_bars_are_told_in_words(show):
    values = {"cpu": [0.2], "wall": [0.25], "peak": [32_000_000], "private": [9000]}
    page = show(comparison(noise=["wall"], overlays=variant(**values), pep810=absent(False, "x")), {})
    assert page.texts("#bars-wall .annotation-text")[1:] == ["250 ms, 0.76, noise", "broken"]
    assert page.texts("#bars-peak .annotation-text")[1].startswith("32.0 MB, 0.")
    assert "Private memory, with 97.9% confidence: stock 3" in page.one("#bars-private").get_attribute("aria-label")


def test_bars_in_the_noise_are_pale(show):
    page = show(comparison(noise=["cpu"], overlays=variant(0.8)), {})
    bars = "[...document.querySelectorAll('#bars-' + arguments[0] + ' .barlayer .point path')]"
    assert page.run(f"{bars}.map((bar) => bar.style.opacity)", "peak") == ["1", "1"]
    assert page.run(f"{bars}.map((bar) => bar.style.opacity)", "cpu") == ["1", "0.45"]


# The waterfall.


def test_each_module_is_a_bar_with_its_phases(pair):
    overlays, stock = small_trace("overlays", scale=0.4), small_trace()
    for index, frames in enumerate(pair.bars("imports")):
        trace = (stock, overlays)[index]
        expected = [(each["start"] * 1000, each["total"] * 1000) for each in trace["imports"]]
        assert [tuple(bar[1:3]) for bar in frames] == [pytest.approx(times, abs=0.001) for times in expected]
        for phase in ("find", "read", "unmarshal", "compile", "run", "other"):
            segments = [
                (index * 4 + number, start * 1000, (end - start) * 1000)
                for number, each in enumerate(trace["imports"])
                for name, start, end in each["segments"]
                if name == phase
            ]
            bars = pair.bars(phase)[index]
            assert [tuple(bar[:3]) for bar in bars] == [
                pytest.approx(segment, abs=0.001) for segment in sorted(segments, key=lambda each: each[1])
            ]
    assert pair.drawn("imports") == 8
    assert pair.drawn("run") == 2 * 5


def test_stock_is_above_overlays_and_they_share_the_time(pair):
    place = (
        "[...document.querySelectorAll('#waterfall .annotation-text')].map((each) => each.getBoundingClientRect().y)"
    )
    stock, overlays = pair.run(place)
    assert stock < overlays
    assert pair.texts("#waterfall .annotation-text") == ["stock, 4 modules", "overlays, 4 modules"]
    frames = "[...document.querySelectorAll('#waterfall .barlayer .trace:first-child .point path')]"
    left = pair.run(f"{frames}.map((bar) => bar.getBBox().x)")
    assert left[4] == pytest.approx(left[0])


def test_imports_are_below_the_one_they_are_within_and_threads_below_one_another(show):
    maker = TraceMaker("overlays")
    outer = maker.begin("outer")
    maker.leaf("inner", outer)
    maker.end(outer)
    maker.leaf("other", thread=1)
    page = show(None, {"overlays": maker.trace()})
    assert page.run("document.getElementById('waterfall').data[0].y") == [0, 1, 2]


def test_labels_name_the_modules_whose_bars_have_room(pair):
    names = ["app", "rich", "rich.console", "json"]
    assert pair.texts("#waterfall .textpoint") == names * 2
    show_all = pair.view()
    pair.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 340, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    wait(lambda: "rich.console" not in pair.texts("#waterfall .textpoint"))
    assert "console" in pair.texts("#waterfall .textpoint")
    assert pair.view() == show_all


def test_the_legend_says_what_each_phase_took(pair):
    assert pair.texts("#phases th") == ["", "stock", "overlays"]
    assert pair.column("phases", 2) == ["4 ms", "1.5 ms", "9 ms", "0 ms", "18 ms", "0 ms", "32.5 ms", "4"]
    assert pair.column("phases", 3) == ["2.2 ms", "0.6 ms", "3.6 ms", "0 ms", "10.8 ms", "0 ms", "17.2 ms", "4"]


def test_pointing_at_a_module_shows_what_is_known_of_it(pair):
    from selenium.webdriver.common.action_chains import ActionChains

    bar = pair.driver.find_elements("css selector", "#waterfall .barlayer .trace:first-child .point path")[2]
    ActionChains(pair.driver).move_to_element(bar).perform()
    wait(lambda: pair.one("#tip").is_displayed())
    told = pair.one("#tip").text
    for part in (
        "rich.console",
        "/site/rich/console.py",
        "/site/rich/__init__.py:9",
        "7.5 ms",
        "3, 0 after the import",
    ):
        assert part in told
    ActionChains(pair.driver).move_to_element(pair.one("h1")).perform()
    wait(lambda: not pair.one("#tip").is_displayed())


def test_dragging_over_a_part_zooms_into_it(pair):
    from selenium.webdriver.common.action_chains import ActionChains

    start, end = pair.view()
    place = pair.one("#waterfall .nsewdrag")
    drag = ActionChains(pair.driver).move_to_element_with_offset(place, 100, 0).click_and_hold()
    drag.move_by_offset(200, 0).release().perform()
    wait(lambda: pair.view() != [start, end])
    middle, end_of_view = pair.view()
    assert start < middle < end_of_view <= end
    assert end_of_view - middle == pytest.approx(200 / (place.size["width"]) * (end - start), rel=0.02)


def test_a_double_click_resets(pair):
    from selenium.webdriver.common.action_chains import ActionChains

    whole = pair.view()
    pair.one("#closer").click()
    assert pair.view() != whole
    ActionChains(pair.driver).double_click(pair.one("#waterfall .nsewdrag")).perform()
    wait(lambda: pair.view() == whole)


def test_the_buttons_and_keys_zoom_and_move(pair):
    from selenium.webdriver.common.keys import Keys

    start, end = pair.view()
    quarter = (end - start) / 4
    pair.one("#closer").click()
    assert pair.view() == pytest.approx([start + quarter, end - quarter])
    pair.run("document.getElementById('waterfall').focus()")
    pair.press(Keys.ARROW_RIGHT)
    assert pair.view() == pytest.approx([start + 1.4 * quarter, end - 0.6 * quarter])
    pair.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, "+", "-", "-")
    assert pair.view() == [start, end]
    pair.press("+", Keys.ESCAPE)
    assert pair.view() == [start, end]


def test_the_wheel_zooms_with_ctrl_only(pair):
    wheel = """(() => { const event = new WheelEvent("wheel", { deltaY: -200, clientX: innerWidth / 2, cancelable: true,
        ctrlKey: arguments[0] }); document.getElementById("waterfall").dispatchEvent(event);
        return event.defaultPrevented; })(...arguments)"""
    start, end = pair.view()
    assert pair.run(wheel, False) is False
    assert pair.view() == [start, end]
    assert pair.run(wheel, True) is True
    assert pair.view()[1] - pair.view()[0] == pytest.approx((end - start) / 2)


# The search.


def test_a_search_counts_the_matches_and_dims_the_rest(pair):
    pair.search("RICH")
    assert pair.one("#found").text == "stock: 2 modules, 11.5 ms; overlays: 2 modules, 5.2 ms"
    for frames in pair.bars("imports"):
        assert [bar[3] for bar in frames] == [0.22, 1, 1, 0.22]
    assert pair.drawn("matches") == 4
    pair.search("x")
    assert pair.one("#found").text == "stock: none; overlays: none"
    assert pair.drawn("matches") == 0


def test_enter_zooms_to_the_next_match(pair):
    from selenium.webdriver.common.keys import Keys

    stock, overlays = (trace["imports"] for trace in (small_trace(), small_trace("overlays", scale=0.4)))
    pair.search("rich")
    for number, module in enumerate([*stock[1:3], *overlays[1:3], stock[1]]):
        pair.press(Keys.ENTER)
        start, end = module["start"] * 1000, (module["start"] + module["total"]) * 1000
        margin = (end - start) * 0.15
        assert pair.view() == pytest.approx([start - margin, end + margin], abs=0.001)
        assert pair.one("#found").text.startswith(f"{number % 4 + 1} of 4; stock: 2 modules")
        assert pair.one("#chosen b").text == module["name"]
    pair.driver.execute_script("document.activeElement.blur()")
    pair.press("/")
    assert pair.run("document.activeElement.id") == "search"
    with_shift(pair, Keys.ENTER)
    assert pair.one("#found").text.startswith("4 of 4")


@pytest.mark.parametrize("way", ["escape", "button"])
def test_reset_shows_all_again(pair, way):
    from selenium.webdriver.common.keys import Keys

    whole = pair.view()
    pair.search("json" + Keys.ENTER)
    assert pair.view() != whole
    assert pair.one("#chosen").is_displayed()
    if way == "escape":
        pair.press(Keys.ESCAPE)
    else:
        pair.one("#reset").click()
    assert pair.view() == whole
    assert pair.one("#search").get_property("value") == ""
    assert pair.one("#found").text == ""
    assert {bar[3] for frames in pair.bars("imports") for bar in frames} == {1}
    assert not pair.one("#chosen").is_displayed()


# Many modules.


def test_a_thousand_modules_and_more_are_drawn_fast_and_zoomed_into(show):
    from selenium.webdriver.common.keys import Keys

    traces = {name: big_trace(name, 1500, scale) for name, scale in (("stock", 1), ("overlays", 0.5))}
    page = show(comparison(overlays=variant(0.8)), traces)
    clock = "(() => { const begun = performance.now(); waterfall.draw(); return performance.now() - begun; })()"
    assert page.run(clock) < 4000  # a tenth of it, on a machine that does nothing else
    # Of what shares a pixel one is drawn; all rows are there.
    assert page.drawn("run") < 10_000
    rows = page.run("[...new Set(document.getElementById('waterfall').data[0].y)].length")
    assert rows == page.run("data.panels[0].rows")
    page.search("module777")
    assert page.one("#found").text.startswith("stock: 1 module, ")
    page.press(Keys.ENTER)
    sought = traces["stock"]["imports"][777]
    segments = [each for each in sought["segments"] if each[0] == "unmarshal"]
    drawn = [bar[1:3] for bar in page.bars("unmarshal")[0] if bar[0] == 777]
    assert drawn == [pytest.approx([start * 1000, (end - start) * 1000], abs=0.001) for _, start, end in segments]


# A report.


@pytest.fixture
def report(show):
    """A report's page."""
    return show(None, {"overlays": small_trace("overlays")})


def test_a_report_says_in_a_sentence_where_the_time_went(report):
    assert report.one(".verdict").text == (
        "The program took 43.7 ms; importing 4 modules took 32.5 ms of it: find 12%, read 5%, unmarshal 28%, run 55%."
    )


def test_a_report_has_the_slowest_modules(report):
    assert report.column("slowest", 1) == ["json", "rich.console", "app", "rich"]
    assert report.column("slowest", 2) == ["15.000", "7.500", "6.000", "4.000"]
    assert report.column("slowest", 9) == ["15.000", "7.500", "32.500", "11.500"]
    assert report.column("slowest", 10)[:2] == ["/app/app.py:4", "\N{HORIZONTAL ELLIPSIS}/rich/__init__.py:9"]
    assert report.one("#slowest tr:nth-child(2) span").get_attribute("title") == "/site/rich/__init__.py"


def test_a_report_has_the_modules_that_were_loaded_and_never_called(report):
    assert report.column("unused", 1) == ["rich.console"]
    assert "1 module of which no function ran after the import; own time 7.5 ms." in report.texts("section p")[-2]


def test_modules_whose_calls_cannot_be_watched_and_failed_imports_are_no_unused_modules(text):
    maker = TraceMaker("overlays")
    maker.leaf("compiled", kind="extension", functions_run_later=0)
    maker.leaf("missing", kind="failed", functions_run_later=0)
    found = text(None, {"overlays": maker.trace()})
    assert "importing 1 module took 15 ms" in found
    assert "0 modules of which no function ran after the import; own time 0 ms." in found


def test_a_report_without_calls_says_so(text):
    maker = TraceMaker("overlays", watched=False)
    maker.leaf("one")
    assert "Calls were not watched." in text(None, {"overlays": maker.trace()})


def test_a_report_has_the_overlays_touched_and_by_what_line(report):
    assert report.column("touched", 1) == ["Console.print", "('lazy', 'dumps')"]
    assert report.column("touched", 4) == ["/app/main.py:7", "/app/main.py:12"]


def test_a_click_on_a_heading_sorts_and_another_reverses(report):
    by_total = report.one("#slowest th:nth-child(9) button")
    by_total.click()
    assert report.column("slowest", 9) == ["32.500", "15.000", "11.500", "7.500"]
    by_total.click()
    assert report.column("slowest", 9) == ["7.500", "11.500", "15.000", "32.500"]
    assert report.one("#slowest th:nth-child(9)").get_attribute("aria-sort") == "ascending"
    report.one("#slowest th:nth-child(1) button").click()
    assert report.column("slowest", 1) == ["app", "json", "rich", "rich.console"]
    sorted_by = report.run("[...document.querySelectorAll('[aria-sort]')].map((each) => each.textContent)")
    assert sorted_by == ["module"]


def test_a_click_on_a_module_finds_it_in_the_waterfall(report):
    report.one("#unused button.module").click()
    assert report.one("#search").get_property("value") == "rich.console"
    assert report.one("#chosen b").text == "rich.console"
    assert report.view()[0] > 1


# Any data, any window.


def test_a_page_without_traces_has_no_waterfall(show):
    page = show(comparison(overlays=variant(0.8)), {})
    assert "No imports were traced." in page.one("main").text
    assert page.driver.find_elements("id", "waterfall") == []
    assert page.run("document.querySelectorAll('#bars-cpu .barlayer .point path').length") == 2


@pytest.mark.parametrize("traces", [{}, {"overlays": TraceMaker("overlays").trace()}])
def test_a_report_of_a_program_that_imported_nothing(show, traces):
    assert "No imports were traced." in show(None, traces).one("main").text


@pytest.mark.parametrize("kind", ["bench", "report"])
def test_names_do_no_harm(show, kind):
    from selenium.webdriver.common.keys import Keys

    maker = TraceMaker("overlays")
    maker.leaf(HOSTILE, by={"file": HOSTILE, "line": 1}, file=HOSTILE, functions_run_later=0)
    maker.leaf("\udcff", file="\udcff.py")
    maker.touch(HOSTILE, HOSTILE, file=HOSTILE)
    trace = {**maker.trace(), "command": [HOSTILE]}
    compared = comparison(**{"overlays": variant(0.8), HOSTILE: absent(False, HOSTILE)})
    page = show({**compared, "command": [HOSTILE]} if kind == "bench" else None, {HOSTILE: trace})
    page.search("img" + Keys.ENTER)
    assert page.one("#chosen b").text == HOSTILE
    assert page.texts("#waterfall .textpoint") == [HOSTILE, "?"]
    assert page.texts("#waterfall .annotation-text") == [f"{HOSTILE}, 2 modules"]
    assert page.run("[window.harm, document.images.length, document.scripts.length]") == [None, 0, 3]
    assert "<script>" in page.one("h1").text
    if kind == "bench":
        assert HOSTILE in page.texts("#bars-cpu .ytick text")
        assert f"{HOSTILE} is broken: {HOSTILE}." in page.texts(".broken")
    else:
        assert page.column("unused", 1) == page.column("touched", 1) == [HOSTILE]


def test_the_page_may_run_its_own_scripts_only(show, driver):
    page = show(comparison(overlays=variant(0.8)), {})
    inserted = "Object.assign(document.createElement('script'), { textContent: 'window.harm = 1' })"
    driver.execute_script(f"document.body.append({inserted})")
    assert page.run("window.harm") is None
    driver.execute_script("document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x.png' }))")
    refused = []
    wait(lambda: len(refused.extend(driver.get_log("browser")) or refused) == 2)
    assert all("Content Security Policy" in entry["message"] for entry in refused)
    driver.get("about:blank")


def test_the_page_is_dark_where_the_system_is(show, driver):
    try:
        colours = []
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            page = show(comparison(overlays=variant(0.8)), {})
            colours.append(
                page.run(
                    "[getComputedStyle(document.body).backgroundColor,"
                    " document.querySelector('#bars-cpu .annotation-text').style.fill]"
                )
            )
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    (light_paper, light_ink), (dark_paper, dark_ink) = [[brightness(each) for each in pair] for pair in colours]
    assert light_ink < 60 < 200 < light_paper
    assert dark_paper < 60 < 200 < dark_ink


@pytest.mark.parametrize("width", [360, 700, 1600])
def test_nothing_is_cut_off_in_a_window_of_any_width(show, driver, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page = show(comparison(overlays=variant(0.8)), {"stock": small_trace(), "overlays": small_trace("overlays")})
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelector('#waterfall .main-svg').getBoundingClientRect().width") > width * 0.7 - 60


def brightness(colour):
    """The mean of a CSS colour's red, green and blue."""
    parts = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    return sum(parts) / 3


def with_shift(page, key):
    """Presses a key together with Shift."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()


def wait(condition):
    """Waits until the condition holds; not for ever."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)

// What moves on the page: the charts (by plotly), the search in the waterfall, the sorting of tables.
// Nothing that comes from a measured program is ever parsed as HTML: it goes into text nodes, or through `plain`.
"use strict";

const PHASES = ["find", "read", "unmarshal", "compile", "run", "other"];
const MARGIN = { l: 16, r: 16, t: 4, b: 26 }; // of the waterfall, in pixels; so are HEADING and ROW
const HEADING = 26;
const ROW = { most: 20, least: 9, label: 13 };
const CHARACTER = 6.4; // how wide one is in a label, about

const data = JSON.parse(document.getElementById("data").textContent);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const milliseconds = (time) => (time >= 1000 ? `${(time / 1000).toPrecision(3)} s` : `${Number(time.toPrecision(3))} ms`);
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Text as plotly shows it unchanged: it reads tags and entities in what it is given. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  made.append(text, ...children);
  return made;
}

function draw(place, traces, layout) {
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") };
  const paper = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", width: place.clientWidth };
  const options = { displayModeBar: false, doubleClick: false, showTips: false };
  return Plotly.react(place, traces, { ...paper, font, showlegend: false, ...layout }, options);
}

// Bars with intervals: a chart for each measure.

function drawMeasure({ what, title, bars }) {
  const place = document.getElementById(`bars-${what}`);
  const variants = bars.map((bar) => plain(bar.variant));
  const trace = {
    type: "bar",
    orientation: "h",
    x: bars.map((bar) => bar.ratio),
    y: variants,
    width: 0.62,
    marker: {
      color: bars.map((_, index) => colour(index ? "run" : "stock")),
      opacity: bars.map((bar) => (bar.noise ? 0.45 : 1)),
    },
    error_x: {
      type: "data",
      symmetric: false,
      array: bars.map((bar) => (bar.high === null ? NaN : bar.high - bar.ratio)),
      arrayminus: bars.map((bar) => (bar.low === null ? NaN : bar.ratio - bar.low)),
      color: colour("ink"),
      thickness: 1.5,
      width: 5,
    },
    hoverinfo: "none",
  };
  const texts = bars.map((bar, index) => ({
    text: plain(bar.text),
    x: 1,
    xref: "paper",
    xanchor: "left",
    xshift: 8,
    y: variants[index],
    showarrow: false,
    font: { color: colour(bar.ratio === null ? "bad" : "ink") },
  }));
  const longest = Math.max(1.1, ...bars.map((bar) => bar.high ?? bar.ratio));
  place.setAttribute("aria-label", `${title}: ${bars.map((bar) => `${bar.variant} ${bar.text}`).join("; ")}`);
  draw(place, [trace], {
    height: 70 + 34 * bars.length,
    margin: { l: 18 + 7.2 * Math.max(...bars.map((bar) => bar.variant.length)), r: 150, t: 34, b: 30 },
    title: { text: title, x: 0, xanchor: "left", font: { size: 14 } },
    xaxis: { range: [0, longest * 1.03], fixedrange: true, gridcolor: colour("line"), zeroline: false },
    yaxis: { type: "category", range: [bars.length - 0.5, -0.5], fixedrange: true, ticklabelstandoff: 6 },
    shapes: [{ type: "line", x0: 1, x1: 1, y0: 0, y1: 1, yref: "paper", line: { color: colour("soft"), dash: "dot", width: 1 } }],
    annotations: texts,
  });
}

// The waterfall: a panel for each trace, the time axis shared.

/** Adds to a panel's modules their row, own time and frame; gives the panel with all segments and its rows. */
function laidOut(panel) {
  const depths = new Map();
  for (const module of panel.modules) {
    module.panel = panel;
    module.depth = module.parent === null ? 0 : panel.modules[module.parent].depth + 1;
    module.own = sum(module.segments.map(([, start, end]) => end - start));
    depths.set(module.thread, Math.max(depths.get(module.thread) ?? 0, module.depth + 1));
  }
  // The threads' rows lie below one another.
  const first = new Map();
  panel.rows = 0;
  for (const [thread, depth] of depths) {
    first.set(thread, panel.rows);
    panel.rows += depth;
  }
  for (const module of panel.modules) module.row = first.get(module.thread) + module.depth;
  panel.frames = panel.modules.map((module) => {
    return { module, phase: "frame", start: module.start, end: module.start + module.total };
  });
  panel.segments = panel.modules
    .flatMap((module) => module.segments.map(([phase, start, end]) => ({ module, phase, start, end })))
    .sort((one, other) => one.start - other.start);
  return panel;
}

/**
 * What to draw of items that are sorted by start: those near the view. Where several would share a pixel of a row, one
 * stands for them, in the colour of the phase that took most; so a trace of any size draws fast.
 */
function visible(items, view, pixel) {
  const width = view.to - view.from;
  const crowds = new Map();
  const kept = [];
  for (const item of items) {
    if (item.end < view.from - width || item.start > view.to + width) continue;
    const key = item.module.row;
    const last = crowds.get(key);
    if (item.end - item.start >= pixel) {
      kept.push(item);
    } else if (last && item.start - last.end < pixel && item.end - last.start < 2 * pixel) {
      last.end = item.end;
      last.spent[item.phase] = (last.spent[item.phase] ?? 0) + item.end - item.start;
      last.phase = PHASES.reduce((a, b) => ((last.spent[b] ?? 0) > (last.spent[a] ?? 0) ? b : a), item.phase);
      last.several ||= last.module !== item.module;
    } else {
      const crowd = { ...item, spent: { [item.phase]: item.end - item.start } };
      crowds.set(key, crowd);
      kept.push(crowd);
    }
  }
  return kept;
}

class Waterfall {
  constructor(place, panels) {
    this.place = place;
    this.panels = panels.map(laidOut);
    this.modules = this.panels.flatMap((panel) => panel.modules);
    this.modules.forEach((module, index) => (module.index = index));
    const last = Math.max(...this.modules.map((module) => module.start + module.total));
    this.whole = { from: 0, to: last * 1.01 || 1 };
    this.view = this.whole;
    this.query = "";
    this.matches = [];
    this.current = null;
    this.draw().then(() => this.listen());
  }

  draw() {
    const pixel = (this.view.to - this.view.from) / Math.max(this.place.clientWidth - MARGIN.l - MARGIN.r, 1);
    const most = Math.max(...this.panels.map((panel) => panel.rows));
    const row = Math.max(ROW.least, Math.min(ROW.most, 520 / most));
    const traces = this.panels.flatMap((panel, index) => this.tracesOf(panel, index, pixel, row));
    return draw(this.place, traces, this.layout(row));
  }

  layout(row) {
    const heights = this.panels.map((panel) => HEADING + panel.rows * row);
    const inner = sum(heights);
    const layout = {
      height: inner + MARGIN.t + MARGIN.b,
      margin: MARGIN,
      barmode: "overlay",
      dragmode: "zoom",
      hovermode: "closest",
      hoverdistance: 1,
      xaxis: { range: [this.view.from, this.view.to], ticksuffix: " ms", gridcolor: colour("line"), zeroline: false, anchor: axisOf(this.panels.length - 1) },
      annotations: [],
      shapes: this.current ? [this.outline(this.current)] : [],
    };
    let top = 1;
    this.panels.forEach((panel, index) => {
      const bottom = Math.max(top - heights[index] / inner, 0);
      layout[`yaxis${index ? index + 1 : ""}`] = {
        domain: [bottom, top - HEADING / inner],
        range: [panel.rows - 0.5, -0.5],
        fixedrange: true,
        visible: false,
      };
      const text = `<b>${plain(panel.variant)}</b>, ${counted(panel.modules.filter((each) => each.kind !== "failed").length, "module")}`;
      layout.annotations.push({ text, x: 0, y: top, xref: "paper", yref: "paper", xanchor: "left", yanchor: "top", showarrow: false });
      top = bottom;
    });
    return layout;
  }

  tracesOf(panel, index, pixel, row) {
    const yaxis = axisOf(index);
    const frames = visible(panel.frames, this.view, pixel / 2);
    const segments = visible(panel.segments, this.view, pixel / 2);
    const traces = [this.bars("imports", "frame", frames, yaxis)];
    for (const phase of PHASES) {
      traces.push(this.bars(phase, phase, segments.filter((item) => item.phase === phase), yaxis));
    }
    // Outlined, so that a match is seen however short it was.
    const found = panel.frames.filter((item) => item.module.found);
    const matches = this.bars("matches", "match", found, yaxis);
    matches.marker = { color: "rgba(0,0,0,0)", line: { color: colour("match"), width: 2 } };
    traces.push(matches);
    if (row >= ROW.label) traces.push(this.labels(frames, yaxis, pixel));
    return traces;
  }

  bars(name, kind, items, yaxis) {
    return {
      type: "bar",
      orientation: "h",
      name,
      base: items.map((item) => item.start),
      x: items.map((item) => item.end - item.start),
      y: items.map((item) => item.module.row),
      width: 0.88,
      customdata: items.map((item) => (item.several ? -1 : item.module.index)),
      marker: { color: colour(kind), opacity: items.map((item) => (this.dims(item.module) ? 0.22 : 1)), line: { width: 0 } },
      hoverinfo: "none",
      xaxis: "x",
      yaxis,
    };
  }

  /** Whether there is a search that the module does not match. */
  dims(module) {
    return this.query && !module.found;
  }

  /** The names of modules whose bars have room for them, or for their last part. */
  labels(frames, yaxis, pixel) {
    const labels = frames.flatMap(({ module, start, end }) => {
      const from = Math.max(start, this.view.from);
      const room = (Math.min(end, this.view.to) - from) / pixel / CHARACTER - 1;
      const text = [module.name, module.name.split(".").pop()].find((each) => each.length <= room);
      return text ? [{ text, module, x: from }] : [];
    });
    const [soft, onBar] = [colour("soft"), colour("on-bar")];
    return {
      type: "scatter",
      mode: "text",
      name: "labels",
      x: labels.map((label) => label.x),
      y: labels.map((label) => label.module.row),
      text: labels.map((label) => plain(label.text)),
      textposition: "middle right",
      textfont: { size: 11, color: labels.map(({ module }) => (this.dims(module) ? soft : onBar)) },
      hoverinfo: "skip",
      xaxis: "x",
      yaxis,
    };
  }

  outline(module) {
    const line = { color: colour("bad"), width: 2 };
    const [y0, y1] = [module.row - 0.47, module.row + 0.47];
    return { type: "rect", x0: module.start, x1: module.start + module.total, y0, y1, yref: axisOf(this.panels.indexOf(module.panel)), line };
  }

  // What the view shows.

  show(from, to) {
    const width = Math.min(Math.max(to - from, this.whole.to / 1e6), this.whole.to);
    const begin = Math.min(Math.max(from, 0), this.whole.to - width);
    this.view = { from: begin, to: begin + width };
    return this.draw();
  }

  /** Zooms by a factor around a place in the view: 0 is its left end, 1 its right. */
  zoom(factor, around = 0.5) {
    const { from, to } = this.view;
    const middle = from + (to - from) * around;
    return this.show(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  move(part) {
    const by = (this.view.to - this.view.from) * part;
    return this.show(this.view.from + by, this.view.to + by);
  }

  reset() {
    this.view = this.whole;
    this.choose(null);
    this.search("");
  }

  // Finding modules.

  search(query) {
    this.query = query;
    const sought = query.toLowerCase();
    for (const module of this.modules) module.found = query !== "" && module.name.toLowerCase().includes(sought);
    this.matches = this.modules.filter((module) => module.found);
    const input = document.getElementById("search");
    if (input.value !== query) input.value = query;
    this.tell();
    return this.draw();
  }

  /** Says how many modules match, and what they took without the imports within. */
  tell() {
    const parts = this.panels.map((panel) => {
      const own = this.matches.filter((module) => module.panel === panel).map((module) => module.own);
      const told = own.length ? `${counted(own.length, "module")}, ${milliseconds(sum(own))}` : "none";
      return this.panels.length > 1 ? `${panel.variant}: ${told}` : told;
    });
    const place = this.current ? `${this.matches.indexOf(this.current) + 1} of ${this.matches.length}; ` : "";
    document.getElementById("found").textContent = this.query ? place + parts.join("; ") : "";
  }

  /** Zooms to the match after the current one, or `step` of them on. */
  next(step) {
    if (!this.matches.length) return;
    const count = this.matches.length;
    const now = this.matches.indexOf(this.current);
    const index = now < 0 ? (step > 0 ? 0 : count - 1) : (now + step + count) % count;
    const module = this.matches[index];
    this.choose(module);
    this.tell();
    const margin = Math.max(module.total * 0.15, 0.01);
    this.show(module.start - margin, module.start + module.total + margin);
  }

  choose(module) {
    this.current = module;
    const chosen = document.getElementById("chosen");
    chosen.hidden = !module;
    chosen.replaceChildren(...(module ? described(module) : []));
  }

  listen() {
    const { place } = this;
    const tip = document.getElementById("tip");
    const search = document.getElementById("search");
    place.on("plotly_relayout", (changed) => {
      if ("xaxis.range[0]" in changed) this.show(changed["xaxis.range[0]"], changed["xaxis.range[1]"]);
    });
    place.on("plotly_hover", ({ event, points }) => {
      const module = this.modules[points[0].customdata];
      tip.replaceChildren(...(module ? described(module) : ["Several modules: zoom in."]));
      tip.hidden = false;
      beside(tip, event);
    });
    place.on("plotly_unhover", () => (tip.hidden = true));
    place.on("plotly_click", ({ points }) => {
      this.choose(this.modules[points[0].customdata] ?? null);
      this.draw();
    });
    place.on("plotly_doubleclick", () => this.reset());
    place.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    place.addEventListener("keydown", (event) => this.key(event));
    search.addEventListener("input", () => {
      this.choose(null);
      this.search(search.value);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
    });
    document.getElementById("closer").addEventListener("click", () => this.zoom(0.5));
    document.getElementById("farther").addEventListener("click", () => this.zoom(2));
    document.getElementById("reset").addEventListener("click", () => this.reset());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.reset();
      if (event.key === "/" && document.activeElement !== search) {
        event.preventDefault();
        search.focus();
      }
    });
    document.addEventListener("click", ({ target }) => {
      if (target.matches("button.module")) this.find(target.textContent);
    });
  }

  /** Shows the module of that name, and the chart. */
  find(name) {
    this.search(name);
    this.choose(this.matches.find((module) => module.name === name));
    this.next(0);
    document.querySelector(".controls").scrollIntoView({ behavior: "smooth" });
  }

  /** The wheel scrolls the page, as everywhere, but with Ctrl it zooms; sideways it moves the view. */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !event.deltaX) return;
    event.preventDefault();
    const box = this.place.getBoundingClientRect();
    if (event.deltaX) this.move(event.deltaX / box.width);
    else this.zoom(2 ** (event.deltaY / 200), (event.clientX - box.left - MARGIN.l) / (box.width - MARGIN.l - MARGIN.r));
  }

  key(event) {
    const actions = {
      ArrowLeft: () => this.move(-0.2),
      ArrowRight: () => this.move(0.2),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
    };
    if (event.ctrlKey || event.metaKey || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  }
}

const axisOf = (index) => (index ? `y${index + 1}` : "y");

/** All that is known about a module, as elements. */
function described(module) {
  const list = element("dl", "");
  const add = (name, ...text) => list.append(element("dt", name), element("dd", ...text));
  if (module.file) add("file", module.file);
  if (module.kind !== "source") add("kind", module.kind);
  if (module.by) add("asked for by", module.by);
  add("began at", milliseconds(module.start));
  add("took", `${milliseconds(module.total)}, ${milliseconds(module.own)} of it without the imports within`);
  for (const phase of PHASES) {
    const spent = sum(module.segments.map(([name, start, end]) => (name === phase ? end - start : 0)));
    if (spent) add(phase, swatch(phase), milliseconds(spent));
  }
  if (module.bytes) add("bytes read", module.bytes.toLocaleString("en"));
  if (module.later !== null) add("functions run", `${module.functions_run}, ${module.later} after the import`);
  if (module.overlays) add("overlays", module.overlays);
  return [element("b", module.name), list];
}

function swatch(phase) {
  const made = element("span", "");
  made.className = `swatch ${phase}`;
  return made;
}

/** Puts a box beside the pointer, within the window. */
function beside(box, { clientX, clientY }) {
  const { width, height } = box.getBoundingClientRect();
  const left = Math.min(clientX + 14, innerWidth - width - 8);
  const top = clientY + 18 + height > innerHeight ? clientY - height - 12 : clientY + 18;
  box.style.left = `${Math.max(left, 8)}px`;
  box.style.top = `${Math.max(top, 8)}px`;
}

// Tables.

/** Sorts by the column of a heading's button: numbers begin with the largest, words with the first; then the reverse. */
function sort(button) {
  const heading = button.parentElement;
  const body = heading.closest("table").tBodies[0];
  const column = heading.cellIndex;
  const rows = [...body.rows];
  const number = (row) => (row.cells[column].dataset.value === undefined ? NaN : Number(row.cells[column].dataset.value));
  const numeric = rows.some((row) => !Number.isNaN(number(row)));
  const before = heading.getAttribute("aria-sort");
  const order = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  const words = (row) => row.cells[column].textContent;
  // Cells without a number come last in both orders.
  const compare = (one, other) => {
    if (!numeric) return sign * words(one).localeCompare(words(other), "en", { numeric: true });
    const [a, b] = [number(one), number(other)];
    return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
  };
  body.append(...rows.sort(compare));
  for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
}

// The page.

const place = document.getElementById("waterfall");
const waterfall = place && new Waterfall(place, data.panels);

function drawAll() {
  data.measures.forEach(drawMeasure);
  if (waterfall) waterfall.draw();
}

data.measures.forEach(drawMeasure);
document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
addEventListener("resize", () => requestAnimationFrame(drawAll));

"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Sort a table by the column whose heading is pressed; cells without a number stay last. Failures are in the foot.
for (const table of all("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => head.querySelector("button").addEventListener("click", () => {
    const first = at === 0 ? "ascending" : "descending";
    const order = head.ariaSort === first ? (at === 0 ? "descending" : "ascending") : first;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.cells[at].dataset.sort;
    const compare = (a, b) => {
      if (at === 0) return sign * key(a).localeCompare(key(b), "en");
      if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
      return sign * (key(a) - key(b));
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }));
}

// Show the methods whose name has one of the words, and the sections of a family, in tables, legends and figures.
const controls = document.querySelector(".controls");
const [methods, family, intervals, left] = ["methods", "family", "intervals", "left"].map((id) => document.getElementById(id));
let words = [];
const isShown = (method) => words.length === 0 || words.some((word) => method.toLowerCase().includes(word));

function filter() {
  words = methods.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const marked = all("[data-method]");
  for (const one of marked) one.hidden = !isShown(one.dataset.method);
  for (const section of all("section.family")) section.hidden = family.value !== "" && section.id !== family.value;
  const names = [...new Set(marked.map((one) => one.dataset.method))];
  left.value = `${names.filter(isShown).length} of ${names.length} methods`;
  redraw();
}

for (const cell of all("[data-bounds]")) cell.title ||= `95 % interval ${cell.dataset.bounds}`;
if (controls !== null) {
  controls.hidden = false;
  methods.addEventListener("input", filter);
  family.addEventListener("input", filter);
  intervals.addEventListener("input", () => document.body.classList.toggle("with-intervals", intervals.checked));
}

// Draw a figure when it comes near, in the colours of the theme; and again when theme, width or filter change.
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");
const print = matchMedia("print");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const escaped = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
const canvases = all(".canvas");

function painted(value) {
  if (Array.isArray(value)) return value.map(painted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) =>
    [key, key === "color" ? colour(inner) : painted(inner)]));
}

function draw(canvas) {
  const { data, layout } = painted(JSON.parse(document.querySelector(`[data-figure="${canvas.id}"]`).textContent));
  for (const trace of data) {
    if (trace.text) trace.text = trace.text.map(escaped);
    if (trace.customdata) Object.assign(trace, { hovertext: trace.customdata.map(escaped), hovertemplate: "%{hovertext}<extra></extra>" });
    if (words.length === 0 || trace.meta === "front") continue;
    trace.visible = isShown(trace.name); // what is asked for by name is drawn in full
    trace.opacity = 1;
    if (trace.error_y?.array) trace.error_y.visible = true;
  }
  if (words.length > 0) fit(layout.yaxis, data);
  const lines = { gridcolor: colour("line"), linecolor: colour("line"), tickcolor: colour("line") };
  Object.assign(layout.xaxis, lines);
  Object.assign(layout.yaxis, lines);
  layout.font = { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 12, color: colour("ink") };
  layout.hoverlabel = { align: "left", bgcolor: colour("ground"), bordercolor: colour("line"), font: { color: colour("ink") } };
  layout.dragmode = narrow.matches ? false : "zoom"; // a finger scrolls the page
  if (print.matches) layout.width = Math.min(canvas.clientWidth, 470); // two beside each other
  Plotly.react(canvas, data, layout, { responsive: true, displayModeBar: false });
  if (canvas.dataset.drawn === undefined) listen(canvas);
  canvas.dataset.drawn = "";
}

// Let the frame end above what a filter leaves.
function fit(axis, data) {
  const top = Math.max(...data.filter((trace) => trace.visible !== false).flatMap((trace) => trace.y)) || 1;
  axis.range = [-0.02 * top, 1.3 * top];
}

// Say below a figure what its point says: of the one pointed at, or, by arrow keys, of the one walked to.
function listen(canvas) {
  const reading = canvas.parentElement.querySelector(".reading");
  const say = ({ curveNumber, pointNumber }) => { reading.value = canvas.data[curveNumber].customdata?.[pointNumber] ?? ""; };
  let at = null;
  canvas.on("plotly_hover", ({ points }) => { at = points[0]; say(at); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (step === undefined || canvas.data === undefined) return;
    event.preventDefault();
    at = next(canvas.data, at, step);
    if (at === null) return;
    Plotly.Fx.hover(canvas, [{ curveNumber: at.curveNumber, pointNumber: at.pointNumber }]);
    say(at);
  });
  canvas.addEventListener("blur", () => { Plotly.Fx.unhover(canvas); at = null; });
}

// Left and right go through all points of a line, then to the next; up and down to the same point of another line.
function next(data, at, [line, point]) {
  const points = data.flatMap((trace, curveNumber) => trace.visible === false ? [] :
    (trace.customdata ?? []).flatMap((text, pointNumber) => text === "" ? [] : [{ curveNumber, pointNumber }]));
  const n = points.length;
  if (n === 0) return null;
  const here = points.findIndex((one) => one.curveNumber === at?.curveNumber && one.pointNumber === at?.pointNumber);
  if (here < 0) return points[0];
  if (line === 0) return points[(here + point + n) % n];
  const isGoal = (one) => one.curveNumber !== at.curveNumber && one.pointNumber === at.pointNumber;
  for (let i = 1; i < n; i++) {
    const one = points[(here + line * i + n) % n];
    if (isGoal(one)) return one;
  }
  return points[here];
}

const near = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });

function redraw() {
  for (const canvas of canvases) {
    near.unobserve(canvas);
    near.observe(canvas);
  }
}

redraw();
for (const query of [dark, narrow]) query.addEventListener("change", () => all("[data-drawn]").forEach(draw));
print.addEventListener("change", () => canvases.forEach(draw)); // paper shows what nobody scrolled to
if (controls !== null) filter();

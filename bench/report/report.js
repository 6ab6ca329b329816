"use strict";
// Sort a table by the column whose heading is pressed; cells without a number stay last. Failures are in the foot.
for (const table of document.querySelectorAll("article table")) {
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

// Draw a figure when it comes near, in the colours of the theme, and again when the theme or the width changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const drawn = new Set();

function painted(value) {
  if (Array.isArray(value)) return value.map(painted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) =>
    [key, key === "color" ? colour(inner) : painted(inner)]));
}

function draw(canvas) {
  const { data, layout } = painted(JSON.parse(document.querySelector(`[data-figure="${canvas.id}"]`).textContent));
  const lines = { gridcolor: colour("line"), linecolor: colour("line"), tickcolor: colour("line") };
  Object.assign(layout.xaxis, lines);
  Object.assign(layout.yaxis, lines);
  layout.font = { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 12, color: colour("ink") };
  layout.hoverlabel = { bgcolor: colour("ground"), bordercolor: colour("line"), font: { color: colour("ink") } };
  Plotly.react(canvas, data, layout, { responsive: true, displayModeBar: false });
  drawn.add(canvas);
}

const near = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });
document.querySelectorAll(".canvas").forEach((canvas) => near.observe(canvas));
for (const query of [dark, narrow]) query.addEventListener("change", () => drawn.forEach(draw));

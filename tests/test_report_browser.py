"""The page in a real browser: it sorts, filters, reads its points out, follows the theme, fits a phone, asks nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from bench.report import load_run, write_report
from bench.tasks import TASKS
from tests.report_examples import Made, write_run

ODD = "<b>odd & long</b>"
QUALITY = {
    "oracle": 0.5,
    "random": 0.01,
    "popular": 0.1,
    "als": 0.2,
    "als-knn": 0.3,
    "bpr": 0.15,
    "item-cf": 0.12,
    "swing": 0.02,
    "recent": 0.03,
    ODD: 0.25,
}
TASK = "author-cold/u2a/j0@v1"
ARTICLE = "#author-cold-u2a-j0-v1-small"
BY_K = f"{ARTICLE}-k"
AGED = tuple(TASKS[f"note-cold/u2n/age-{age}@v1"] for age in ("0h", "24h"))
COLD = tuple(TASKS[f"author-cold/u2a/j{j}@v1"] for j in (0, 1, 5, 20))
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)
FAILED = {(TASK, "swing", 2): "MemoryError: expected room", ("warm/next-note@v1", "als-knn", 1): "why"}

# Least contrast of the texts that can be seen, each with its background as painted from the root up.
CONTRAST = """() => {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const paint = (colour) => { pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1); };
  const read = () => light(pixel.getImageData(0, 0, 1, 1).data);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || element.matches("script, option, .spoken") || !element.checkVisibility()) continue;
    const above = [];
    for (let at = element; at !== null; at = at.parentElement) above.unshift(getComputedStyle(at));
    pixel.clearRect(0, 0, 1, 1);
    paint("white");
    for (const style of above) {
      paint(style.backgroundColor);
      const bar = /linear-gradient\\(to right, ((?:rgb|color)\\(.*?\\))/.exec(style.backgroundImage);
      if (bar !== null) paint(bar[1]);
    }
    const behind = read();
    const style = above.at(-1);
    paint(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const front = read();
    const ratio = (Math.max(front, behind) + 0.05) / (Math.min(front, behind) + 0.05);
    found.push([ratio, `${element.tagName}.${element.getAttribute("class")}: ${element.textContent.slice(0, 30)}`]);
  }
  found.sort((a, b) => a[0] - b[0]);
  return { least: found[0], n: found.length };
}"""
# Where a point of a figure is on the screen.
AT = """([selector, trace, x, y]) => {
  const canvas = document.querySelector(selector), { xaxis, yaxis } = canvas._fullLayout;
  const box = canvas.getBoundingClientRect();
  return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
}"""


@dataclass
class Watched:
    """A page, what its console said, and what it asked the network for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Made((*COLD, *AGED, TASKS["warm/next-note@v1"]), QUALITY, failed=FAILED)
    folder = write_run(tmp_path_factory.mktemp("runs") / "run", made)
    return write_report(load_run(folder), TASKS, folder / "report.html", reference="popular")


@pytest.fixture
def watched(browser: Browser, file: Path) -> Iterator[Watched]:
    """A fresh page, wide and light; afterwards it must not have complained, nor asked for anything but itself."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    context.set_default_timeout(10_000)
    found = Watched(context.new_page())
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    context.on("request", lambda request: found.asked.append(request.url))
    found.page.goto(file.as_uri())
    yield found
    context.close()
    assert found.said == []
    assert {url for url in found.asked if not url.startswith("data:")} == {file.as_uri()}


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def anew(page: Page, size: ViewportSize, scheme: Literal["light", "dark"] = "light") -> None:
    """Open the page as it is at that size, in that theme."""
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.reload()


def shown(page: Page, table: str) -> list[str]:
    """Return the methods of the rows that can be seen, top down."""
    rows = page.locator(f"{table} tbody tr")
    return [row.get_attribute("data-method") or "" for row in rows.all() if row.is_visible()]


def numbers(page: Page, table: str, column: int) -> list[float | None]:
    texts = page.locator(f"{table} tbody tr td:nth-child({column + 1})").all_text_contents()
    return [None if text.strip() == "-" else float(text.split()[0].replace(",", "")) for text in texts]


def headings(page: Page, table: str) -> list[str]:
    return [text.strip() for text in page.locator(f"{table} thead th").all_text_contents()]


def draw(page: Page, figure: str) -> list[dict[str, Any]]:
    """Bring a figure near, and return its traces when it is drawn."""
    page.locator(figure).scroll_into_view_if_needed()
    page.wait_for_function("(figure) => document.querySelector(figure).data !== undefined", arg=figure)
    return traces(page, figure)


def traces(page: Page, figure: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(
        """(figure) => document.querySelector(figure).data.map(
            ({ name, x, y, visible, opacity, line }) => ({ name, x, y, visible, opacity, line }))""",
        figure,
    )
    return found


def visible(page: Page, figure: str) -> set[str]:
    return {trace["name"] for trace in traces(page, figure) if trace["visible"] is not False}


def label(page: Page, figure: str) -> str:
    page.wait_for_selector(f"{figure} .hoverlayer .hovertext")
    return page.locator(f"{figure} .hoverlayer .hovertext").text_content() or ""


def test_a_heading_sorts_its_column_and_says_so(page: Page) -> None:
    column = headings(page, ARTICLE).index("R@50")
    heading = page.locator(f"{ARTICLE} thead th").nth(column)
    before = shown(page, ARTICLE)
    heading.get_by_role("button").click()
    down = [number for number in numbers(page, ARTICLE, column) if number is not None]
    assert down == sorted(down, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    assert page.locator(f"{ARTICLE} [aria-sort]").count() == 1
    heading.get_by_role("button").click()
    assert [number for number in numbers(page, ARTICLE, column) if number is not None] == sorted(down)
    assert heading.get_attribute("aria-sort") == "ascending"
    page.locator(f"{ARTICLE} thead button").first.click()
    assert shown(page, ARTICLE) == sorted(before, key=str.lower)


def test_what_has_no_number_stays_last_both_ways(page: Page) -> None:
    column = headings(page, ARTICLE).index("p50 ms")
    for _ in range(2):
        page.locator(f"{ARTICLE} thead button").nth(column).click()
        assert numbers(page, ARTICLE, column)[-1] is None
        assert shown(page, ARTICLE)[-1] == "oracle"


def test_the_table_over_all_families_sorts_too(page: Page) -> None:
    page.locator("#overview thead button").nth(2).click()
    down = [number for number in numbers(page, "#overview", 2) if number is not None]
    assert down == sorted(down, reverse=True)
    assert len(set(down)) > 3


def test_a_filter_leaves_the_named_methods_in_all_tables_legends_and_figures(page: Page) -> None:
    draw(page, BY_K)
    assert visible(page, BY_K) == set(QUALITY)
    page.fill("#methods", "ALS, odd")
    assert page.locator("#left").text_content() == f"3 of {len(QUALITY)} methods"
    for table in page.locator("table.sortable").all():
        rows = [row for row in table.locator("tbody tr").all() if row.is_visible()]
        assert {row.get_attribute("data-method") for row in rows} <= {"als", "als-knn", ODD}
        assert len(rows) >= 2
    assert not page.locator(f"{ARTICLE} tfoot tr", has_text="MemoryError").is_visible()
    page.locator(BY_K).scroll_into_view_if_needed()
    page.wait_for_function("(figure) => document.querySelector(figure).data.some((t) => t.visible === false)", arg=BY_K)
    assert visible(page, BY_K) == {"als", "als-knn", ODD}
    assert all(trace["opacity"] == 1 for trace in traces(page, BY_K) if trace["visible"] is not False)
    most = max(max(trace["y"]) for trace in traces(page, BY_K) if trace["visible"] is not False)
    assert page.locator(BY_K).evaluate("(figure) => figure._fullLayout.yaxis.range[1]") < 1.5 * most
    later = "#warm-next-note-v1-small-latency"
    draw(page, later)  # a figure that is drawn only now is filtered too
    assert visible(page, later) == {"als", "als-knn", ODD, "Pareto front"}
    page.fill("#methods", "")
    assert len(shown(page, ARTICLE)) == len(QUALITY)


def test_a_family_can_be_looked_at_alone(page: Page) -> None:
    page.select_option("#family", label="warm")
    assert [
        section.get_attribute("id") for section in page.locator("section.family").all() if section.is_visible()
    ] == ["warm-small"]
    page.select_option("#family", label="all")
    assert all(section.is_visible() for section in page.locator("section.family").all())


def test_intervals_are_shown_on_demand_and_to_who_points_at_a_number(page: Page) -> None:
    column = headings(page, ARTICLE).index("R@50")
    cell = page.locator(f"{ARTICLE} tbody tr").nth(1).locator("td").nth(column - 1)
    bounds = cell.get_attribute("data-bounds") or ""
    low, high = (float(word) for word in bounds.split(" to "))
    assert low < numbers(page, ARTICLE, column)[1] < high  # type: ignore[operator]
    assert cell.get_attribute("title") == f"95 % interval {bounds}"
    content = "(cell) => getComputedStyle(cell, '::after').content"
    assert cell.evaluate(content) == "none"
    page.check("#intervals")
    assert cell.evaluate(content) == f'"{bounds}"'
    page.uncheck("#intervals")
    assert cell.evaluate(content) == "none"


def test_pointing_at_a_point_names_the_method_its_value_and_interval(page: Page) -> None:
    drawn = draw(page, BY_K)
    (als,) = [trace for trace in drawn if trace["name"] == "als-knn"]
    page.mouse.move(*page.evaluate(AT, [BY_K, "als-knn", als["x"][2], als["y"][2]]))
    said = label(page, BY_K)
    assert said.startswith(f"als-knn, K 100: {als['y'][2]:.3f}"[:-1])
    assert " to " in said
    assert page.locator(f"{BY_K} + .reading").text_content() == said


def test_a_faint_line_and_an_odd_name_can_be_read_too(page: Page) -> None:
    drawn = {trace["name"]: trace for trace in draw(page, BY_K)}
    assert drawn["recent"]["opacity"] < 1
    for method in ("recent", ODD):
        x, y = drawn[method]["x"][3], drawn[method]["y"][3]
        page.mouse.move(*page.evaluate(AT, [BY_K, method, x, y]))
        page.wait_for_function(
            "([figure, name]) => document.querySelector(`${figure} + .reading`).value.startsWith(name)",
            arg=[BY_K, method],
        )
        assert label(page, BY_K).startswith(f"{method}, K 500: ")


def test_a_keyboard_is_enough(page: Page) -> None:
    page.locator("#methods").focus()
    page.keyboard.type("als")
    assert set(shown(page, ARTICLE)) == {"als", "als-knn"}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "family"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("body.with-intervals").count() == 1
    page.locator(f"{ARTICLE} thead button").nth(1).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(f"{ARTICLE} thead th").nth(2).get_attribute("aria-sort") == "descending"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_every_figure_is_reached_by_tab_and_walked_by_arrows(page: Page) -> None:
    draw(page, BY_K)
    assert page.locator(".canvas").count() == page.locator('.canvas[tabindex="0"][aria-label]').count() > 10
    page.locator(BY_K).focus()
    reading = page.locator(f"{BY_K} + .reading")

    def press(key: str) -> str:
        page.keyboard.press(key)
        return reading.text_content() or ""

    first = press("ArrowRight")
    assert first.startswith("oracle, K 10: ")
    assert label(page, BY_K) == first
    assert press("ArrowRight").startswith("oracle, K 50: ")
    below = press("ArrowDown")
    assert below.startswith("als-knn, K 50: ")
    assert press("ArrowUp").startswith("oracle, K 50: ")
    assert press("ArrowLeft") == first
    assert press("ArrowLeft").startswith("random, K 500: ")  # round to the last


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_texts_stand_out_from_their_background(
    page: Page, scheme: Literal["light", "dark"], size: ViewportSize
) -> None:
    anew(page, size, scheme)
    page.check("#intervals")
    page.locator("summary").click()
    draw(page, BY_K)
    draw(page, f"{ARTICLE}-latency")
    found = page.evaluate(CONTRAST)
    assert found["n"] > 500
    assert found["least"][0] >= 4.5, found["least"]


def test_the_theme_changes_page_and_figures(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    (light,) = [trace["line"]["color"] for trace in draw(page, BY_K) if trace["name"] == "als"]
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "([figure, was]) => document.querySelector(figure).data.every((t) => t.name !== 'als' || t.line.color !== was)",
        arg=[BY_K, light],
    )
    assert page.evaluate(ground) != "rgb(255, 255, 255)"


@pytest.mark.parametrize("part", ["top", "tables", "figures", "intervals"])
def test_a_phone_scrolls_tables_in_their_box_and_never_the_page_sideways(page: Page, part: str) -> None:
    anew(page, PHONE)
    if part == "intervals":
        page.check("#intervals")
        page.locator("summary").click()
    if part != "top":
        page.locator(ARTICLE).scroll_into_view_if_needed()
    if part == "figures":
        draw(page, BY_K)
        assert page.locator(f"{BY_K} .main-svg").first.evaluate("(svg) => svg.getBoundingClientRect().right") <= 360
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator(f"{ARTICLE} .scroll")
    assert box.evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert box.evaluate("(box) => box.getBoundingClientRect().right") <= 360


def test_paper_shows_all_figures_in_light_without_controls(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function("document.querySelectorAll('.canvas:not([data-drawn])').length === 0")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".controls").is_visible()
    widths = page.locator(".main-svg").evaluate_all("(all) => all.map((svg) => svg.getBoundingClientRect().width)")
    assert max(widths) <= 470
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")

"""The pages in a real Chromium: wide and narrow, light and dark, by keyboard, on paper.

`LLMDOCTOR_TEST_CHROMIUM` names the browser's program; `nox -s browser` finds it and installs what
drives it. The pictures go to `LLMDOCTOR_TEST_SCREENSHOTS`, to be looked at.
"""

from __future__ import annotations

import importlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmdoctor.diagnose import Question, diagnose
from llmdoctor.render import formats, sheet
from llmdoctor.system.local import Local
from render.test_sheet import HOME, PROOF, write

CASES = Path(__file__).parent / "cases"
CHROMIUM = os.environ.get("LLMDOCTOR_TEST_CHROMIUM")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="LLMDOCTOR_TEST_CHROMIUM names no browser (see nox -s browser)"
)
SIZES = {"desktop": (1280, 900), "phone": (360, 740), "tiny": (280, 600)}
SCHEMES = ("light", "dark")

# Every text with its colours: what is behind it is the nearest ancestor that is not transparent.
TEXTS = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    if (["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    let behind = element, back = "rgba(0, 0, 0, 0)";
    while (behind && back === "rgba(0, 0, 0, 0)") {
      back = getComputedStyle(behind).backgroundColor;
      behind = behind.parentElement;
    }
    found.push([node.textContent.trim().slice(0, 40), getComputedStyle(element).color, back]);
  }
  return found;
}"""
# What sticks out of the window, unless it can be scrolled to in a box of its own.
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter(e =>
  e.checkVisibility() && !e.closest(".scroll") && !e.closest(".skip")
  && e.getBoundingClientRect().right > innerWidth + 0.5
).map(e => e.outerHTML.slice(0, 120))"""
FOCUSED = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
  return {html: e.outerHTML.slice(0, 90), left: box.left, right: box.right, top: box.top,
          bottom: box.bottom, body: e === document.body,
          outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth)};
}"""


def pages() -> dict[str, str]:
    report = diagnose(Local(), Question(snapshot=str(CASES / "driver-520" / "machine.json")))
    return {
        "check": formats.check("html", report, PROOF),
        "smoke": formats.smoke("html", PROOF),
        "plan": sheet.page("plan", write, HOME),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver: Any = importlib.import_module("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield program
        program.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / f"{name}.html" for name in pages()}
    for name, text in pages().items():
        made[name].write_text(text, "utf-8")
    return made


def opened(browser: Any, file: Path, size: str = "desktop", scheme: str = "light") -> Any:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(file.as_uri())
    return page


def luminance(colour: str) -> float:
    """Of a colour that a browser computed, `rgb(r, g, b)`: the relative luminance of WCAG 2."""
    numbers = [float(n) / 255 for n in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in numbers]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["check", "smoke", "plan"])
def test_a_page_fits_is_readable_and_asks_nobody(
    name: str, size: str, scheme: str, browser: Any, files: dict[str, Path]
) -> None:
    page = opened(browser, files[name], size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    texts = page.evaluate(TEXTS)
    assert len(texts) > 10
    assert [text for text in texts if contrast(text[1], text[2]) < 4.5] == []
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(back) < 0.1) is (scheme == "dark")
    assert page.asked == [files[name].as_uri()]
    assert page.said == []
    if folder := os.environ.get("LLMDOCTOR_TEST_SCREENSHOTS"):
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = false })")
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}-{size}-{scheme}.png"), full_page=True)
    page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_broken_rung_stands_out(size: str, browser: Any, files: dict[str, Path]) -> None:
    page = opened(browser, files["check"], size)
    rungs = page.locator("ol.ladder > li")
    assert [text.split("\n")[0] for text in rungs.all_inner_texts()] == [
        "Machine", "GPU", "Driver", "CUDA", "Python", "torch", "Extensions", "Attention",
    ]  # fmt: skip
    broken = page.locator("ol.ladder > li[aria-current=step]")
    assert broken.count() == 1
    assert "broken here" in broken.inner_text()
    assert broken.locator(".state").is_visible()
    border = "e => getComputedStyle(e).borderTopColor"
    fine = page.locator("ol.ladder > li.ok").first
    assert broken.evaluate(border) != fine.evaluate(border)
    tops = [box["y"] for rung in rungs.all() if (box := rung.bounding_box())]
    assert tops == sorted(tops)
    page.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_bars_and_the_border_of_the_broken_rung_are_told_from_what_is_behind(
    scheme: str, browser: Any, files: dict[str, Path]
) -> None:
    """WCAG 2, 1.4.11: what is no text and tells something has 3:1."""
    page = opened(browser, files["check"], scheme=scheme)
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for what, part in ((".bar", "backgroundColor"), ("li.broken", "borderTopColor")):
        colour = page.locator(what).first.evaluate(f"e => getComputedStyle(e).{part}")
        assert contrast(colour, back) >= 3, what
    page.context.close()


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("name", ["check", "smoke", "plan"])
def test_everything_is_reached_by_keyboard_and_seen_there(
    name: str, size: str, browser: Any, files: dict[str, Path]
) -> None:
    page = opened(browser, files[name], size)
    width = SIZES[size][0]
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at["body"]:
            break
        reached.append(at["html"])
        assert at["outline"] >= 2, at
        assert 0 <= at["left"] < at["right"] <= width + 1, at
        assert at["bottom"] > 0, at
        assert at["top"] < SIZES[size][1], at
    assert reached[0].startswith('<a class="skip"')
    meant = page.locator("a, button, summary, [tabindex='0']").all()
    assert len(reached) == sum(item.is_visible() for item in meant)
    page.context.close()


def test_a_heading_follows_the_one_above_it(browser: Any, files: dict[str, Path]) -> None:
    for file in files.values():
        page = opened(browser, file)
        levels = page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
        )
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        page.context.close()


def test_a_button_copies_its_command_and_says_so(browser: Any, files: dict[str, Path]) -> None:
    page = opened(browser, files["check"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("button[data-copy]").first
    typed = button.locator("xpath=../pre/code").inner_text()
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('said').textContent !== ''")
    assert page.locator("#said").text_content() == f"Copied: {typed}"
    assert page.evaluate("navigator.clipboard.readText()") == typed
    page.context.close()


def test_paper_has_no_buttons_and_loses_no_command(browser: Any, files: dict[str, Path]) -> None:
    page = opened(browser, files["check"])
    page.emulate_media(media="print")
    assert not any(button.is_visible() for button in page.locator("button").all())
    assert all(command.is_visible() for command in page.locator(".command code").all())
    page.context.close()

"""The page as a person uses it: Chromium, the real server, a real worker whose tools come and go."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from browser import AXE, SCREENSHOTS, chromium, require
from command_hosts import Machine
from databases import copy_stopped
from pack_folders import EVERY_FIELD, write_pack
from waiting import wait_for

SIZES = {"1280": (1280, 900), "390": (390, 844)}
PAGES = {
    "fleet": "/",
    "worker": "/workers/{worker}",
    "runtimes": "/runtimes",
    "runtime": "/runtimes/core.python",
    "match": "/match?needs=python+%3E%3D3.12%3B+ruby",
    "executions": "/executions",
    "execution": "/executions/1",
    "actions": "/actions",
    "action": "/actions/img.resize",
    "packs": "/packs",
    "pack": "/packs/demo",
    "rules": "/rules",
    "rule": "/rules/img.shrink",
    "triggers": "/triggers",
    "trigger": "/triggers/demo.tick",
    "events": "/events",
    "event": "/events/1",
    "sensors": "/sensor-definitions",
    "sensor": "/sensor-definitions/demo.clock",
    "activity": "/activity",
}
OF_THEIR_OWN = ("fleet", "worker", "runtimes", "runtime", "match", "execution", "action", "packs", "sensor", "activity")
"""The others are made of the same templates: they are looked over by axe once."""


LONG = "\u202e\u05e9\u05dc\u05d5\u05dd" + "x" * 180


class Installation:
    """`attune up` on a machine whose tools the test owns."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.address = self.link().partition("/login")[0]
        workers = json.loads(machine.attune("worker", "list", "--json").stdout)
        self.worker = workers[0]["id"]

    def link(self) -> str:
        """A link that logs in once."""
        return self.machine.attune("token", "link", "1").stdout.strip()

    def log_in(self, browser: Browser, **options: Any) -> Page:
        page = browser.new_context(**options).new_page()
        page.goto(self.link())
        return page

    def screenshot(self, page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def installation(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, migrated_folder: Path
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("up")
    machine = Machine(folder)
    copy_stopped(migrated_folder, folder / "data")
    machine.command("python3", "Python 3.11.7")
    machine.command("node", "v20.20.2")
    machine.variables |= {"ATTUNE__HEALTH__INTERVAL": "0.3s", "ATTUNE__HEARTBEAT__INTERVAL": "0.5s"}
    log = folder / "up.log"
    process = machine.start("up", log=log)
    try:
        wait_for(lambda: "Ctrl-C" in log.read_text())
        pack = {**EVERY_FIELD, "rules/shrink.yaml": EVERY_FIELD["rules/shrink.yaml"].replace("Shrink", LONG)}
        loaded = machine.attune("pack", "load", str(write_pack(folder / "img", pack)))
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        yield Installation(machine)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_a_person_logs_in_by_the_link_filters_and_sees_a_runtime_go_and_come_back(
    browser: Browser, installation: Installation
) -> None:
    page = installation.log_in(browser)
    expect(page.locator("h1")).to_have_text("Fleet")
    page.keyboard.press("/")
    page.keyboard.type("python >=3.12")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_have_text("0 workers match.")
    page.goto(installation.address)
    cell = page.locator('td[data-name="node"]')
    expect(cell).to_contain_text("20.20.2")

    page.locator('td[data-name="python"] a').click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("python3 --version")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    page.wait_for_timeout(500)  # the stream is open
    (installation.machine.bin / "node").unlink()
    expect(page.locator("#announce")).to_contain_text("node is now unavailable")
    page.goto(f"{installation.address}/workers/{installation.worker}")
    gone = page.get_by_role("heading", name="unavailable node")  # the sensor node may have told of it first
    expect(gone).to_be_visible(timeout=20_000)
    expect(page.locator(".timeline").first).to_contain_text("not found on PATH")
    installation.machine.command("node", "v20.20.2")
    expect(page.get_by_role("heading", name="available node").first).to_be_visible(timeout=20_000)
    page.context.close()


def test_an_event_appears_in_the_list_that_is_looked_at(browser: Browser, installation: Installation) -> None:
    page = installation.log_in(browser)
    page.goto(f"{installation.address}/events?q=a+sign")
    expect(page.locator(".empty")).to_contain_text("Nothing matches")
    page.wait_for_timeout(500)  # the stream is open
    for text in ("first", "second"):
        told = installation.machine.attune("event", "send", "demo.tick", "-p", f"at=a sign, {text}", "-p", "missed:=0")
        assert told.returncode == 0, told.stderr
        expect(page.locator("tbody tr").first).to_contain_text(text)
    expect(page.locator("tbody tr")).to_have_count(2)
    page.context.close()


def test_every_page_is_reached_by_keys_which_one_key_shows(browser: Browser, installation: Installation) -> None:
    page = installation.log_in(browser)
    keys = page.get_by_role("dialog", name="Keys")
    page.keyboard.press("?")
    expect(keys).to_contain_text("go to the filter")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    for letter, title in (("p", "Packs"), ("s", "Sensors"), ("v", "Events")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator("h1")).to_have_text(title)
    page.locator("#filter").fill("?gp")  # typed, not pressed
    expect(page.locator("h1")).to_have_text("Events")
    expect(keys).to_be_hidden()
    page.context.close()


def test_a_definition_is_looked_over_tried_and_saved(browser: Browser, installation: Installation) -> None:
    page = installation.log_in(browser)
    page.goto(f"{installation.address}/runtimes/core.python")
    text = page.locator("#definition")
    definition = json.loads(text.input_value())
    wrong = {**definition, "distributions": {"verification": {"commands": [{"binary": "bin/python"}]}}}
    text.fill(json.dumps(wrong))
    expect(page.locator("#result")).to_contain_text("verification.commands[0].binary")
    text.fill(json.dumps({**definition, "description": "Tried and saved"}))
    expect(page.locator("#result")).to_contain_text("Well-formed")
    page.get_by_role("button", name="Dry-run").click()
    expect(page.locator("#outcome")).to_contain_text("available 3.11.7")
    page.get_by_role("button", name="Who would gain or lose it?").click()
    expect(page.locator("#outcome")).to_contain_text("2 keeps: sensor")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#outcome")).to_contain_text("Saved")
    page.reload()
    expect(page.locator(".diff").first).to_contain_text("Tried and saved")
    page.context.close()


def test_where_something_can_run_is_asked_and_answered(browser: Browser, installation: Installation) -> None:
    page = installation.log_in(browser)
    page.get_by_role("link", name="Where can this run?").click()
    page.locator("#filter").fill("python >=3.12")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What would help")).to_be_visible()
    expect(page.locator("main")).to_contain_text("found 3.11.7")
    page.locator("#filter").fill("python >=3.9")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("1 of 1 worker can take it now")
    page.context.close()


def test_an_event_becomes_an_execution_and_one_that_waits_says_why(
    browser: Browser, installation: Installation
) -> None:
    page = installation.log_in(browser)
    page.get_by_role("link", name="Executions").click()
    waiting = page.locator("tr", has_text="the interpreter of shell is not there").first  # on this machine
    expect(waiting).to_contain_text("by demo.greet")
    page.get_by_role("link", name="Run an action").click()
    page.get_by_role("link", name="demo.hello_python").click()
    page.get_by_role("button", name="Run").click()
    expect(page.locator("dl")).to_contain_text("completed")  # told by the stream
    expect(page.locator("dl")).to_contain_text(str(installation.machine.bin / "python3"))
    expect(page.locator("pre").last).to_have_text("Python 3.11.7\n")

    page.goto(f"{installation.address}/actions/demo.hello_python")
    page.get_by_label("Also needs").fill("python >>3")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#fault")).to_contain_text("^ expected")
    page.get_by_label("Also needs").fill("cobol")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("main")).to_contain_text("no definition is called cobol")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("dl")).to_contain_text("cancelled")
    page.context.close()


@pytest.mark.parametrize(("size", "scheme"), [("1280", "light"), ("390", "dark"), ("1280", "dark")])
def test_every_page_fits_and_has_no_serious_fault_for_those_who_see_or_hear_otherwise(
    browser: Browser, installation: Installation, size: str, scheme: Any
) -> None:
    require(AXE.exists(), "axe-core")
    width, height = SIZES[size]
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "bypass_csp": True}
    page = installation.log_in(browser, **options)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    for name, path in PAGES.items() if (size, scheme) != ("1280", "dark") else [("fleet", "/")]:
        answer = page.goto(installation.address + path.format(worker=installation.worker))
        assert answer is not None and answer.ok, name
        if name in OF_THEIR_OWN or (size, scheme) == ("1280", "light"):
            installation.screenshot(page, f"{name}-{size}-{scheme}")
            faults += _axe(page, name)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px too wide at {size}"
    context: BrowserContext = page.context
    context.clear_cookies()
    page.goto(f"{installation.address}/login")
    installation.screenshot(page, f"login-{size}-{scheme}")
    faults += _axe(page, "login")
    context.close()

    assert faults == []


def test_without_javascript_the_pages_still_read(browser: Browser, installation: Installation) -> None:
    page = installation.log_in(browser, java_script_enabled=False)
    expect(page.locator("table.matrix")).to_contain_text("3.11.7")
    page.locator('td[data-name="python"] a').click()
    expect(page.locator("main")).to_contain_text("verified by `python3 --version`")
    page.goto(f"{installation.address}/actions/demo.hello_python")
    expect(page.locator("time").first).to_contain_text("UTC")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Execution")).to_be_visible()
    page.context.close()


def _axe(page: Page, name: str) -> list[str]:
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{name}: {one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_screenshots_go_where_git_does_not_look() -> None:
    ignored = (Path(__file__).parents[3] / ".gitignore").read_text().splitlines()

    assert "build/" in ignored

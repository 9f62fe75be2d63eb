"""A page of the test site in the browser, in the words of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.wait import WebDriverWait

from tests.conftest import Chrome

INPUT = "input[type=file]"
SUBMIT = "form button:not([type=button])"

SLOW = 100_000
"""Bytes per second: a few megabytes are under way for as long as a test looks."""

ROWS = """
[...document.querySelectorAll(arguments[0] + " ~ .s3upload .s3upload__file")].map((row) => ({
  name: row.querySelector(".s3upload__name").textContent,
  state: row.dataset.state,
  meta: row.querySelector(".s3upload__meta").textContent,
  error: row.querySelector(".s3upload__error").textContent,
  buttons: [...row.querySelectorAll("button")].filter((one) => one.checkVisibility()).map((one) => one.textContent),
}))
"""

# What other scripts of the page hear, in the session's storage: it is there still when the page has changed.
LISTEN = """
window.heard = [];
for (const name of ["start", "progress", "complete", "error", "cancel"])
  document.addEventListener(`s3upload:${name}`, ({ type, target, detail, bubbles, cancelable }) => {
    const told = { ...detail };
    for (const key of ["file", "currentFile"])
      if (key in told) told[key] = told[key] instanceof File ? told[key].name : null;
    heard.push({ type: type.slice(9), target: target.name, form: target.form?.id, bubbles, cancelable, ...told });
  });
"""


@dataclass(frozen=True)
class Row:
    """One file as the page shows it."""

    name: str
    state: str
    meta: str
    error: str
    buttons: list[str]


class Page:
    """
    The page that the browser is on.

    :param chrome: the browser.
    :param address: of the site.
    """

    def __init__(self, chrome: Chrome, address: str) -> None:
        self.chrome = chrome
        self.address = address

    def open(self, path: str) -> Page:
        """Go to a page of the site and wait for its script."""
        self.chrome.get(self.address + path)
        if "data-s3upload-policy" in self.chrome.page_source:
            self.wait_for_script()
        return self

    def wait_for_script(self) -> None:
        self.chrome.wait_until("globalThis.s3upload !== undefined")

    # What a person does.

    def choose(self, *files: Path, into: str = INPUT) -> None:
        """
        Choose files, as the browser's dialog does it: they take the place of what was chosen before.

        Selenium's `send_keys` would add them.
        """
        element = self.cdp("Runtime.evaluate", expression=f"document.querySelector({json.dumps(into)})")
        self.cdp("DOM.setFileInputFiles", objectId=element["result"]["objectId"], files=[str(file) for file in files])

    def choose_and_wait(self, *files: Path, into: str = INPUT) -> None:
        """Choose files and wait until all of the input's are in the store."""
        self.choose(*files, into=into)
        self.wait_for_states(*["done"] * len(files), into=into)

    def type(self, selector: str, text: str) -> None:
        field = self.chrome.find(selector)
        field.clear()
        field.send_keys(text)

    def submit(self, button: str = SUBMIT) -> None:
        """Click the form's button."""
        self.chrome.wait_for(button).click()

    def press(self, text: str, *, name: str | None = None) -> None:
        """Click a button of the list: the one with this text, beside the file of this name."""
        label = f"{text}: {name}" if name else text
        selector = f".s3upload button[aria-label^={json.dumps(label)}]"
        self.chrome.wait_for(selector).click()

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.chrome).send_keys(*keys).perform()

    def drop(self, *files: tuple[str, str], on: str = INPUT) -> dict[str, bool]:
        """
        Drag files, of a name and a content each, over an element and drop them there.

        :returns: whether the page took the events for itself: "dragover" and "drop".
        """
        taken: dict[str, bool] = self.chrome.execute_script(
            """
            const [selector, files] = arguments;
            const dataTransfer = new DataTransfer();
            for (const [name, content] of files) dataTransfer.items.add(new File([content], name));
            const taken = {};
            for (const type of ["dragenter", "dragover", "drop"]) {
              const event = new DragEvent(type, { bubbles: true, cancelable: true, composed: true, dataTransfer });
              taken[type] = !document.querySelector(selector).dispatchEvent(event);
            }
            return taken;
            """,
            on,
            files,
        )
        return taken

    # What the person sees.

    def rows(self, of: str = INPUT) -> list[Row]:
        """Return the list of an input's files."""
        return [Row(**row) for row in self.chrome.evaluate(ROWS.strip(), of)]

    def row(self, of: str = INPUT) -> Row:
        (row,) = self.rows(of)
        return row

    def wait_for_states(self, *states: str, into: str = INPUT, timeout: float = 20) -> list[Row]:
        """Wait until the list has files in these states, in this order, and return it."""
        rows: list[Row] = []

        def arrived(_: Any) -> bool:
            rows[:] = self.rows(into)
            return [row.state for row in rows] == list(states)

        wait = WebDriverWait(self.chrome, timeout, 0.05)
        try:
            wait.until(arrived)
        except WebDriverException as error:
            raise AssertionError(f"not {states}, but {rows}; on {self.chrome.current_url}") from error
        return rows

    def wait_for(self, condition: Callable[[], bool], timeout: float = 20) -> None:
        """Wait until something is so outside of the page: in the store, or on the line."""
        WebDriverWait(self.chrome, timeout, 0.05).until(lambda _: condition(), "it never came to that")

    def said(self) -> str:
        """Return what the live region of the list says last."""
        text: str = self.chrome.evaluate("document.querySelector('.s3upload__status').textContent")
        return text

    def result(self) -> dict[str, Any]:
        return self.chrome.result()

    # What other scripts and the network see.

    def listen(self) -> None:
        """Take down the events of the uploads from now on."""
        self.chrome.execute_script(LISTEN)

    def heard(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events since `listen`, of one kind or all."""
        events: list[dict[str, Any]] = self.chrome.evaluate("heard")
        return [event for event in events if kind in (None, event["type"])]

    def cdp(self, command: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.chrome.execute_cdp_cmd(command, parameters)
        return answer

    def slow_down(self, upload: int = SLOW) -> None:
        """Have everything that the browser sends go at this speed, in bytes per second, until `hurry`."""
        self._conditions(upload)

    def hurry(self) -> None:
        self._conditions(-1)
        # Where it is enabled, everything that the page sends is sent once more, to the driver.
        self.cdp("Network.disable")

    def go_offline(self) -> None:
        """Take the network away until `hurry`, and have the browser say so."""
        self._conditions(-1, offline=True)

    def forget(self) -> None:
        """Empty the storage that the browser has for the page's site."""
        origin = self.chrome.evaluate("location.origin")
        self.cdp("Storage.clearDataForOrigin", origin=origin, storageTypes="local_storage")

    def _conditions(self, upload: int, *, offline: bool = False) -> None:
        self.cdp("Network.enable")
        self.cdp(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=upload,
        )

    @contextmanager
    def without_javascript(self) -> Iterator[None]:
        self.cdp("Emulation.setScriptExecutionDisabled", value=True)
        try:
            yield
        finally:
            self.cdp("Emulation.setScriptExecutionDisabled", value=False)

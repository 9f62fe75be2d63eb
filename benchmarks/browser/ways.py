"""The ways from a browser to the store that are measured side by side, and the line that lies between."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.stage import Stage
from benchmarks.variants import VARIANTS
from tests.browser.page import Page
from tests.conftest import Chrome
from tests.proxy import Proxy

CLOCK = (Path(__file__).parent / "clock.js").read_text()

TIMEOUT = 300
"""Seconds that an upload may take."""

PART_SIZE = 16 * 1024**2
ABREAST = 4
"""Bytes of a part, and parts at the same time, of the bare upload in parts."""

# On the page with the form, its clock knows; on the answer to the form, the browser does.
RESULT = """
if (globalThis.clock) return clock.result;
if (document.readyState !== "complete") return null;
if (document.contentType !== "text/plain") return { error: document.documentElement.innerText };
const [navigation] = performance.getEntriesByType("navigation");
if (!navigation.responseEnd) return null;
const upload = performance.timeOrigin - Number(sessionStorage.getItem("chosen"));
return { upload, answer: upload + navigation.responseEnd };
"""

S3FILE_TO_LINE = """
const [from, to] = arguments;
for (const input of document.querySelectorAll("[data-url]")) input.dataset.url = input.dataset.url.replace(from, to);
"""


class Line(contextlib.ExitStack):
    """
    What lies between the browser and the servers: nothing but loopback, or a proxy before each; a context manager.

    :param speed: bytes per second that each connection carries up; ``None`` for loopback.
    :param round_trip: seconds that a connection takes to be made, and an answer to come back.
    """

    def __init__(self, stage: Stage, *, speed: float | None = None, round_trip: float = 0.0) -> None:
        super().__init__()
        self.stage = stage
        self.speed = speed
        self.round_trip = round_trip
        self.bucket = stage.create_bucket()
        self.proxies: list[Proxy] = []
        """Before the store, and before each site, in the order of their start; none on loopback."""
        self._sites: dict[str, str] = {}
        self.store = self._before(stage.account.endpoint_url)

    def site(self, variant: str) -> str:
        """Return the address of the site in this variant, which is started when first asked for."""
        if variant not in self._sites:
            # What the server itself asks of the store does not go over the visitor's line.
            more = {"public_endpoint_url": self.store} if variant == "s3upload" else {}
            options = self.stage.storage_options(self.bucket, **more)
            site = self.enter_context(self.stage.site(variant, options, BENCH_STATIC="1"))
            self._sites[variant] = self._before(site.url)
        return self._sites[variant]

    def renew(self) -> None:
        """Let no upload have the connections of the one before."""
        for proxy in self.proxies:
            proxy.sever()

    def _before(self, address: str) -> str:
        if self.speed is None:
            return address
        proxy = self.enter_context(Proxy(address))
        proxy.speed, proxy.round_trip = self.speed, self.round_trip
        self.proxies.append(proxy)
        return proxy.address


@dataclass(frozen=True, kw_only=True)
class Way:
    """
    One way to upload.

    :param title: its name in tables and plots.
    :param script: which of the ways in clock.js.
    :param variant: of the site.
    :param path: of the page.
    :param options: for the script, of a line and the bytes of a file.
    :param needs_uppy: whether Uppy is to be on the page.
    """

    title: str
    script: str = "form"
    variant: str = "s3upload"
    path: str = "/"
    options: Callable[[Line, int], dict[str, Any]] = lambda _line, _size: {}
    needs_uppy: bool = False


@dataclass(frozen=True)
class Times:
    """
    What one upload took, in seconds from the choice of the file on.

    :param upload: until the form is on its way: the file is in the store.
    :param answer: until the answer to the form is there; where no form is posted, the same.
    """

    upload: float
    answer: float


class Window:
    """
    A window of the browser, in which one file after the other is uploaded.

    :param uppy: the script of Uppy; empty where it is not measured.
    """

    def __init__(self, chrome: Chrome, uppy: str = "") -> None:
        self.chrome = chrome
        self.uppy = uppy
        chrome.set_page_load_timeout(TIMEOUT)

    def upload(self, way: Way, path: Path, line: Line) -> Times:
        """
        Open a fresh page, choose a file, submit at once.

        :raises RuntimeError: when the upload fails.
        """
        line.renew()
        chrome = self.chrome
        page = Page(chrome, line.site(way.variant)).open(way.path)
        # Else an upload in parts may go on where an earlier one stopped.
        page.forget()
        if way.variant.startswith("s3file"):
            chrome.execute_script(S3FILE_TO_LINE, line.stage.account.endpoint_url, line.store)
        if way.needs_uppy:
            chrome.execute_script(self.uppy + "; globalThis.uppy = uppy;")
        chrome.execute_script(CLOCK)
        chrome.execute_script("clock.set(...arguments)", way.script, way.options(line, path.stat().st_size))
        page.choose(path)
        # Seldom enough to leave the machine to what is measured.
        result = WebDriverWait(chrome, TIMEOUT, 0.2).until(lambda _: chrome.execute_script(RESULT))
        if "error" in result:
            raise RuntimeError(f"{way.title}: {result['error']}")
        return Times(result["upload"] / 1000, result["answer"] / 1000)


def _signed(line: Line, operation: str, **parameters: Any) -> str:
    account = line.stage.account
    client = type(account)(**{**vars(account), "endpoint_url": line.store}).client()
    return client.generate_presigned_url(operation, Params={"Bucket": line.bucket, **parameters})


def _put(line: Line, _size: int) -> dict[str, Any]:
    return {"url": _signed(line, "put_object", Key=f"put-{uuid.uuid4().hex}")}


def _put_and_post(line: Line, _size: int) -> dict[str, Any]:
    key = f"put-{uuid.uuid4().hex}"
    return {"url": _signed(line, "put_object", Key=key), "key": key}


def _parts(line: Line, size: int) -> dict[str, Any]:
    key = f"parts-{uuid.uuid4().hex}"
    client = line.stage.account.client()
    upload = {"Key": key, "UploadId": client.create_multipart_upload(Bucket=line.bucket, Key=key)["UploadId"]}
    numbers = range(1, -(-size // PART_SIZE) + 1)
    return {
        "urls": [_signed(line, "upload_part", PartNumber=number, **upload) for number in numbers],
        "size": PART_SIZE,
        "abreast": ABREAST,
        "complete": _signed(line, "complete_multipart_upload", **upload),
    }


S3UPLOAD = Way(title=VARIANTS["s3upload"].title)
S3FILE = Way(title=VARIANTS["s3file"].title, variant="s3file")
S3FILE_COPY = Way(title=VARIANTS["s3file-copy"].title, variant="s3file-copy")
# On a page where no script takes the file for itself.
PLAIN: dict[str, Any] = {"variant": "s3storage", "path": "/uppy/"}
UPPY = Way(
    title="Uppy, S3 plugin",
    script="uppy",
    options=lambda line, _size: {"sign": f"{line.site('s3storage')}/uppy/sign/?store={line.store}"},
    needs_uppy=True,
    **PLAIN,
)
PUT = Way(title="one bare PUT", script="put", options=_put, **PLAIN)
PUT_AND_POST = Way(title="one bare PUT, then the form", script="put", options=_put_and_post, **PLAIN)
PARTS = Way(title=f"bare parts of 16 MiB, {ABREAST} at a time", script="parts", options=_parts, **PLAIN)

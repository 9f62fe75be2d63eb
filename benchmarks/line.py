"""
How long 40 MB take over a line of 10 MB/s per connection and 30 ms: in parts, and as one PUT.

``python -m benchmarks.line``, from the checkout. Both are sent by the same page in Chromium to Ceph, three times each;
the table has the medians. The target is a third.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

ROUNDS = 3
SIZE = 40_000_000
SPEED = 10_000_000
ROUND_TRIP = 0.03

ONE_PUT = """
const [url, answer] = [arguments[0], arguments[arguments.length - 1]];
const [file] = document.querySelector("[name=plain]").files;
const start = performance.now();
fetch(url, { method: "PUT", body: file }).then((done) => answer(done.ok ? performance.now() - start : done.status));
"""

IN_PARTS = """
const answer = arguments[arguments.length - 1];
const input = document.querySelector("[name=file]");
const data = new DataTransfer();
data.items.add(document.querySelector("[name=plain]").files[0]);
const start = performance.now();
input.addEventListener("s3upload:complete", () => answer(performance.now() - start), { once: true });
input.addEventListener("s3upload:error", () => answer("it failed"), { once: true });
input.files = data.files;
input.dispatchEvent(new Event("change", { bubbles: true }));
"""

PLAIN_INPUT = """
const input = document.createElement("input");
Object.assign(input, { type: "file", name: "plain" });
document.body.append(input);
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        return measure(Path(name))


def measure(folder: Path) -> int:
    # Django and the fixtures of the tests are of use only with settings.
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.management import call_command
    from django.db import connections
    from django.test import override_settings
    from django.test.testcases import LiveServerThread

    from tests.browser.page import Page
    from tests.conftest import Chrome, S3Store
    from tests.proxy import Proxy
    from tests.servers.base import in_background

    connections["default"].settings_dict["NAME"] = str(folder / "site.sqlite3")
    call_command("migrate", run_syncdb=True, verbosity=0)
    path = folder / "clip.bin"
    path.write_bytes(os.urandom(SIZE))
    site = LiveServerThread("localhost", StaticFilesHandler, connections_override={})
    site.daemon = True
    site.start()
    site.is_ready.wait()
    with in_background("tests.servers.ceph") as account, Proxy(account.endpoint_url) as line:
        store = S3Store("ceph", account)
        account.create_bucket(store.bucket)
        options = store.options | {"public_endpoint_url": line.address}
        storage = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": options}
        override_settings(STORAGES={**settings.STORAGES, "default": storage}).enable()
        signer = type(account)(**{**vars(account), "endpoint_url": line.address}).client()
        line.speed, line.round_trip = SPEED, ROUND_TRIP
        chrome = Chrome(folder / "profile")
        try:
            page = Page(chrome, f"http://localhost:{site.port}")
            times: dict[str, list[float]] = {"one PUT": [], "in parts": []}
            for _ in range(ROUNDS):
                for how, taken in times.items():
                    line.sever()
                    page.open("/forms/document/")
                    # Else the second round goes on where the first one stopped: at the end.
                    page.forget()
                    chrome.execute_script(PLAIN_INPUT)
                    page.choose(path, into="[name=plain]")
                    url = signer.generate_presigned_url("put_object", Params={"Bucket": store.bucket, "Key": "one"})
                    script = ONE_PUT if how == "one PUT" else IN_PARTS
                    milliseconds = chrome.execute_async_script(script, url)
                    if not isinstance(milliseconds, (int, float)):
                        sys.stderr.write(f"{how}: {milliseconds}\n")
                        return 1
                    taken.append(milliseconds / 1000)
        finally:
            chrome.quit()
    site.terminate()
    report(times)
    return 0


def report(times: dict[str, list[float]]) -> None:
    one, parts = (statistics.median(taken) for taken in times.values())
    line = f"{SIZE / 1e6:.0f} MB, {SPEED / 1e6:.0f} MB/s per connection, {ROUND_TRIP * 1000:.0f} ms"
    rows = [
        f"{how:10} {statistics.median(taken):6.2f} s   of {'  '.join(f'{seconds:.2f}' for seconds in taken)}"
        for how, taken in times.items()
    ]
    sys.stdout.write("\n".join([line, *rows, f"ratio      {parts / one:6.2f}", ""]))


if __name__ == "__main__":
    sys.exit(main())

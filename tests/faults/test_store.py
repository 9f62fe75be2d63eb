"""The store fails at one of the server's calls: somebody is told, nothing is lost, and the same upload can be used."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from s3upload.backends.s3 import copying
from s3upload.exceptions import StoreUnavailable
from tests.conftest import S3Store
from tests.faults.conftest import impatient, unfinished, use_line
from tests.proxy import Answer, Fault, HoldRequest, Match, Proxy, Reset, Truncate, is_call
from tests.testapp import models
from tests.wire import Browser, Page

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2
DOCUMENT = "/forms/document/"
PICTURE = "/forms/picture/"
FOR_EVER = float("inf")

SMALL = random.Random(1).randbytes(5000)
LARGE = random.Random(2).randbytes(17 * MIB)

MESSAGE = str(StoreUnavailable.default_message)


def an_image() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((40, 30), 50).save(stream, "PNG")
    return stream.getvalue()


def error(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>No.</Message></Error>'.encode()


# Each of them happens to every call that it matches, until it is healed.
FAULTS: dict[str, Callable[[Match], Fault]] = {
    "refuses": lambda calls: Answer(calls, FOR_EVER, status=403, body=error("AccessDenied")),
    "throttles": lambda calls: Answer(calls, FOR_EVER, status=503, body=error("SlowDown")),
    "breaks": lambda calls: Answer(calls, FOR_EVER, status=500, body=error("InternalError")),
    "error-in-200": lambda calls: Answer(calls, FOR_EVER, status=200, body=error("InternalError")),
    "done-and-error-in-200": lambda calls: Answer(
        calls, FOR_EVER, status=200, body=error("InternalError"), carried=True
    ),
    "is-no-store": lambda calls: Answer(calls, FOR_EVER, status=200, body=b"<p>Welcome to the network of the caf\xe9"),
    "redirects": lambda calls: Answer(calls, FOR_EVER, status=301, body=error("PermanentRedirect")),
    "redirects-for-now": lambda calls: Answer(
        calls, FOR_EVER, status=307, body=error("TemporaryRedirect"), headers={"Location": "http://127.0.0.1:9/"}
    ),
    "resets": lambda calls: Reset(calls, FOR_EVER),
    "is-silent": lambda calls: HoldRequest(calls, FOR_EVER),
    "answer-is-lost": lambda calls: Truncate(calls, FOR_EVER),
}

UNKNOWN = ("CreateMultipartUpload", "answer-is-lost")

FEW = ["refuses", "is-silent", "answer-is-lost"]


def cases(operation: str, *names: str) -> list[Any]:
    return [pytest.param(operation, name, id=f"{operation}-{name}") for name in names or FAULTS]


class Submit:
    """A person who has uploaded a file, and submits the form."""

    def __init__(self, url: str, field: str, body: bytes, name: str) -> None:
        self.url, self.field, self.body = url, field, body
        self.browser = Browser()
        self.token = self.browser.upload(url, field, name, body, "image/png" if name.endswith("png") else "text/plain")

    def post(self) -> Any:
        return self.browser.post(self.url, {"title": "t", f"{self.field}-s3upload": self.token})

    def is_told(self) -> None:
        """Submit, and be told that the store could not be reached; the form has its upload, or can be sent again."""
        answer = self.post()
        text = answer.content.decode()
        assert MESSAGE in text, text[:500]
        if answer.status_code == 200:
            [kept] = Page(text).kept(self.field)
            assert kept["value"] == self.token
        else:
            assert answer.status_code == 503

    def is_saved(self, bucket: S3Store) -> None:
        """Submit; there is one row, and its object, whole."""
        answer = self.post()
        assert answer.status_code == 200
        names = Page(answer.content.decode()).result["saved"]
        assert names == [name for name in rows() if name in names]
        assert [bucket.get(name) for name in names] == [self.body]


def rows() -> list[str]:
    """Return the names of the files that rows refer to."""
    return [
        *models.Document.objects.values_list("file", flat=True),
        *models.Picture.objects.values_list("image", flat=True),
    ]


def a_submit_that_calls(operation: str, monkeypatch: pytest.MonkeyPatch) -> Submit:
    if operation in {"CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"}:
        # What takes more than 5 GiB otherwise.
        monkeypatch.setattr(copying, "COPY_LIMIT", 6 * MIB)
        monkeypatch.setattr(copying, "COPY_PART_SIZE", 6 * MIB)
        return Submit(DOCUMENT, "file", LARGE[: 13 * MIB], "report.txt")
    if operation == "GetObject":
        return Submit(PICTURE, "image", an_image(), "a.png")
    return Submit(DOCUMENT, "file", SMALL, "report.txt")


def says_what_failed(caplog: pytest.LogCaptureFixture, operation: str, *secrets: str) -> None:
    text = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("s3upload"))
    # A connection that fails in the middle of a copy in parts is the copy's.
    part_of_copy = operation in {"CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"}
    assert operation in text or (part_of_copy and "CopyObject" in text)
    for secret in (*secrets, "Signature", "X-Amz", "http://"):
        assert secret not in text


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        *cases("HeadObject", *(name for name in FAULTS if name != "done-and-error-in-200")),
        *cases("CopyObject"),
        *cases("CompleteMultipartUpload", "error-in-200", "done-and-error-in-200", "answer-is-lost"),
        *cases("UploadPartCopy", "error-in-200", *FEW),
        *cases("CreateMultipartUpload", *FEW),
        *cases("GetObject", "throttles", "is-no-store", *FEW),
    ],
)
def test_submit(
    operation: str,
    name: str,
    line: Proxy,
    bucket: S3Store,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    submit = a_submit_that_calls(operation, monkeypatch)
    pending = bucket.keys()
    if name == "is-silent":
        use_line(settings, bucket, line, client_config=impatient())
    fault = line.add(FAULTS[name](is_call(operation)))

    submit.is_told()
    assert fault.requests
    assert rows() == []
    assert bucket.get(pending[0]) == submit.body
    says_what_failed(caplog, operation, submit.token, bucket.account.secret_key, bucket.account.access_key)

    line.sever()
    fault.heal()
    submit.is_saved(bucket)
    assert sorted(bucket.keys()) == sorted(rows())
    # Nobody knows the name of an upload whose beginning was not answered: a lifecycle rule ends it.
    assert set(unfinished(bucket)) == ({*rows()} if (operation, name) == UNKNOWN else set())


def test_copy_in_parts_that_is_complete_and_whose_answer_is_lost(
    line: Proxy, bucket: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = a_submit_that_calls("CompleteMultipartUpload", monkeypatch)
    fault = line.add(Truncate(is_call("CompleteMultipartUpload")))
    submit.is_saved(bucket)
    assert fault.requests
    assert bucket.keys() == rows()


def test_stopped_store(line: Proxy, bucket: S3Store, caplog: pytest.LogCaptureFixture) -> None:
    submit = Submit(DOCUMENT, "file", SMALL, "report.txt")
    line.cut()
    submit.is_told()
    assert rows() == []
    says_what_failed(caplog, "HeadObject", submit.token, bucket.account.secret_key)
    line.mend()
    submit.is_saved(bucket)


@pytest.mark.parametrize("name", ["throttles", "breaks", "resets", "answer-is-lost"])
def test_once_is_not_noticed(name: str, line: Proxy, bucket: S3Store) -> None:
    submit = Submit(PICTURE, "image", an_image(), "a.png")
    faults = [FAULTS[name](is_call(call)) for call in ("GetObject", "CopyObject", "DeleteObjects")]
    for fault in faults:
        fault.times = 1
        line.add(fault)
    submit.is_saved(bucket)
    assert [len(fault.requests) for fault in faults] == [1, 1, 1]
    assert bucket.keys() == rows()


def test_slow_store(line: Proxy, bucket: S3Store) -> None:
    line.round_trip = 0.3
    submit = Submit(PICTURE, "image", an_image(), "a.png")
    submit.is_saved(bucket)
    assert bucket.keys() == rows()


@pytest.mark.parametrize("name", ["refuses", "throttles", "is-silent", "is-no-store", "error-in-200"])
def test_saved_though_the_pending_object_cannot_be_deleted(
    name: str, line: Proxy, bucket: S3Store, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    submit = Submit(DOCUMENT, "file", SMALL, "report.txt")
    pending = bucket.keys()
    if name == "is-silent":
        use_line(settings, bucket, line, client_config=impatient())
    fault = line.add(FAULTS[name](is_call("DeleteObjects")))
    submit.is_saved(bucket)
    assert fault.requests
    assert bucket.keys() == [*rows(), *pending]
    says_what_failed(caplog, "pending objects were not deleted", submit.token)


@pytest.mark.parametrize("name", ["refuses", "is-silent"])
def test_name_that_cannot_be_looked_for(name: str, line: Proxy, bucket: S3Store, settings: Any) -> None:
    """With ``file_overwrite=False``, django-storages asks whether a name is taken."""
    use_line(settings, bucket, line, file_overwrite=False, client_config=impatient())
    submit = Submit(DOCUMENT, "file", SMALL, "report.txt")
    final = "/documents/"
    fault = line.add(FAULTS[name](lambda request: request.operation == "HeadObject" and final in request.path))
    answer = submit.post()
    assert fault.requests
    assert (answer.status_code, answer.content.decode()) == (503, MESSAGE)
    fault.heal()
    submit.is_saved(bucket)


# What django-storages compresses to is closed by the garbage collector when it can't be sent.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["refuses", "is-no-store"])
def test_bytes_that_cannot_be_streamed(name: str, line: Proxy, bucket: S3Store, settings: Any) -> None:
    """What is compressed goes through the server."""
    use_line(settings, bucket, line, gzip=True, gzip_content_types=["text/plain"])
    submit = Submit(DOCUMENT, "file", SMALL, "report.txt")
    fault = line.add(FAULTS[name](is_call("PutObject")))
    answer = submit.post()
    assert fault.requests
    assert (answer.status_code, answer.content.decode()) == (503, MESSAGE)
    assert rows() == []
    fault.heal()
    assert submit.post().status_code == 200
    assert default_storage.open(rows()[0]).read() == SMALL


# --- at the endpoint --------------------------------------------------------------------------


def is_told(answer: Any) -> None:
    assert (answer.status_code, answer.json()) == (503, {"error": MESSAGE})


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        *cases("CreateMultipartUpload", "throttles", "is-no-store", *FEW),
        *cases("ListParts", "throttles", "is-no-store", *FEW),
        *cases("CompleteMultipartUpload", "error-in-200", "done-and-error-in-200", "is-no-store", *FEW),
        *cases("AbortMultipartUpload", "throttles", *FEW),
    ],
)
def test_upload_in_parts(
    operation: str, name: str, line: Proxy, bucket: S3Store, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser()
    policy = browser.policy(browser.client.get(DOCUMENT).content.decode(), "file")
    files = [{"name": "film.bin", "size": len(LARGE), "type": "application/octet-stream"}]
    if name == "is-silent":
        use_line(settings, bucket, line, client_config=impatient())
    if operation == "CreateMultipartUpload":
        fault = line.add(FAULTS[name](is_call(operation)))
        is_told(browser.call("presign/", {"policy": policy, "files": files}))
        line.sever()
        fault.heal()
    [upload] = browser.presign(policy, files)
    token = upload["token"]
    parts = browser.send_parts(upload, LARGE)
    if operation != "CreateMultipartUpload":
        fault = line.add(FAULTS[name](is_call(operation)))
        path, body = (
            ("abort/", {"token": token})
            if operation.startswith("Abort")
            else ("complete/", {"token": token, "parts": parts})
        )
        is_told(browser.call(path, body))
        line.sever()
        fault.heal()
    assert fault.requests
    says_what_failed(caplog, operation, token, bucket.account.secret_key)
    if operation.startswith("Abort"):
        browser.abort(token)
        assert bucket.keys() == unfinished(bucket) == []
        return
    browser.complete(token, parts)
    page = browser.submit(DOCUMENT, {"title": "t", "file-s3upload": token})
    assert bucket.get(page.result["saved"][0]) == LARGE
    assert bucket.keys() == rows()


# --- in place ---------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["GetObjectTagging", "PutObject", "PutObjectTagging"])
@pytest.mark.parametrize("name", ["refuses", "throttles", "is-silent", "is-no-store"])
def test_submit_in_place(
    operation: str, name: str, line: Proxy, bucket: S3Store, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    use_line(settings, bucket, line, promote="in-place", client_config=impatient() if name == "is-silent" else None)
    submit = Submit(DOCUMENT, "file", SMALL, "report.txt")
    fault = line.add(FAULTS[name](is_call(operation)))
    submit.is_told()
    assert fault.requests
    assert rows() == []
    says_what_failed(caplog, operation, submit.token, bucket.account.secret_key)
    line.sever()
    fault.heal()
    submit.is_saved(bucket)
    assert bucket.keys("uploads/") == rows()

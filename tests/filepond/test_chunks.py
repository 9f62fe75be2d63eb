"""A file in chunks: what the client sends, and what it must not."""

from __future__ import annotations

from functools import partialmethod
from io import BytesIO
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import Client

from s3upload.filepond.models import TemporaryUpload, is_id
from s3upload.filepond.receivers import FolderReceiver, PartsReceiver, PiecesReceiver, receiver_for
from tests.conftest import S3Store
from tests.faults.conftest import unfinished, use_line
from tests.filepond.conftest import (
    BODY,
    CHUNK,
    EVERYWHERE,
    FilePond,
    Place,
    body_of,
    content_of,
    random_bytes,
    refusal,
    said,
)
from tests.proxy import Answer, Proxy, is_call

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2
LONG = 22_345_678


def test_file_is_announced(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(LONG, {"a": 1}))

    assert is_id(upload_id)
    upload = TemporaryUpload.objects.get(pk=upload_id)
    assert (upload.size, upload.offset, upload.is_complete) == (LONG, 0, False)
    assert upload.metadata == {"a": 1}
    assert upload.field == "filepond"
    assert pond.offset(upload_id) == 0


@EVERYWHERE
@pytest.mark.parametrize(
    ("size", "chunk"),
    [
        (0, CHUNK),
        (12, 5),
        (12, 12),
        (12, 4),
        (LONG, CHUNK),
        (4 * CHUNK, CHUNK),
        (5 * MIB, MIB),
        (11 * MIB, 6 * MIB),
        (10 * MIB, 5 * MIB),
        (16 * MIB, 16 * MIB),
        (3 * MIB, 500_000),
    ],
)
def test_file_arrives_as_it_was_sent(place: Place, pond: FilePond, size: int, chunk: int) -> None:
    body = random_bytes(size)

    upload_id = pond.send(body, chunk)

    assert content_of(upload_id) == body
    upload = TemporaryUpload.objects.get(pk=upload_id)
    folder = [upload.pk] if place.name == "folder" else []
    assert sorted(place.names()) == sorted([*folder, upload.key])
    assert not place.open_uploads()
    assert pond.offset(upload_id) == size
    assert body_of(pond.restore(upload_id)) == body


def test_two_files_at_the_same_time(place: Place, pond: FilePond) -> None:
    bodies = [random_bytes(LONG, seed) for seed in (1, 2)]
    ids = [said(pond.begin(LONG)) for _body in bodies]

    for offset in range(0, LONG, CHUNK):
        for upload_id, body in zip(ids, bodies, strict=True):
            pond.patch(upload_id, offset, body[offset : offset + CHUNK])

    assert [content_of(upload_id) for upload_id in ids] == bodies


@pytest.mark.parametrize(
    ("header", "name", "type_"),
    [
        ("a.png", "a.png", "image/png"),
        ("ü.txt", "ü.txt", "text/plain"),
        ("%C3%BC%20%F0%9F%98%80.txt", "ü \N{GRINNING FACE}.txt", "text/plain"),
        ("100%.txt", "100%.txt", "text/plain"),
        # As FilePond writes it: the bytes of UTF-8.
        ("100% \u00c3\u00bc.txt", "100% ü.txt", "text/plain"),
        ("\u00d0\u00b8\u00d0\u00bc\u00d1\u008f.txt", "имя.txt", "text/plain"),
        ("%2e%2e%2fetc%2fpasswd", "passwd", "application/octet-stream"),
        ("a%0D%0Ab.html", "ab.html", "text/html"),
        ("", "", "application/octet-stream"),
    ],
)
def test_name_comes_with_the_chunks(in_folder: Place, pond: FilePond, header: str, name: str, type_: str) -> None:
    upload_id = said(pond.begin(len(BODY)))

    pond.patch(upload_id, 0, BODY, **{"Upload-Name": header})

    upload = TemporaryUpload.objects.get(pk=upload_id)
    assert upload.upload_name == (name or "file")
    assert upload.content_type == type_


@pytest.mark.parametrize(
    "length", ["-1", "1.5", "0x10", "", " ", "1e3", "nan", "٣", "9" * 21, "9" * 5000, "1,2", "12, 12"]
)
def test_length_that_is_none(place: Place, pond: FilePond, length: str) -> None:
    assert refusal(pond.client.post("/fp/process/", {"filepond": "{}"}, headers={"Upload-Length": length}))

    assert not TemporaryUpload.objects.exists()


def test_length_that_is_too_much(place: Place, pond: FilePond, settings: Any) -> None:
    settings.S3UPLOAD_MAX_SIZE = MIB

    assert "too large" in refusal(pond.begin(MIB + 1), 413)
    assert refusal(pond.begin("9" * 20), 413)

    assert not TemporaryUpload.objects.exists()


def test_announcement_with_a_file_is_refused(place: Place, pond: FilePond) -> None:
    response = pond.client.post(
        "/fp/process/", {"filepond": ["{}", BytesIO(BODY)]}, headers={"Upload-Length": str(len(BODY))}
    )

    assert refusal(response)
    assert place.is_empty


@pytest.mark.parametrize("offset", ["-1", "1.5", "", "x", "9" * 30, "٣"])
def test_offset_that_is_none(place: Place, pond: FilePond, offset: str) -> None:
    upload_id = said(pond.begin(len(BODY)))

    assert refusal(pond.patch(upload_id, offset, BODY))
    assert pond.offset(upload_id) == 0
    assert place.is_empty


def test_chunk_without_an_offset(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(len(BODY)))

    assert refusal(pond.client.patch(f"/fp/patch/{upload_id}", BODY))


@pytest.mark.parametrize("offset", [1, 4, 6, 11])
def test_offset_that_does_not_fit(place: Place, pond: FilePond, offset: int) -> None:
    upload_id = said(pond.begin(12))
    pond.patch(upload_id, 0, BODY[:5])

    assert refusal(pond.patch(upload_id, offset, b"x"), 409)

    assert pond.offset(upload_id) == 5
    pond.patch(upload_id, 5, BODY[5:])
    assert content_of(upload_id) == BODY


@pytest.mark.parametrize(("offset", "chunk"), [(0, b"x" * 13), (12, b"x"), (5, b"x" * 8), (10**18, b"x")])
def test_chunk_that_is_too_long(place: Place, pond: FilePond, offset: int, chunk: bytes) -> None:
    upload_id = said(pond.begin(12))
    pond.patch(upload_id, 0, BODY[:5])

    assert refusal(pond.patch(upload_id, offset, chunk))

    assert pond.offset(upload_id) == 5


def test_length_that_lies(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(12))

    for length in ("11", "13", "-1", "x"):
        assert refusal(pond.patch(upload_id, 0, BODY, size=length))

    assert pond.offset(upload_id) == 0


def test_empty_chunk_in_the_middle(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(12))

    assert refusal(pond.patch(upload_id, 0, b""))

    assert pond.offset(upload_id) == 0


def cut(pond: FilePond, upload_id: str, offset: int, chunk: bytes, arrives: int) -> Any:
    """Send a chunk of which only so much arrives."""
    return pond.client.generic(
        "PATCH",
        f"/fp/patch/{upload_id}",
        chunk,
        "application/offset+octet-stream",
        headers={"Upload-Offset": str(offset), "Upload-Name": "a.txt"},
        **{"wsgi.input": BytesIO(chunk[:arrives])},
    )


@EVERYWHERE
@pytest.mark.parametrize("arrives", [0, 1, 3_000_000, CHUNK - 1])
def test_chunk_that_is_cut_leaves_the_offset_at_its_start(place: Place, pond: FilePond, arrives: int) -> None:
    body = random_bytes(LONG)
    upload_id = said(pond.begin(LONG))
    pond.patch(upload_id, 0, body[:CHUNK])
    before = place.names()

    assert refusal(cut(pond, upload_id, CHUNK, body[CHUNK : 2 * CHUNK], arrives))

    assert pond.offset(upload_id) == CHUNK
    assert place.names() == before
    for offset in range(CHUNK, LONG, CHUNK):
        pond.patch(upload_id, offset, body[offset : offset + CHUNK])
    assert content_of(upload_id) == body


def test_first_chunk_that_is_cut_leaves_nothing(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(LONG))

    assert refusal(cut(pond, upload_id, 0, random_bytes(11 * MIB), 6 * MIB))

    assert place.is_empty
    assert pond.offset(upload_id) == 0


@EVERYWHERE
@pytest.mark.parametrize("size", [12, LONG])
def test_chunk_whose_answer_was_lost_may_come_again(place: Place, pond: FilePond, size: int) -> None:
    body = random_bytes(size)
    chunk = -(-size // 3)
    upload_id = said(pond.begin(size))

    for offset in range(0, size, chunk):
        for _time in range(2):
            response = pond.patch(upload_id, offset, body[offset : offset + chunk])
            assert response.status_code == 204
            assert response["Upload-Offset"] == str(min(offset + chunk, size))

    assert content_of(upload_id) == body


def test_other_chunk_in_place_of_the_last(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(12))
    pond.patch(upload_id, 0, BODY)

    assert refusal(pond.patch(upload_id, 0, b"x" * 12), 409)
    assert refusal(pond.patch(upload_id, 0, b"x"), 409)

    assert content_of(upload_id) == BODY


def test_last_answer_that_could_not_be_written_down(in_ceph: Place, pond: FilePond, monkeypatch: Any) -> None:
    """The store has completed the upload, and the row could not say so."""
    body = random_bytes(LONG)
    upload_id = said(pond.begin(LONG))
    for offset in range(0, 4 * CHUNK, CHUNK):
        pond.patch(upload_id, offset, body[offset : offset + CHUNK])
    finish = PartsReceiver.finish

    def finish_and_fail(self: PartsReceiver) -> str:
        finish(self)
        raise RuntimeError("the database is gone")

    with monkeypatch.context() as patch:
        patch.setattr(PartsReceiver, "finish", finish_and_fail)
        with pytest.raises(RuntimeError):
            pond.patch(upload_id, 4 * CHUNK, body[4 * CHUNK :])
    assert pond.offset(upload_id) == 4 * CHUNK

    assert pond.patch(upload_id, 4 * CHUNK, body[4 * CHUNK :]).status_code == 204

    assert content_of(upload_id) == body


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload"])
def test_store_that_refuses_for_a_while(bucket: S3Store, pond: FilePond, settings: Any, operation: str) -> None:
    settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "default"
    refusing = Answer(is_call(operation), 1, status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
    body = random_bytes(LONG)
    upload_id = said(pond.begin(LONG))

    with Proxy(bucket.account.endpoint_url) as line:
        use_line(settings, bucket, line)
        line.add(refusing)
        for offset in range(0, LONG, CHUNK):
            response = pond.patch(upload_id, offset, body[offset : offset + CHUNK])
            if response.status_code != 204:
                assert "could not be reached" in refusal(response, 503)
                assert pond.offset(upload_id) == offset
                assert pond.patch(upload_id, offset, body[offset : offset + CHUNK]).status_code == 204
        assert len(refusing.requests) == 1
        assert content_of(upload_id) == body
    assert len(bucket.keys()) == 1
    assert not unfinished(bucket)


@pytest.mark.parametrize("late", [CHUNK, 2 * CHUNK])
def test_chunk_of_a_request_that_was_rolled_back(place: Place, pond: FilePond, settings: Any, late: int) -> None:
    """As with ATOMIC_REQUESTS: what was on the way before is still there."""
    body = random_bytes(11 * MIB)
    upload_id = said(pond.begin(len(body)))
    for offset in range(0, late, CHUNK):
        pond.patch(upload_id, offset, body[offset : offset + CHUNK])
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.filepond.test_chunks.RollsBack"]
    failing = FilePond(Client())
    failing.client.cookies = pond.client.cookies

    assert failing.patch(upload_id, late, body[late : late + CHUNK]).status_code == 204
    assert pond.offset(upload_id) == late

    for offset in range(late, len(body), CHUNK):
        response = pond.patch(upload_id, offset, body[offset : offset + CHUNK])
        assert response.status_code == 204, response.content
    assert content_of(upload_id) == body


class RollsBack:
    """Has a view answer, and takes back what it did in the database."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_view(self, request: Any, view: Any, args: Any, options: Any) -> Any:
        with transaction.atomic():
            response = view(request, *args, **options)
            transaction.set_rollback(True)
        return response


# Not in Django's own memory: two threads can't make folders there at the same time.
@pytest.mark.parametrize("place", ["in_folder", "in_ceph"], indirect=True)
def test_two_chunks_at_once(place: Place, pond: FilePond) -> None:
    """One of them counts, and the other one is told."""
    bodies = [random_bytes(6 * MIB, seed) for seed in range(2)]
    upload_id = said(pond.begin(7 * MIB))
    start = Barrier(2)
    statuses: list[int] = []

    def send(body: bytes) -> None:
        start.wait()
        statuses.append(pond.patch(upload_id, 0, body).status_code)
        connections.close_all()

    threads = [Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [204, 409]
    assert pond.offset(upload_id) == 6 * MIB
    last = pond.patch(upload_id, 6 * MIB, b"x" * MIB)
    if last.status_code == 204:
        assert content_of(upload_id) in [body + b"x" * MIB for body in bodies]
    else:
        # In the store, the part of the one who was late has replaced that of the other one.
        assert refusal(last)
        assert pond.revert(upload_id).status_code == 200


@EVERYWHERE
@pytest.mark.parametrize("late", [0, CHUNK])
def test_chunk_that_comes_again_while_the_first_one_is_still_at_work(
    place: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """The line broke, and the server does not know: who is overtaken takes nothing away from who was faster."""
    body = random_bytes(8 * MIB)
    upload_id = said(pond.begin(len(body)))
    if late:
        pond.patch(upload_id, 0, body[:late])
    chunk = body[late : late + CHUNK] if late else body
    again: list[int] = []

    def overtaken(self: Any, settle: Any) -> Any:
        progress = settle(self)
        if not again:
            again.append(0)
            again[0] = pond.patch(upload_id, late, chunk).status_code
        return progress

    for receiver in (FolderReceiver, PartsReceiver, PiecesReceiver):
        monkeypatch.setattr(receiver, "settle", partialmethod(overtaken, receiver.settle))

    assert refusal(pond.patch(upload_id, late, chunk), 409)
    assert again == [204]
    assert content_of(upload_id) == body
    assert not place.open_uploads()


@pytest.mark.parametrize("place", ["in_ceph", "in_azure"], indirect=True)
def test_chunk_that_came_again_and_was_faster(place: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch) -> None:
    body = random_bytes(8 * MIB)
    upload_id = said(pond.begin(len(body)))
    pond.patch(upload_id, 0, body[:CHUNK])
    put, again = PartsReceiver._put, []

    def overtaken(self: PartsReceiver) -> None:
        if not again:
            again.append(0)
            again[0] = pond.patch(upload_id, CHUNK, body[CHUNK:]).status_code
        put(self)

    monkeypatch.setattr(PartsReceiver, "_put", overtaken)

    assert refusal(pond.patch(upload_id, CHUNK, body[CHUNK:]), 409)
    assert again == [204]
    assert content_of(upload_id) == body


def test_what_a_killed_worker_left_is_no_part_of_the_file(in_folder: Place, pond: FilePond, tmp_path: Path) -> None:
    upload_id = said(pond.begin(12))
    pond.patch(upload_id, 0, BODY[:5])
    path = Path(TemporaryUpload.objects.get(pk=upload_id).get_file_path())
    path.write_bytes(path.read_bytes() + b"appended before the row was changed")

    pond.patch(upload_id, 5, BODY[5:])

    assert content_of(upload_id) == BODY


@EVERYWHERE
def test_revert_of_what_is_under_way_leaves_nothing(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(LONG))
    body = random_bytes(3 * CHUNK)
    for offset in range(0, 3 * CHUNK, CHUNK):
        pond.patch(upload_id, offset, body[offset : offset + CHUNK])

    assert pond.revert(upload_id).status_code == 200

    assert place.is_empty
    assert refusal(pond.patch(upload_id, 3 * CHUNK, BODY), 404)


def test_what_is_under_way_can_not_be_restored(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.begin(12))
    pond.patch(upload_id, 0, BODY[:5])

    assert refusal(pond.restore(upload_id), 404)


def test_storage_that_the_site_has_given_up(in_memory: Place, pond: FilePond, settings: Any, tmp_path: Path) -> None:
    whole, begun = said(pond.process()), said(pond.begin(12))
    settings.BASE_DIR = tmp_path
    settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = None
    settings.STORAGES = {alias: one for alias, one in settings.STORAGES.items() if alias != "archive"}

    assert refusal(pond.restore(whole), 404)
    assert refusal(pond.patch(begun, 0, BODY), 404)

    assert pond.revert(whole).status_code == pond.revert(begun).status_code == 200
    assert not TemporaryUpload.objects.exists()


@pytest.mark.parametrize("place", ["in_folder", "in_ceph", "in_azure"], indirect=True)
def test_request_that_was_overtaken_and_fails_at_last_takes_nothing_along(place: Place, pond: FilePond) -> None:
    """Its line was dead, and the client has sent the chunk once more."""
    body = random_bytes(12 * MIB)
    upload_id = said(pond.begin(12 * MIB))
    late = receiver_for(TemporaryUpload.objects.get(pk=upload_id))
    late.write(body[: 7 * MIB])

    for offset in (0, 10 * MIB):
        assert pond.patch(upload_id, offset, body[offset : offset + 10 * MIB]).status_code == 204
    late.discard()

    assert content_of(upload_id) == body
    assert not place.open_uploads()
    assert len([name for name in place.names() if name != upload_id]) == 1

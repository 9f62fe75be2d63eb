"""Files that come back: stored ones by ``load``, temporary ones by ``restore``, those of other sites by ``fetch``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from s3upload.filepond.api import delete_stored_upload, store_upload
from s3upload.filepond.models import TemporaryUpload
from tests.filepond.conftest import BODY, EVERYWHERE, FilePond, Place, body_of, content_of, random_bytes, refusal, said
from tests.filepond.remote import Remote, answer, redirect

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2


@pytest.fixture
def _stored(settings: Any, tmp_path: Path) -> None:
    """Stored uploads are in a folder."""
    settings.S3UPLOAD_FILEPOND_FILE_STORE_PATH = tmp_path / "stored"


@pytest.fixture
def remote(settings: Any) -> Iterator[Remote]:
    """A server of somebody else, which may be asked."""
    settings.S3UPLOAD_FILEPOND_FETCH = True
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.1"]
    with Remote() as remote:
        yield remote


def fetch(pond: FilePond, url: str, method: str = "get") -> Any:
    return getattr(pond.client, method)("/fp/fetch/", query_params={"target": url})


@EVERYWHERE
@pytest.mark.usefixtures("_stored")
def test_stored_file_is_loaded(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.process(name="Plan Bé.txt"))
    store_upload(upload_id, "plans/b.txt")

    for path in (
        f"/fp/load/{upload_id}",
        f"/fp/load/{upload_id}/",
        f"/fp/load/?id={upload_id}",
        f"/fp/?load={upload_id}",
    ):
        response = pond.client.get(path)
        assert body_of(response) == BODY
        assert response["Content-Type"] == "text/plain"
        assert response["Content-Length"] == str(len(BODY))
        assert response["Content-Disposition"].startswith("inline; filename*=UTF-8''Plan%20B%C3%A9.txt;")
    assert pond.client.head(f"/fp/load/{upload_id}")["Content-Length"] == str(len(BODY))


@pytest.mark.usefixtures("_stored")
def test_stored_file_is_of_who_made_it(in_folder: Place, pond: FilePond, other: FilePond) -> None:
    upload_id = said(pond.process())
    store_upload(upload_id, "a.txt")

    assert refusal(other.client.get(f"/fp/load/{upload_id}"), 404)
    assert refusal(pond.restore(upload_id), 404)
    assert refusal(pond.revert(upload_id), 404)
    assert body_of(pond.client.get(f"/fp/load/{upload_id}")) == BODY
    delete_stored_upload(upload_id, delete_file=True)
    assert refusal(pond.client.get(f"/fp/load/{upload_id}"), 404)


@pytest.mark.usefixtures("_stored")
@pytest.mark.parametrize("verb", ["restore", "load"])
def test_page_is_not_shown_as_one(place: Place, pond: FilePond, verb: str) -> None:
    upload_id = said(pond.process(b"<script>alert(1)</script>", name="a.html"))
    if verb == "load":
        store_upload(upload_id, "a.html")

    response = pond.client.get(f"/fp/{verb}/{upload_id}")

    assert response["Content-Disposition"].startswith("attachment;")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


@EVERYWHERE
def test_restored_file_comes_in_ranges(place: Place, pond: FilePond) -> None:
    body = random_bytes(6 * MIB)
    upload_id = said(pond.process(body))

    response = pond.client.get(f"/fp/restore/{upload_id}", headers={"Range": f"bytes={MIB}-{2 * MIB - 1}"})

    assert response.status_code == 206
    assert b"".join(response) == body[MIB : 2 * MIB]


def test_fetching_is_off_until_it_is_switched_on(
    in_folder: Place, pond: FilePond, remote: Remote, settings: Any
) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH = False
    remote.answers["/a.txt"] = answer(BODY)

    assert refusal(fetch(pond, f"{remote.address}/a.txt"), 403)

    assert remote.connections == 0
    assert in_folder.is_empty


def test_fetched_file_is_a_temporary_upload(place: Place, pond: FilePond, remote: Remote) -> None:
    body = random_bytes(6 * MIB)
    remote.answers["/a%20b.png?size=1"] = answer(body, "Content-Type: image/png")

    response = fetch(pond, f"{remote.address}/a%20b.png?size=1")

    assert body_of(response) == body
    upload = TemporaryUpload.objects.get(pk=response["X-Content-Transfer-Id"])
    assert (upload.upload_name, upload.content_type, upload.size) == ("a b.png", "image/png", len(body))
    assert content_of(upload.pk) == body
    assert body_of(pond.restore(upload.pk)) == body
    assert pond.revert(upload.pk).status_code == 200
    assert place.is_empty


def test_head_fetches_and_says_what(place: Place, pond: FilePond, remote: Remote) -> None:
    remote.answers["/a.txt"] = answer(BODY, "Content-Type: text/plain")

    response = fetch(pond, f"{remote.address}/a.txt", "head")

    assert response.status_code == 200
    assert response["Content-Length"] == str(len(BODY))
    assert 'filename="a.txt"' in response["Content-Disposition"]
    assert content_of(response["X-Content-Transfer-Id"]) == BODY


def test_address_in_the_path(in_folder: Place, pond: FilePond, remote: Remote) -> None:
    """As the client asks when it is told ``fetch: "./fetch/"``."""
    remote.answers["/a.txt?b=1"] = answer(BODY)
    quoted = quote(f"{remote.address}/a.txt?b=1", safe="")

    assert body_of(pond.client.get(f"/fp/fetch/{quoted}")) == BODY
    assert body_of(pond.client.get(f"/fp/?fetch={quoted}")) == BODY


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "ftp://example.com/a", "data:,a", "http://", "//example.com/", "http://a:b@example.com/",
     "http://169.254.169.254/latest/meta-data/", "http://[::ffff:10.0.0.1]/", "http://0/", "http://10.1.2.3/",
     "http://localhost:1/", "http://x\ny", "http://" + "a" * 9000],
)  # fmt: skip
def test_address_that_is_not_fetched(in_folder: Place, pond: FilePond, settings: Any, url: str) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH = True

    assert refusal(fetch(pond, url))

    assert in_folder.is_empty
    assert not TemporaryUpload.objects.exists()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        pytest.param(answer(b"", status="404 Not Found"), 400, id="404"),
        pytest.param(redirect("http://10.0.0.1/"), 400, id="redirect"),
        pytest.param(redirect("file:///etc/passwd"), 400, id="file"),
        pytest.param(answer(BODY, length=100), 400, id="short"),
        pytest.param(answer(b"x" * (7 * MIB), length=""), 413, id="long"),
        pytest.param(answer(BODY, length=10**15), 413, id="announced"),
    ],
)
def test_fetch_that_fails_leaves_nothing(
    place: Place, pond: FilePond, remote: Remote, settings: Any, reply: bytes, status: int
) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_MAX_SIZE = 6 * MIB
    remote.answers["/a.txt"] = reply

    assert refusal(fetch(pond, f"{remote.address}/a.txt"), status)

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


def test_limit_of_the_site_holds_for_what_is_fetched(
    place: Place, pond: FilePond, remote: Remote, settings: Any
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 5
    remote.answers["/a.txt"] = answer(BODY)

    assert refusal(fetch(pond, f"{remote.address}/a.txt"), 413)

    assert place.is_empty

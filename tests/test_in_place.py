"""Promotion in place: an upload is saved by taking its mark away, and the row and the object agree, come what may."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from s3upload.backends import backend_named
from s3upload.exceptions import StoreUnavailable, UploadGone
from s3upload.files import DirectUploadedFile
from s3upload.policy import ChosenFile
from s3upload.presign import presign
from s3upload.storage import S3UploadStorage
from s3upload.tokens import Token
from tests.conftest import S3Store
from tests.pages import a_policy, use_unreachable_s3
from tests.test_files import document_form, image_form, noise, request_uploads
from tests.test_storage import (
    Rejected,
    Site,
    answer_with_500,
    fail_in_the_database,
    look_at_it_alone,
    open_multipart_uploads,
    raise_after_saving,
    raise_in_atomic,
    roll_back_and_answer,
    roll_back_the_inner_of_two,
    roll_back_the_outer_of_two,
    save_document,
    save_in_atomic,
    save_in_nested_atomic,
    set_rollback,
    with_options,
)
from tests.test_views import refused
from tests.testapp import models
from tests.wire import Browser, put_part, send

MIB = 1024 * 1024
PART = 5 * MIB
FORM = "/forms/document/"

# test_storage's views compare with this one.
BODY = b"\x00 some bytes \xff" * 100

PENDING = {"s3upload": "pending"}

NOTES = "tmp/s3upload/in-place/"


@pytest.fixture(params=["ceph", "localstack", "localstack-tagging"])
def store(request: pytest.FixtureRequest, settings: Any, make_bucket: Callable[[str], S3Store]) -> S3Store:
    """STORAGES["default"] is a bucket where uploads stay."""
    # The last one gives an object the tags of its upload, as AWS does, and is known to.
    name, _dash, tags_uploads = request.param.partition("-")
    store = make_bucket(name)
    with_options(settings, store, promote="in-place", provider={"tags_uploads": bool(tags_uploads)})
    return store


@pytest.fixture
def anybody(settings: Any) -> None:
    """A site without sessions and CSRF protection: nobody owns an upload."""
    settings.MIDDLEWARE = ["s3upload.middleware.S3UploadMiddleware"]


def and_options(settings: Any, **options: Any) -> None:
    """Give STORAGES["default"] further options."""
    default = settings.STORAGES["default"]
    default = {**default, "OPTIONS": {**default["OPTIONS"], **options}}
    settings.STORAGES = {**settings.STORAGES, "default": default}


def sent(body: bytes = BODY, name: str = "report.txt", type_: str = "text/plain", storage: str = "default") -> Token:
    """Send a file to the store as a browser does; return its token."""
    (upload,) = presign(a_policy(storage=storage), [ChosenFile(name, len(body), type_)], "")
    token, _expired = Token.unsign(upload["token"])
    backend = backend_named(storage)
    for number in range(1, token.part_count + 1):
        part = body[(number - 1) * token.part_size : number * token.part_size]
        assert put_part(backend.presign_part(token, number), part).is_success
    backend.complete(token, backend.list_parts(token))
    return token


def uploaded(body: bytes = BODY, *args: Any) -> DirectUploadedFile:
    """Return what a request that posts the token of a file has in its FILES."""
    token = sent(body, *args)
    return request_uploads().add(token, token.sign())


def tags(store: S3Store, key: str) -> dict[str, str]:
    found = store.client.get_object_tagging(Bucket=store.bucket, Key=key).get("TagSet", [])
    return {tag["Key"]: tag["Value"] for tag in found}


def is_public(store: S3Store, key: str) -> bool:
    grants = store.client.get_object_acl(Bucket=store.bucket, Key=key)["Grants"]
    return any(grant["Grantee"].get("URI", "").endswith("/AllUsers") for grant in grants)


def files(store: S3Store) -> list[str]:
    """Return the keys of all objects but the records and claims."""
    keys = store.keys()
    return [key for key in keys if NOTES not in key]


def notes(store: S3Store, token: Token) -> list[str]:
    """Return what stands beside an upload: its record, the claim on it."""
    uuid = token.key.split("/")[-2]
    names = {uuid: "record", f"{uuid}.claimed": "claim"}
    keys = store.keys()
    return [names[key.rpartition("/")[2]] for key in keys if NOTES in key and uuid in key]


def of_stored() -> dict[str, str]:
    """The mark of what is saved: none, where no mark means that."""
    backend: Any = backend_named("default")
    return {} if backend.provider.tags_uploads else {"s3upload": "stored"}


def only_document() -> models.Document:
    return models.Document.objects.get()


# --- the upload ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 1000, PART + 1])
def test_file_of_any_size_is_sent_in_parts_to_where_it_stays(store: S3Store, size: int) -> None:
    token = sent(bytes(size), "A report – 2026.txt")
    assert token.in_place
    assert token.part_size >= PART
    folder, name = token.key.split("/", 1)[0], token.key.rsplit("/", 1)[1]
    assert (folder, name) == ("uploads", "A_report__2026.txt")
    assert files(store) == [token.key]
    assert tags(store, token.key) == PENDING
    head = store.head(token.key)
    assert (head["ContentLength"], head["ContentType"]) == (size, "text/plain")


def test_nothing_can_be_changed_once_the_upload_is_complete(store: S3Store) -> None:
    (upload,) = presign(a_policy(), [ChosenFile("a.txt", 5, "")], "")
    token, _expired = Token.unsign(upload["token"])
    backend = backend_named("default")
    part = backend.presign_part(token, 1)
    assert put_part(part, b"12345").is_success
    backend.complete(token, backend.list_parts(token))
    assert put_part(part, b"54321").is_refusal
    assert store.get(token.key) == b"12345"


@pytest.mark.django_db(transaction=True)
def test_empty_file_is_sent_in_one_request_and_copied(store: S3Store) -> None:
    browser = Browser()
    page = browser.get(FORM)
    policy = page.file_input("file")["data-s3upload-policy"] or ""
    [upload] = browser.presign(policy, [{"name": "a.txt", "size": 0, "type": ""}])
    assert upload["method"] == "POST"
    assert browser.send(upload, b"") < 300
    # The store's rule for pending objects finds it by its key.
    [pending] = files(store)
    assert pending.startswith("tmp/s3upload/")
    # Django's own form wants no empty file; the storage has nothing against one.
    token, _expired = Token.unsign(upload["token"])
    assert not token.in_place
    uploads = request_uploads()
    uploads._identities = lambda: frozenset({token.owner})
    default_storage.save("empty.txt", uploads.add(token, upload["token"]))
    uploads.finish(delete=True)
    assert files(store) == ["empty.txt"]
    assert tags(store, "empty.txt") == {}


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("x" * 200 + ".tar.gz", "x" * 66 + ".gz"),
        ("x" * 200, "x" * 69),
        ("日本" * 60 + ".jpeg", "日本" * 32 + ".jpeg"),
        ("a." + "e" * 50, "a." + "e" * 15),
        (".profile", ".profile"),
        ("a b/c\\d.txt", "d.txt"),
        ("a.", "a."),
    ],
)
def test_key_fits_into_the_field_of_a_model(settings: Any, name: str, stored: str) -> None:
    use_unreachable_s3(settings, promote="in-place")
    field = models.Document._meta.get_field("file")
    key = backend_named("default").new_key(name.rpartition("\\")[2], in_place=True)
    prefix, folder, rest = key.split("/")
    assert (prefix, len(folder), rest) == ("uploads", 22, stored)
    assert len(key) <= field.max_length == 100


def test_key_is_never_a_folder(settings: Any) -> None:
    use_unreachable_s3(settings, promote="in-place", stored_prefix="/a prefix/" + "x" * 120 + "/")
    key = backend_named("default").new_key("report", in_place=True)
    assert key.startswith("a prefix/xxx")
    assert not key.endswith("/")


def test_prefix_and_location_are_the_storages(store: S3Store, settings: Any) -> None:
    and_options(settings, location="some/where", stored_prefix="/kept/files/")
    upload = uploaded()
    key = upload.token.key
    assert key.startswith("kept/files/")
    assert files(store) == [f"some/where/{key}"]
    assert default_storage.save("a.txt", upload) == key
    assert tags(store, f"some/where/{key}") == of_stored()
    with default_storage.open(key) as file:
        assert file.read() == BODY


# --- saving -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_saving_makes_no_copy(store: S3Store, call_count: Any) -> None:
    browser = Browser()
    body = random.Random(1).randbytes(PART + 1)
    token = browser.upload(FORM, "file", "report.txt", body)
    call_count.clear()
    page = browser.submit(FORM, {"title": "t", "file-s3upload": token})
    key = Token.unsign(token)[0].key
    assert page.result["saved"] == [only_document().file.name] == [key] == files(store)
    assert tags(store, key) == of_stored()
    assert store.get(key) == body
    to_mark = "DeleteObjectTagging" if of_stored() == {} else "PutObjectTagging"
    assert call_count == {"HeadObject": 1, "GetObjectTagging": 1, "PutObject": 1, to_mark: 1, "DeleteObjects": 1}


@pytest.mark.django_db(transaction=True)
def test_object_parameters_of_the_storage_are_on_it(store: S3Store, settings: Any) -> None:
    parameters = {
        "CacheControl": "max-age=86400",
        "ContentDisposition": "attachment",
        "Metadata": {"colour": "green"},
    }
    tagging = {"Tagging": "by=the+site&empty="}
    and_options(settings, default_acl="public-read", object_parameters={**parameters, **tagging})
    upload = uploaded()
    # Nobody has validated what is pending: it is marked, has no other tags, and is for nobody to see.
    assert tags(store, upload.token.key) == PENDING
    assert not is_public(store, upload.token.key)
    name = default_storage.save("a.txt", upload)
    head = store.head(name)
    assert {name: head[name] for name in parameters} == parameters
    assert head["ContentType"] == "text/plain"
    assert tags(store, name) == {"by": "the site", "empty": "", **of_stored()}
    assert is_public(store, name)


def test_type_that_the_storage_gives_to_all_files(store: S3Store, settings: Any) -> None:
    and_options(settings, object_parameters={"ContentType": "text/x-site"})
    upload = uploaded()
    assert default_storage.save("a.txt", upload) == upload.token.key
    assert store.head(upload.token.key)["ContentType"] == "text/x-site"


def test_image_of_another_type_than_the_browser_said_is_copied_with_its_own(store: S3Store) -> None:
    """As everywhere else: a form's ImageField finds out what the file is."""
    upload = uploaded(noise("PNG", (9, 9)), "photo.png", "application/pdf")
    form = image_form(upload)
    assert form.is_valid(), form.errors
    name = default_storage.save("photo.png", form.cleaned_data["image"])
    assert name == "photo.png"
    assert store.head(name)["ContentType"] == "image/png"
    assert "s3upload" not in tags(store, name)


def test_page_under_the_name_of_an_image_is_copied_as_a_file_of_no_type(store: S3Store) -> None:
    name = default_storage.save("photo.png", uploaded(b"<script>alert(1)</script>", "photo.png", "image/png"))
    assert name == "photo.png"
    assert store.head(name)["ContentType"] == "application/octet-stream"


@pytest.mark.parametrize("overwrite", [True, False])
def test_file_overwrite_option_makes_no_difference(store: S3Store, settings: Any, overwrite: bool) -> None:
    and_options(settings, file_overwrite=overwrite)
    one, two = uploaded(b"one"), uploaded(b"two")
    names = [default_storage.save("a.txt", upload) for upload in (one, two)]
    assert names == [one.token.key, two.token.key]
    assert [store.get(name) for name in names] == [b"one", b"two"]


def test_gzip_option_does_not_compress_what_stays(store: S3Store, settings: Any) -> None:
    and_options(settings, gzip=True, gzip_content_types=["text/plain"])
    upload = uploaded()
    name = default_storage.save("a.txt", upload)
    assert name == upload.token.key
    assert "ContentEncoding" not in store.head(name)
    assert store.get(name) == BODY


def test_name_of_a_compressed_file_sets_its_encoding(store: S3Store) -> None:
    upload = uploaded(BODY, "a.csv.gz", "text/csv")
    assert store.head(default_storage.save("a", upload)).get("ContentEncoding") == "gzip"


# --- saved elsewhere ----------------------------------------------------------------------------


def is_plain(store: S3Store, key: str) -> bool:
    """Return whether the store's rule for marked objects leaves one alone."""
    return "s3upload" not in tags(store, key)


def test_name_that_does_not_fit_into_the_field_is_copied(store: S3Store) -> None:
    uploads = request_uploads()
    token = sent()
    upload = uploads.add(token, token.sign())
    assert default_storage.save("a.txt", upload, max_length=len(token.key) - 1) == "a.txt"
    assert store.get("a.txt") == BODY
    assert is_plain(store, "a.txt")
    uploads.finish(delete=True)
    # Another form may save it where it is; if none does, the rule has it.
    assert tags(store, token.key) == PENDING


def test_name_that_just_fits_stays(store: S3Store) -> None:
    upload = uploaded()
    key = upload.token.key
    assert default_storage.save("a.txt", upload, max_length=len(key)) == key


@pytest.mark.parametrize("elsewhere", ["bucket", "location"])
def test_other_storage_copies(store: S3Store, elsewhere: str, make_bucket: Any, call_count: Any) -> None:
    target = make_bucket(store.name) if elsewhere == "bucket" else store
    location = {"location": "other/"} if elsewhere == "location" else {}
    storage = S3UploadStorage(**target.options, **location, promote="in-place")
    uploads = request_uploads()
    token = sent()
    call_count.clear()
    assert storage.save("a.txt", uploads.add(token, token.sign())) == "a.txt"
    assert call_count == {"HeadObject": 1, "GetObjectTagging": 1, "CopyObject": 1}
    full_name = location.get("location", "") + "a.txt"
    assert target.get(full_name) == BODY
    assert is_plain(target, full_name)
    uploads.finish(delete=True)
    assert tags(store, token.key) == PENDING


def test_storage_of_the_same_place_with_other_parameters_copies(store: S3Store) -> None:
    storage = S3UploadStorage(**store.options, object_parameters={"CacheControl": "no-cache"})
    upload = uploaded()
    assert storage.save("a.txt", upload) == "a.txt"
    assert store.head("a.txt")["CacheControl"] == "no-cache"
    assert is_plain(store, "a.txt")


def test_folder_gets_the_bytes(store: S3Store, tmp_path: Any) -> None:
    upload = uploaded()
    FileSystemStorage(tmp_path).save("a.txt", upload)
    assert (tmp_path / "a.txt").read_bytes() == BODY
    assert tags(store, upload.token.key) == PENDING


# --- the row and the object agree ---------------------------------------------------------------

SEVERAL = pytest.mark.django_db(transaction=True)


@SEVERAL
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize(
    ("view", "status"),
    [
        (save_document, 200),
        (save_in_atomic, 200),
        (save_in_nested_atomic, 200),
        # The row is there, whatever became of the answer.
        (raise_after_saving, 500),
        (answer_with_500, 500),
    ],
)
def test_mark_is_gone_once_it_is_committed(store: S3Store, view: Any, status: int) -> None:
    token = sent()
    assert Site(view).post(token.sign()).status_code == status
    assert only_document().file.name == token.key
    assert files(store) == [token.key]
    assert tags(store, token.key) == of_stored()


@SEVERAL
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize(
    ("view", "status"),
    [
        (raise_in_atomic, 500),
        (roll_back_and_answer, 200),
        (roll_back_the_inner_of_two, 200),
        (roll_back_the_outer_of_two, 500),
        (set_rollback, 200),
        (fail_in_the_database, 500),
        (look_at_it_alone, 200),
    ],
)
def test_what_is_not_committed_stays_as_everywhere_in_django(store: S3Store, view: Any, status: int) -> None:
    """To mark it again could lose what another form has saved meanwhile."""
    token = sent()
    assert Site(view).post(token.sign()).status_code == status
    assert not models.Document.objects.exists()
    assert store.get(token.key) == BODY
    was_saved = view is not look_at_it_alone
    assert tags(store, token.key) == (of_stored() if was_saved else PENDING)


@SEVERAL
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize("rolled_back", [False, True])
def test_transaction_that_ends_after_the_request(store: S3Store, rolled_back: bool) -> None:
    token = sent()
    with transaction.atomic():
        assert Site(save_document).post(token.sign()).status_code == 200
        transaction.set_rollback(rolled_back)
    assert models.Document.objects.exists() != rolled_back
    assert store.get(token.key) == BODY
    assert tags(store, token.key) == of_stored()


@SEVERAL
@pytest.mark.usefixtures("anybody")
def test_saved_after_the_answer(store: S3Store) -> None:
    later: list[DirectUploadedFile] = []
    token = sent()
    Site(lambda request, upload: later.append(upload)).post(token.sign())
    assert tags(store, token.key) == PENDING
    save_document(HttpRequest(), later[0])
    assert only_document().file.name == token.key
    assert tags(store, token.key) == of_stored()


def save_twice(request: HttpRequest, upload: DirectUploadedFile) -> None:
    for _ in range(2):
        with transaction.atomic():
            save_document(request, upload)


def save_a_copied_form_too(request: HttpRequest, upload: DirectUploadedFile) -> None:
    form = document_form(upload)
    copied = copy.deepcopy(form)
    for one in (copied, form):
        assert one.is_valid(), one.errors
        one.save()


@SEVERAL
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize("view", [save_twice, save_a_copied_form_too])
def test_saved_again_in_one_request_is_a_copy(store: S3Store, view: Any) -> None:
    token = sent()
    assert Site(view).post(token.sign()).status_code == 200
    first, second = models.Document.objects.order_by("pk")
    assert first.file.name == token.key
    assert second.file.name == "documents/report.txt"
    assert sorted(files(store)) == sorted([first.file.name, second.file.name])
    assert [store.get(one.file.name) for one in (first, second)] == [BODY, BODY]
    assert tags(store, first.file.name) == of_stored()
    assert tags(store, second.file.name) in ({}, of_stored())


def save_again_after_a_rollback(request: HttpRequest, upload: DirectUploadedFile) -> None:
    roll_back_and_answer(request, upload)
    save_document(request, upload)


def roll_back_after_a_save(request: HttpRequest, upload: DirectUploadedFile) -> None:
    save_document(request, upload)
    with transaction.atomic():
        save_document(request, upload)
        transaction.set_rollback(True)


@SEVERAL
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize("view", [save_again_after_a_rollback, roll_back_after_a_save])
def test_one_of_two_saves_is_rolled_back(store: S3Store, view: Any) -> None:
    token = sent()
    assert Site(view).post(token.sign()).status_code == 200
    name = only_document().file.name
    assert store.get(name) == BODY
    assert tags(store, name) in ({}, of_stored())
    # The others have no row, as ever.
    others = [key for key in store.keys("uploads/") if key != name]
    assert [tags(store, key) for key in others] == [of_stored()] * len(others)


@SEVERAL
def test_token_of_a_file_that_was_saved_is_refused_by_the_next_form(store: S3Store) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", BODY)
    browser.submit(FORM, {"title": "t", "file-s3upload": token})
    answer = browser.post(FORM, {"title": "again", "file-s3upload": token})
    assert b"no longer there" in answer.content
    assert b'name="file-s3upload"' not in answer.content
    key = only_document().file.name
    assert store.get(key) == BODY
    assert tags(store, key) == of_stored()


@SEVERAL
def test_form_with_an_error_keeps_the_upload(store: S3Store) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", BODY)
    [kept] = browser.submit(FORM, {"title": "", "file-s3upload": token}).kept("file")
    assert tags(store, Token.unsign(token)[0].key) == PENDING
    page = browser.submit(FORM, {"title": "t", "file-s3upload": kept["value"]})
    assert page.result["saved"] == files(store)


@SEVERAL
@pytest.mark.usefixtures("anybody")
def test_object_that_goes_after_validation_is_not_saved(store: S3Store) -> None:
    def save_late(request: HttpRequest, upload: DirectUploadedFile) -> HttpResponse:
        form = document_form(upload)
        assert form.is_valid(), form.errors
        backend_named("default").delete([upload.token.key])
        try:
            form.save()
        except Exception as error:
            raise Rejected from error
        return HttpResponse()

    assert Site(save_late).post(sent().sign()).status_code == 500
    assert not models.Document.objects.exists()
    assert files(store) == []


# --- complete and abort, before and after -------------------------------------------------------


@SEVERAL
@pytest.mark.parametrize("size", [len(BODY), 5])
def test_file_that_the_site_has_written_anew_is_not_pending(store: S3Store, size: int) -> None:
    """Its tags are gone then."""
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", BODY)
    browser.submit(FORM, {"title": "t", "file-s3upload": token})
    name = only_document().file.name
    store.put(name, bytes(size))
    assert browser.call("complete/", {"token": token, "parts": [{"number": 1, "etag": ""}]}).status_code == 400
    browser.abort(token)
    assert store.get(name) == bytes(size)
    assert tags(store, name) == {}


@SEVERAL
def test_abort_of_what_was_saved_touches_nothing(store: S3Store) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", BODY)
    browser.submit(FORM, {"title": "t", "file-s3upload": token})
    browser.abort(token)
    assert store.get(only_document().file.name) == BODY


@pytest.mark.parametrize("when", ["begun", "sent", "completed"])
def test_abort_of_what_is_pending_leaves_nothing(store: S3Store, when: str) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "report.txt", len(BODY))
    if when != "begun":
        parts = browser.send_parts(upload, BODY)
        if when == "completed":
            browser.complete(upload["token"], parts)
    for _ in range(2):
        browser.abort(upload["token"])
        assert files(store) == []
        assert open_multipart_uploads(store) == []


@SEVERAL
def test_upload_that_was_saved_is_gone_to_its_token(store: S3Store) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "report.txt", len(BODY))
    token, parts = upload["token"], browser.send_parts(upload, BODY)
    browser.complete(token, parts)
    assert [part["size"] for part in browser.list_parts(token)] == [len(BODY)]
    browser.complete(token, parts)
    browser.submit(FORM, {"title": "t", "file-s3upload": token})
    refused(browser.call("list/", {"token": token}), 400)
    refused(browser.call("complete/", {"token": token, "parts": parts}), 400)
    assert tags(store, only_document().file.name) == of_stored()


@SEVERAL
@pytest.mark.usefixtures("anybody")
def test_late_answer_of_the_store_does_not_mark_what_was_saved_meanwhile(store: S3Store) -> None:
    """
    One request completes, another one is still about to: the store may well say yes to both.

    A mark on a saved file would have the store's lifecycle delete it.
    """
    (upload,) = presign(a_policy(), [ChosenFile("a.txt", len(BODY), "")], "")
    token, _expired = Token.unsign(upload["token"])
    backend: Any = backend_named("default")
    assert put_part(backend.presign_part(token, 1), BODY).is_success
    parts = backend.list_parts(token)

    def overtake(**_: Any) -> None:
        backend.copier.meta.events.unregister("before-call.s3.CompleteMultipartUpload", overtake)
        backend.complete(token, parts)
        assert Site(save_document).post(upload["token"]).status_code == 200

    backend.copier.meta.events.register("before-call.s3.CompleteMultipartUpload", overtake)
    with suppress(UploadGone):
        backend.complete(token, parts)
    assert only_document().file.name == token.key
    assert tags(store, token.key) == of_stored()


@SEVERAL
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize("tagging", [{}, {"object_parameters": {"Tagging": "by=site"}}])
@pytest.mark.parametrize("store", ["ceph"], indirect=True)
def test_late_mark_does_not_stay_on_what_was_saved_meanwhile(
    store: S3Store, settings: Any, tagging: dict[str, Any]
) -> None:
    """One request has found no mark, and is slow to set it; another one sets it, and the form is sent."""
    and_options(settings, **tagging)
    (upload,) = presign(a_policy(), [ChosenFile("a.txt", len(BODY), "")], "")
    token, _expired = Token.unsign(upload["token"])
    backend: Any = backend_named("default")
    assert put_part(backend.presign_part(token, 1), BODY).is_success
    marked: list[dict[str, str]] = []

    def overtake(**_: Any) -> None:
        backend.client.meta.events.unregister("before-call.s3.PutObjectTagging", overtake)
        backend.mark_new(token)
        marked.append(tags(store, token.key))
        assert Site(save_document).post(upload["token"]).status_code == 200

    backend.client.meta.events.register("before-call.s3.PutObjectTagging", overtake)
    backend.complete(token, backend.list_parts(token))

    assert marked == [PENDING]
    assert only_document().file.name == token.key
    assert tags(store, token.key) == {**of_stored(), **({"by": "site"} if tagging else {})}


def test_mark_that_was_not_set_is_set_when_completed_again(store: S3Store) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "report.txt", len(BODY))
    token, parts = upload["token"], browser.send_parts(upload, BODY)
    key = Token.unsign(token)[0].key
    backend: Any = backend_named("default")

    def elsewhere(params: Any, **_: Any) -> Any:
        return {**params, "Bucket": "no-such-bucket"}

    backend.client.meta.events.register("provide-client-params.s3.PutObjectTagging", elsewhere)
    answer = browser.call("complete/", {"token": token, "parts": parts})
    # LocalStack marks by itself, whatever it is taken for.
    if store.name == "ceph":
        refused(answer, 503)
        assert tags(store, key) == {}
    backend.client.meta.events.unregister("provide-client-params.s3.PutObjectTagging", elsewhere)
    browser.complete(token, parts)
    assert tags(store, key) == PENDING


def test_answer_that_is_lost_is_made_good_when_completed_again(store: S3Store) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "report.txt", len(BODY))
    token, parts = upload["token"], browser.send_parts(upload, BODY)
    backend: Any = backend_named("default")

    def lost(**_: Any) -> None:
        raise StoreUnavailable("lost")

    backend.copier.meta.events.register("after-call.s3.CompleteMultipartUpload", lost)
    refused(browser.call("complete/", {"token": token, "parts": parts}), 503)
    backend.copier.meta.events.unregister("after-call.s3.CompleteMultipartUpload", lost)
    browser.complete(token, parts)
    assert tags(store, Token.unsign(token)[0].key) == PENDING


def test_upload_whose_mark_is_missing_can_be_aborted(store: S3Store) -> None:
    token = sent()
    store.client.delete_object_tagging(Bucket=store.bucket, Key=token.key)
    backend_named("default").abort(token)
    # Where the store marks by itself, no mark means that it was saved.
    assert files(store) == ([token.key] if of_stored() == {} else [])


def test_option_may_be_given_and_taken_away_while_uploads_are_pending(settings: Any, make_bucket: Any) -> None:
    store = make_bucket("localstack")
    with_options(settings, store, provider={"tags_uploads": True})
    (upload,) = presign(a_policy(), [ChosenFile("a.txt", 5, "")], "")
    assert send(upload, b"12345") < 300
    before, _expired = Token.unsign(upload["token"])
    and_options(settings, promote="in-place")
    assert default_storage.save("a.txt", request_uploads().add(before, upload["token"])) == "a.txt"
    after = uploaded()
    and_options(settings, promote="copy")
    assert default_storage.save("b.txt", after) == after.token.key
    assert tags(store, "a.txt") == tags(store, after.token.key) == {}


# --- two forms at the same time -----------------------------------------------------------------


@pytest.mark.parametrize("rolls_back", [True, False])
@pytest.mark.django_db(transaction=True)
def test_upload_that_two_forms_have_found_valid_is_saved_by_one(store: S3Store, rolls_back: bool) -> None:
    first = uploaded()
    uploads = request_uploads()
    second = uploads.add(first.token, first.token.sign())
    assert (first.size, second.size) == (len(BODY), len(BODY))
    name = default_storage.save("a.txt", first)
    with pytest.raises(UploadGone), transaction.atomic() if rolls_back else nullcontext():
        default_storage.save("b.txt", second)
    uploads.finish(delete=True)
    assert files(store) == [name]
    assert tags(store, name) == of_stored(), "the rule would have it"

"""One claim, one winner: of the requests that deal with an upload in place at the same moment, one alone does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.core import signing
from django.core.files.storage import default_storage
from django.db import connections

from s3upload.backends import backend_named
from s3upload.backends.s3 import S3Backend, listing
from s3upload.claims import CLAIM_SALT, RECORD_SALT, REMOVE, SAVE, Claim, sign_record, unsign_record
from s3upload.cleanup import clean_up
from s3upload.exceptions import Forged, StoreUnavailable, UploadGone
from s3upload.policy import ChosenFile
from s3upload.presign import presign
from s3upload.tokens import Token
from tests.conftest import S3Store
from tests.pages import a_policy, a_token
from tests.proxy import Answer, Fault, Proxy, Request, Truncate
from tests.test_cleanup import LISTS, let_pass, use_other_user
from tests.test_files import request_uploads
from tests.test_in_place import BODY, FORM, PENDING, files, notes, of_stored, sent, tags, uploaded
from tests.test_storage import open_multipart_uploads, with_options
from tests.test_views import refused
from tests.testapp import models
from tests.wire import Browser

ROUNDS = 50


@pytest.fixture(params=["ceph", "localstack-tagging"])
def store(request: pytest.FixtureRequest, settings: Any, make_bucket: Callable[[str], S3Store]) -> S3Store:
    """STORAGES["default"] is a bucket where uploads stay."""
    name, _dash, tags_uploads = request.param.partition("-")
    store = make_bucket(name)
    with_options(settings, store, promote="in-place", provider={"tags_uploads": bool(tags_uploads)})
    return store


# The clean-up asks apps with records what they want to keep.
pytestmark = pytest.mark.django_db(transaction=True)

CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)


def backend() -> Any:
    return backend_named("default")


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same moment; return what they return, or the class of what they raise."""
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            together.wait(60)
            return call()
        except UploadGone as error:
            return type(error)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def many(count: int) -> list[Token]:
    """Send files to the store, several at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: sent(), range(count)))


def validated(token: Token) -> Any:
    """Return the upload of a form that has found it valid."""
    upload = request_uploads().add(token, token.sign())
    assert upload.size == len(BODY)
    return upload


# --- what is written ------------------------------------------------------------------------------


def test_record_is_the_token_and_can_not_be_posted_as_one() -> None:
    token = a_token(key="uploads/x/a.txt", upload_id="u", part_size=5, in_place=True)
    record = sign_record(token)
    assert unsign_record(record) == token
    with pytest.raises(Forged):
        Token.unsign(record)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        a_token().sign(),
        signing.dumps(["uploads/x/a", SAVE, "n"], salt=RECORD_SALT),
        signing.dumps(["too", "many", "things", "here"], salt=CLAIM_SALT),
        signing.dumps(5, salt=CLAIM_SALT),
        Claim("uploads/x/a", SAVE).sign()[:-1],
    ],
)
def test_what_this_site_has_not_signed_is_no_claim(text: str) -> None:
    with pytest.raises(Forged):
        Claim.unsign(text)


@pytest.mark.parametrize(
    ("mine", "held", "may"),
    [
        (Claim("a", SAVE, "1"), Claim("a", SAVE, "1"), True),
        (Claim("a", SAVE, "1"), Claim("a", SAVE, "2"), False),
        (Claim("a", SAVE, "1"), Claim("a", REMOVE, "2"), False),
        (Claim("a", REMOVE, "1"), Claim("a", SAVE, "2"), False),
        (Claim("a", REMOVE, "1"), Claim("a", REMOVE, "2"), True),
        (Claim("a", REMOVE, "1"), Claim("b", REMOVE, "2"), False),
    ],
)
def test_claim_meets_another(mine: Claim, held: Claim, may: bool) -> None:
    assert mine.is_met_by(held) is may


def test_claim_is_read_as_it_was_written() -> None:
    claim = Claim("uploads/x/a.txt", SAVE)
    assert Claim.unsign(claim.sign()) == claim
    assert Claim("a", SAVE) != Claim("a", SAVE)


# --- notes in the store ---------------------------------------------------------------------------


def test_record_is_there_from_the_beginning_and_goes_when_saved(store: S3Store) -> None:
    (upload,) = presign(a_policy(), [ChosenFile("a.txt", 5, "")], "")
    begun, _expired = Token.unsign(upload["token"])
    assert notes(store, begun) == ["record"]
    assert backend().read_record(backend().record_of(begun)) == begun
    assert begun.upload_id

    token = sent()
    uploads = request_uploads()
    default_storage.save("a.txt", uploads.add(token, token.sign()))
    assert notes(store, token) == ["record", "claim"]
    uploads.finish(delete=True)
    # The claim outlives the token: nobody else shall get one.
    assert notes(store, token) == ["claim"]


def test_record_stays_when_the_request_failed(store: S3Store) -> None:
    token = sent()
    uploads = request_uploads()
    default_storage.save("a.txt", uploads.add(token, token.sign()))
    uploads.finish(delete=False)
    assert notes(store, token) == ["record", "claim"]


def test_notes_are_encrypted_as_the_storage_says(store: S3Store, settings: Any) -> None:
    if store.name == "ceph":
        # It has no keys to encrypt with.
        with_options(settings, store, promote="in-place", object_parameters={"ServerSideEncryption": "AES256"})
        (said,) = [backend().encryption("a")]
        assert said == {"ServerSideEncryption": "AES256"}
        return
    with_options(
        settings,
        store,
        promote="in-place",
        provider={"tags_uploads": True},
        object_parameters={"ServerSideEncryption": "AES256", "CacheControl": "no-cache"},
    )
    token = sent()
    head = store.head(backend().record_of(token))
    assert head["ServerSideEncryption"] == "AES256"
    assert "CacheControl" not in head


def test_upload_without_a_record_is_not_begun(store: S3Store) -> None:
    def elsewhere(params: Any, **_: Any) -> Any:
        return {**params, "Bucket": "no-such-bucket"}

    backend().client.meta.events.register("provide-client-params.s3.PutObject", elsewhere)
    with pytest.raises(StoreUnavailable):
        presign(a_policy(), [ChosenFile("a.txt", 5, "")], "")
    assert open_multipart_uploads(store) == []
    assert store.keys() == []


@pytest.mark.parametrize("text", ["", "x", "a record", "other", "token", "😀" * 9000])
def test_record_is_not_trusted_without_its_signature(store: S3Store, text: str) -> None:
    token, other = sent(), sent(b"other")
    signed = {"other": sign_record(other), "token": token.sign(), "a record": sign_record(a_token())}.get(text, text)
    key = backend().record_of(token)
    store.put(key, signed.encode())
    with pytest.raises(Forged):
        backend().read_record(key)
    let_pass(1000)

    (summary,) = [one for one in clean_up() if one.storage == "default"]

    assert (summary.objects, summary.foreign) == (1, 1)
    assert files(store) == [token.key]
    assert notes(store, token) == ["record"]


# --- one winner -----------------------------------------------------------------------------------


@pytest.mark.parametrize("purposes", [[SAVE] * 16, [SAVE, REMOVE] * 8])
def test_one_of_many_gets_the_claim(store: S3Store, purposes: list[str]) -> None:
    for number in range(8):
        token = a_token(key=f"uploads/round-{number}/a.txt", in_place=True)
        answers = at_once(*(partial(backend().claim, token, purpose) for purpose in purposes))
        got = Counter(purpose for purpose, answer in zip(purposes, answers, strict=True) if answer)
        assert got == {SAVE: 1} or (got.keys() == {REMOVE} and got[REMOVE] == purposes.count(REMOVE))


def save(upload: Any) -> str:
    name = models.Document.objects.create(title="t", file=upload).file.name
    assert name is not None
    return str(name)


def side_by_side(*calls: list[Callable[[], Any]]) -> list[list[Any]]:
    """Make the first of each list at the same moment, then the second of each, and so on."""
    together = threading.Barrier(len(calls))

    def run(one: list[Callable[[], Any]]) -> list[Any]:
        answers: list[Any] = []
        for call in one:
            together.wait(60)
            try:
                answers.append(call())
            except UploadGone:
                answers.append(None)
        connections.close_all()
        return answers

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def rows_and_objects_agree(store: S3Store, saved: list[str]) -> None:
    """Exactly what was saved has a row each, and its object, which is marked as stored."""
    assert sorted(models.Document.objects.values_list("file", flat=True)) == sorted(saved)
    assert sorted(files(store)) == sorted(saved)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda key: tags(store, key), saved)) == [of_stored()] * len(saved)


@CEPH
@pytest.mark.django_db(transaction=True)
def test_two_saves_at_once_make_one_row(store: S3Store) -> None:
    tokens = many(ROUNDS)
    forms = [[partial(save, validated(token)) for token in tokens] for _ in range(2)]

    one, two = side_by_side(*forms)

    won = [[answer for answer in answers if answer] for answers in zip(one, two, strict=True)]
    assert won == [[token.key] for token in tokens]
    rows_and_objects_agree(store, [token.key for token in tokens])


@CEPH
@pytest.mark.django_db(transaction=True)
def test_save_and_abort_at_once_agree(store: S3Store) -> None:
    tokens = many(ROUNDS)
    saves = [partial(save, validated(token)) for token in tokens]
    aborts = [partial(backend().abort, token) for token in tokens]

    saved, _aborted = side_by_side(saves, aborts)

    rows_and_objects_agree(store, [key for key in saved if key])


@CEPH
@pytest.mark.django_db(transaction=True)
def test_saves_beside_the_clean_up_agree_with_it(store: S3Store) -> None:
    uploads = [validated(token) for token in many(ROUNDS // 2)]
    let_pass(48, operations=LISTS)

    def save_all() -> list[str | None]:
        return side_by_side([partial(save, upload) for upload in uploads])[0]

    (objects, *_others), saved = at_once(cleaned, save_all)

    kept = [key for key in saved if key]
    assert objects == len(uploads) - len(kept)
    rows_and_objects_agree(store, kept)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("removing", ["abort", "clean-up"])
def test_removal_in_the_middle_of_a_save_touches_nothing(store: S3Store, removing: str) -> None:
    """It comes when the claim is made, and the mark is still there."""
    token = sent()
    upload = validated(token)

    def overtake(**_: Any) -> None:
        assert tags(store, token.key) == PENDING
        if removing == "abort":
            backend().abort(token)
        else:
            # The upload is old, and the claim is new.
            let_pass(48, operations=LISTS)
            assert cleaned() == (0, 0, 0, 0, 0)

    operation = "DeleteObjectTagging" if of_stored() == {} else "PutObjectTagging"
    backend().client.meta.events.register_first(f"before-call.s3.{operation}", overtake)

    assert save(upload) == token.key
    assert store.get(token.key) == BODY
    assert tags(store, token.key) == of_stored()


@pytest.mark.django_db(transaction=True)
def test_save_in_the_middle_of_an_abort_makes_no_row(store: S3Store) -> None:
    token = sent()
    upload = validated(token)

    def overtake(**_: Any) -> None:
        with pytest.raises(UploadGone):
            save(upload)

    backend().client.meta.events.register_first("before-call.s3.AbortMultipartUpload", overtake)
    backend().abort(token)

    assert files(store) == []
    assert not models.Document.objects.exists()


# --- what breaks ----------------------------------------------------------------------------------


CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code></Error>"


def is_claim(request: Request) -> bool:
    return request.method == "PUT" and request.path.endswith(".claimed")


@pytest.mark.parametrize(
    ("make_fault", "answers"),
    [
        (partial(Truncate, is_claim), [None, 412]),
        (partial(Truncate, is_claim, times=2), [None, None]),
        (partial(Answer, is_claim, status=409, body=CONFLICT), [409, 200]),
        (partial(Answer, is_claim, status=503), [503, 200]),
    ],
    ids=["lost", "lost-twice", "conflict", "busy"],
)
def test_claim_that_is_asked_for_twice_is_still_ours(
    store: S3Store, settings: Any, make_fault: Callable[[], Fault], answers: list[int | None]
) -> None:
    """The store has it, and its answer did not come; or it wants to be asked again."""
    token = sent()
    default = settings.STORAGES["default"]
    with Proxy(store.account.endpoint_url) as proxy:
        options = {**default["OPTIONS"], "endpoint_url": proxy.address}
        settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
        proxy.add(make_fault())

        assert default_storage.save("a.txt", validated(token)) == token.key

        assert [request.status for request in proxy.requests if is_claim(request)] == answers
    assert tags(store, token.key) == of_stored()


@pytest.mark.django_db(transaction=True)
def test_form_can_be_sent_again_when_the_mark_could_not_be_taken(store: S3Store) -> None:
    browser = Browser()
    signed = browser.upload(FORM, "file", "report.txt", BODY)
    token, _expired = Token.unsign(signed)
    operation = "DeleteObjectTagging" if of_stored() == {} else "PutObjectTagging"

    def elsewhere(params: Any, **_: Any) -> Any:
        return {**params, "Bucket": "no-such-bucket"}

    backend().client.meta.events.register(f"provide-client-params.s3.{operation}", elsewhere)
    assert browser.post(FORM, {"title": "t", "file-s3upload": signed}).status_code == 503
    assert notes(store, token) == ["record"]
    backend().client.meta.events.unregister(f"provide-client-params.s3.{operation}", elsewhere)

    page = browser.submit(FORM, {"title": "t", "file-s3upload": signed})
    assert page.result["saved"] == [token.key]
    assert models.Document.objects.count() == 1


@pytest.mark.parametrize("failing", ["AbortMultipartUpload", "GetObjectTagging", "DeleteObjects"])
def test_abort_that_failed_can_be_repeated_and_nobody_saves_meanwhile(store: S3Store, failing: str) -> None:
    browser = Browser()
    signed = browser.upload(FORM, "file", "report.txt", BODY)
    token, _expired = Token.unsign(signed)
    upload = request_uploads()
    upload._identities = lambda: frozenset({token.owner})
    file = upload.add(token, signed)
    assert file.size

    def elsewhere(params: Any, **_: Any) -> Any:
        return {**params, "Bucket": "no-such-bucket"}

    backend().client.meta.events.register(f"provide-client-params.s3.{failing}", elsewhere)
    refused(browser.call("abort/", {"token": signed}), 503)
    with pytest.raises(UploadGone):
        default_storage.save("a.txt", file)
    assert files(store) == [token.key]
    assert notes(store, token) == ["record", "claim"]
    backend().client.meta.events.unregister(f"provide-client-params.s3.{failing}", elsewhere)

    for _ in range(2):
        browser.abort(signed)
        assert files(store) == []
        assert notes(store, token) == ["claim"]


def test_claim_that_this_site_has_not_signed_is_somebody_elses(store: S3Store) -> None:
    token = sent()
    store.put(backend().record_of(token) + ".claimed", b"anything")
    with pytest.raises(UploadGone):
        default_storage.save("a.txt", validated(token))
    backend().abort(token)
    assert files(store) == [token.key]


@CEPH
def test_claim_that_is_taken_back_at_this_moment_is_asked_for_again(store: S3Store) -> None:
    token = sent()
    assert backend().claim(token, SAVE)
    asked: list[int] = []

    def take_back(**_: Any) -> None:
        if not asked:
            asked.append(1)
            backend().unclaim(token)

    backend().client.meta.events.register_first("before-call.s3.GetObject", take_back)
    assert backend().claim(token, SAVE)
    assert asked == [1]
    assert isinstance(backend(), S3Backend)


# --- the clean-up ---------------------------------------------------------------------------------


def cleaned(**options: Any) -> tuple[int, int, int, int, int]:
    (one,) = [one for one in clean_up(**options) if one.storage == "default"]
    assert (one.failed, one.error) == (0, "")
    return one.objects, one.size, one.uploads, one.younger, one.foreign


def begun() -> Token:
    (upload,) = presign(a_policy(), [ChosenFile("a.txt", 5, "")], "")
    return Token.unsign(upload["token"])[0]


def test_uploads_in_place_that_nobody_claimed_are_removed(store: S3Store) -> None:
    sent(b"12345")
    begun()
    let_pass(47.9)
    assert cleaned() == (0, 0, 0, 2, 0)
    let_pass(0.2)
    before = store.keys()
    assert cleaned(dry_run=True) == (1, 5, 1, 0, 0)
    assert (store.keys(), len(open_multipart_uploads(store))) == (before, 1)
    assert cleaned() == (1, 5, 1, 0, 0)
    assert store.keys() == open_multipart_uploads(store) == []
    assert cleaned() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("delete", [True, False])
def test_saved_file_stays_and_its_notes_go(store: S3Store, delete: bool) -> None:
    token = sent()
    uploads = request_uploads()
    default_storage.save("a.txt", uploads.add(token, token.sign()))
    uploads.finish(delete=delete)
    let_pass(47.9)
    assert cleaned()[:3] == (0, 0, 0)
    assert "claim" in notes(store, token)
    let_pass(1)
    assert cleaned(dry_run=True)[:3] == cleaned()[:3] == (0, 0, 0)
    assert store.keys() == [token.key]
    assert tags(store, token.key) == of_stored()


def test_object_whose_save_died_is_removed_when_the_claim_is_old(store: S3Store) -> None:
    """The process was killed between its claim and the mark: no row has it."""
    token = sent()
    assert backend().claim(token, SAVE)
    let_pass(48, operations=LISTS)
    assert cleaned()[:3] == (0, 0, 0)
    assert files(store) == [token.key]
    assert notes(store, token) == ["record", "claim"]
    let_pass(48, operations=("GetObject",))
    assert cleaned()[:3] == (1, len(BODY), 0)
    assert store.keys() == []


def test_object_without_a_mark_whose_claim_is_old_may_be_somebodys(store: S3Store, settings: Any) -> None:
    """Whatever the store is thought to do with tags by now."""
    token = sent()
    uploads = request_uploads()
    default_storage.save("a.txt", uploads.add(token, token.sign()))
    store.client.delete_object_tagging(Bucket=store.bucket, Key=token.key)
    with_options(settings, store, promote="in-place", provider={"tags_uploads": False})
    let_pass(1000)
    assert cleaned()[:3] == (0, 0, 0)
    assert store.keys() == [token.key]


@CEPH
@pytest.mark.parametrize("page", [1000, 1])
def test_record_of_what_can_not_be_removed_stays(
    store: S3Store, settings: Any, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(listing, "LIST_LIMIT", page)
    one, two = sent(), sent()
    arn = f"arn:aws:s3:::{store.bucket}/{one.key}"
    use_other_user(settings, store, {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": arn})
    let_pass(48)
    for objects in (1, 0):
        (summary,) = clean_up()
        assert (summary.objects, summary.failed, summary.error) == (objects, 1, "")
    assert files(store) == [one.key]
    assert (notes(store, one), notes(store, two)) == (["record", "claim"], [])


def test_removal_that_died_is_ended(store: S3Store) -> None:
    token = sent()
    assert backend().claim(token, REMOVE)
    let_pass(48)
    assert cleaned()[:3] == (1, len(BODY), 0)
    assert store.keys() == []


def test_record_of_another_place_is_left_alone(store: S3Store, settings: Any, make_bucket: Any) -> None:
    """It came with the copy of a bucket, say."""
    other = make_bucket(store.name)
    default = settings.STORAGES["default"]
    archive = {**default, "OPTIONS": {**default["OPTIONS"], "bucket_name": other.bucket}}
    settings.STORAGES = {**settings.STORAGES, "archive": archive}
    token = sent(BODY, "a.txt", "text/plain", "archive")
    record = backend().record_of(token)
    store.put(record, other.get(record))
    let_pass(1000)
    assert cleaned() == (0, 0, 0, 0, 1)
    assert store.keys() == [record]
    assert files(other) == [token.key]


def test_two_clean_ups_at_once_count_each_upload_in_place_once_or_twice(store: S3Store) -> None:
    for _ in range(6):
        sent()
        begun()
    let_pass(48)
    one, two = at_once(cleaned, cleaned)
    assert store.keys() == open_multipart_uploads(store) == []
    assert 6 <= one[0] + two[0] <= 12


@pytest.mark.django_db(transaction=True)
def test_upload_that_was_cleaned_up_is_gone_to_its_form(store: S3Store) -> None:
    browser = Browser()
    signed = browser.upload(FORM, "file", "report.txt", BODY)
    let_pass(48)
    assert cleaned()[0] == 1
    answer = browser.post(FORM, {"title": "t", "file-s3upload": signed})
    assert b"no longer there" in answer.content
    browser.abort(signed)


def test_claims_are_made_by_forms_that_save_and_no_others(store: S3Store, call_count: Any) -> None:
    token = sent()
    call_count.clear()
    upload = validated(token)
    with pytest.raises(ValueError, match="only be read"):
        upload.open("w")
    assert call_count == {"HeadObject": 1, "GetObjectTagging": 1}
    assert uploaded().token != token

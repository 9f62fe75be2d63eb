"""The async stack on a real store: presign, form, validation in the event loop, deletion."""

from __future__ import annotations

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from s3upload.exceptions import StoreUnavailable
from tests.servers.base import free_port
from tests.testapp import models
from tests.testapp.forms import DocumentForm, PlainForm
from tests.urls import urlpatterns as site_urls
from tests.wire import PRESIGN_URL, Page, send

BODY = b"some bytes " * 1000

pytestmark = pytest.mark.django_db(transaction=True)


async def page(request: HttpRequest) -> HttpResponse:
    get_token(request)
    return HttpResponse(f"<form>{DocumentForm()['file']}</form>")


@csrf_exempt
async def validated_in_the_loop(request: HttpRequest) -> HttpResponse:
    form = PlainForm(request.POST, request.FILES)
    return JsonResponse({"errors": {} if form.is_valid() else form.errors.get_json_data()})


@csrf_exempt
async def saved_in_a_thread(request: HttpRequest) -> HttpResponse:
    form = DocumentForm(request.POST, request.FILES)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors.get_json_data()})
    document = await sync_to_async(form.save)()
    return JsonResponse({"errors": {}, "saved": document.file.name})


@csrf_exempt
async def read_in_the_loop(request: HttpRequest) -> HttpResponse:
    [file] = request.FILES.getlist("file")
    return HttpResponse(file.read())


@csrf_exempt
async def out_of_reach(request: HttpRequest) -> HttpResponse:
    raise StoreUnavailable("closed")


@csrf_exempt
async def nothing_looked_at(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("page/", page),
    path("validated/", validated_in_the_loop),
    path("saved/", saved_in_a_thread),
    path("read/", read_in_the_loop),
    path("out-of-reach/", out_of_reach),
    path("nothing/", nothing_looked_at),
    *site_urls,
]


@pytest.fixture(autouse=True)
def urls(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def user() -> User:
    return User.objects.create_user("somebody")


class AsyncBrowser:
    """A browser whose requests go through the async stack, and whose files go to the store."""

    def __init__(self, user: User | None = None) -> None:
        client = AsyncClient(enforce_csrf_checks=True)
        if user is not None:
            client.force_login(user)
        self.client = client
        self.get = async_to_sync(client.get)
        self._post = async_to_sync(client.post)

    def upload(self, body: bytes = BODY, name: str = "a.txt") -> str:
        policy = Page(self.get("/page/").content.decode()).file_input("file")["data-s3upload-policy"]
        files = [{"name": name, "size": len(body), "type": "text/plain"}]
        answer = self._post(PRESIGN_URL, {"policy": policy, "files": files}, content_type="application/json")
        assert answer.status_code == 200, answer.content
        [upload] = answer.json()["uploads"]
        assert send(upload, body) == 201
        token: str = upload["token"]
        return token

    def post(self, url: str, *tokens: str, field: str = "file") -> Any:
        cookie = self.client.cookies["csrftoken"].value
        return self._post(url, {"title": "t", "csrfmiddlewaretoken": cookie, f"{field}-s3upload": tokens})


@pytest.mark.parametrize("url", ["/saved/", "/documents/async/"])
def test_file_is_saved_and_the_pending_object_goes(ceph_store: Any, call_count: Any, url: str) -> None:
    browser = AsyncBrowser()
    token = browser.upload()
    assert len(ceph_store.keys("tmp/")) == 1
    assert browser.post(url, token).status_code == 200
    assert models.Document.objects.get().file.name == "documents/a.txt"
    assert ceph_store.keys() == ["documents/a.txt"]
    assert ceph_store.get("documents/a.txt") == BODY
    assert call_count == {"HeadObject": 1, "CopyObject": 1, "DeleteObjects": 1}


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_form_is_validated_in_the_event_loop(ceph_store: Any, user: User, is_logged_in: bool) -> None:
    browser = AsyncBrowser(user if is_logged_in else None)
    assert browser.post("/validated/", browser.upload()).json() == {"errors": {}}


def test_several_files_are_validated_in_the_event_loop(ceph_store: Any, user: User, call_count: Any) -> None:
    browser = AsyncBrowser(user)
    tokens = [browser.upload(name=f"{number}.txt") for number in range(5)]
    assert browser.post("/validated/", *tokens).json() == {"errors": {}}
    assert call_count == {"HeadObject": 5}


def test_token_of_another_user_is_refused_in_the_event_loop(ceph_store: Any, user: User) -> None:
    token = AsyncBrowser(user).upload()
    other = AsyncBrowser(User.objects.create_user("another"))
    other.get("/page/")
    [error] = other.post("/validated/", token).json()["errors"]["file"]
    assert error["code"] == "upload_foreign"


def test_file_is_read_in_the_event_loop(ceph_store: Any, user: User) -> None:
    browser = AsyncBrowser(user)
    assert browser.post("/read/", browser.upload()).content == BODY


def test_view_that_does_not_look_at_the_form_costs_nothing(ceph_store: Any, call_count: Any) -> None:
    browser = AsyncBrowser()
    assert browser.post("/nothing/", browser.upload()).status_code == 204
    assert not call_count
    assert len(ceph_store.keys("tmp/")) == 1


def test_view_that_cannot_reach_the_store_answers_503(ceph_store: Any) -> None:
    browser = AsyncBrowser()
    answer = browser.post("/out-of-reach/", browser.upload())
    assert answer.status_code == 503
    assert answer["Content-Type"].startswith("text/plain")
    assert len(ceph_store.keys("tmp/")) == 1


@pytest.fixture
def uvicorn_url() -> Iterator[str]:
    """The site, served by uvicorn in a thread of this process."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(get_asgi_application(), host="127.0.0.1", port=port, lifespan="off", log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    try:
        for _attempt in range(200):
            if server.started:
                break
            thread.join(0.05)
        assert server.started
        yield address
    finally:
        server.should_exit = True
        thread.join()


def test_uvicorn_serves_it(ceph_store: Any, user: User, uvicorn_url: str) -> None:
    client = Client()
    client.force_login(user)
    session = f"sessionid={client.cookies['sessionid'].value}"
    with urllib.request.urlopen(urllib.request.Request(f"{uvicorn_url}/page/", headers={"Cookie": session})) as answer:
        csrf = answer.headers["Set-Cookie"].partition(";")[0]
        policy = Page(answer.read().decode()).file_input("file")["data-s3upload-policy"]

    def post(url: str, body: bytes, content_type: str) -> Any:
        headers = {"Cookie": f"{session}; {csrf}", "Content-Type": content_type, "Origin": uvicorn_url}
        with urllib.request.urlopen(urllib.request.Request(uvicorn_url + url, body, headers)) as answer:
            return json.loads(answer.read())

    chosen = {"policy": policy, "files": [{"name": "a.txt", "size": len(BODY), "type": "text/plain"}]}
    [upload] = post(PRESIGN_URL, json.dumps(chosen).encode(), "application/json")["uploads"]
    assert send(upload, BODY) == 201
    form = urllib.parse.urlencode({"title": "t", "file-s3upload": upload["token"]}).encode()
    for url in ("/validated/", "/saved/"):
        assert post(url, form, "application/x-www-form-urlencoded")["errors"] == {}
    assert ceph_store.keys() == ["documents/a.txt"]
    assert ceph_store.get("documents/a.txt") == BODY

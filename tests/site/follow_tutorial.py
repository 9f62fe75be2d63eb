"""What people do in the tutorial, in a process that has its settings: ``python follow_tutorial.py``."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def main() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import Permission, User
    from django.test.utils import setup_test_environment

    # As runserver has it: the folder plays the store under DEBUG only.
    setup_test_environment(debug=settings.DEBUG)

    def user(name: str, *permissions: str, **fields: Any) -> User:
        made = User.objects.create_user(name, **fields)
        made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return made

    visit(
        user("author", "add_book"),
        user("reader", "view_book"),
        user("stranger"),
        user("admin", is_staff=True, is_superuser=True),
    )
    sys.stdout.write("all is as the tutorial says\n")


def visit(author: Any, reader: Any, stranger: Any, admin: Any) -> None:
    from library.models import Book
    from PIL import Image

    from s3upload.async_uploads.models import UploadRecord
    from tests.wire import Browser

    stream = io.BytesIO()
    Image.new("RGB", (60, 90), "navy").save(stream, "PNG")
    cover = stream.getvalue()
    text = b"It was a dark and stormy night."

    # By a form: two fields, uploaded before the form is sent.
    writing, reading, passing = Browser(author), Browser(reader), Browser(stranger)
    new = "/books/new/"
    tokens = {
        "text-s3upload": writing.upload(new, "text", "night.txt", text, "text/plain"),
        "cover-s3upload": writing.upload(new, "cover", "night.png", cover, "image/png"),
    }
    assert [record.state for record in UploadRecord.objects.all()] == ["pending", "pending"]
    assert writing.post(new, {"title": "Night", **tokens}).status_code == 302
    book = Book.objects.get()
    assert (book.author, book.text.name, book.width, book.height) == (author, "texts/night.txt", 60, 90)
    assert [record.state for record in UploadRecord.objects.all()] == ["stored", "stored"]
    with book.text.open() as file:
        assert file.read() == text

    # Permissions: who may not add, can't upload; authors change their own books; readers download.
    assert passing.client.get(new).status_code == 403
    assert writing.client.get(book.text.url).status_code == 403
    assert reading.client.get(book.text.url).status_code == 302
    assert Browser().client.get(book.cover.url).status_code == 302
    assert book.text.url in reading.client.get("/books/").content.decode()
    ask = {"async_field_id": "library.book.text", "instance_id": book.pk}
    assert writing.client.get("/async-uploads/upload-policy/", ask).status_code == 200
    assert passing.client.get("/async-uploads/upload-policy/", ask).status_code == 403
    own = writing.upload(f"/books/{book.pk}/", "text", "day.txt", text[::-1], "text/plain")
    assert writing.post(f"/books/{book.pk}/", {"title": "Day", "text-s3upload": own}).status_code == 302
    assert Book.objects.get().text.name == "texts/day.txt"

    # In the admin.
    managing = Browser(admin)
    assert managing.client.get(f"/admin/library/book/{book.pk}/change/").status_code == 200
    assert b"night.txt" in managing.client.get("/admin/s3upload_async_uploads/uploadrecord/").content

    # By the API, as the script does it.
    def call(method: str, path: str, body: Any) -> Any:
        headers = {"X-CSRFToken": managing.client.cookies["csrftoken"].value}
        return getattr(managing.client, method)(path, body, content_type="application/json", headers=headers)

    def token_for(**asked: Any) -> str:
        query = {"async_field_id": "library.book.text", **asked}
        policy = managing.client.get("/async-uploads/upload-policy/", query).json()["policy"]
        [granted] = managing.presign(policy, [{"name": "api.txt", "size": len(text), "type": "text/plain"}])
        assert managing.send(granted, text) < 300
        return str(granted["token"])

    managing.client.get(new)
    answer = call("post", "/api/books/", {"title": "By a script", "text": token_for()})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert made["text"]["key"] == "texts/api.txt"
    assert made["text"].keys() == {"key", "name", "url"}
    assert made["cover"] is None
    url = f"/api/books/{made['id']}/"
    assert call("patch", url, {"text": token_for(instance_id=made["id"])}).status_code == 200
    assert call("patch", url, {"text": token_for(instance_id=book.pk)}).status_code == 400
    assert call("patch", url, {"text": "texts/day.txt"}).status_code == 403
    shown = managing.client.get(f"/api/books/{book.pk}/").json()
    assert (shown["cover"]["width"], shown["cover"]["height"]) == (60, 90)
    assert call("put", f"/api/books/{book.pk}/", shown).status_code == 200


if __name__ == "__main__":
    main()

"""What a site adds for Uppy: an address that signs whatever its script asks for, and a form that brings the key."""

from __future__ import annotations

import functools
import json
import posixpath
from typing import Any

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt

PREFIX = "tmp/uppy/"

PAGE = """<!doctype html><title>Upload</title>
<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{}"><input type="hidden" name="key">
<input type="file"><button>Save</button></form>"""

OPERATIONS = {
    ("PUT", False): "put_object",
    ("PUT", True): "upload_part",
    ("POST", False): "create_multipart_upload",
    ("POST", True): "complete_multipart_upload",
}
"""What is signed, by method and whether there is the id of a multipart upload."""


def upload(request: HttpRequest) -> HttpResponse:
    """Show the form; copy what it brings to its place, with the calls that s3upload makes."""
    if request.method != "POST":
        return HttpResponse(format_html(PAGE, get_token(request)))
    bucket, key = default_storage.bucket, request.POST["key"]
    client = bucket.meta.client
    client.head_object(Bucket=bucket.name, Key=key)
    name = f"uploads/{posixpath.basename(key)}"
    client.copy_object(Bucket=bucket.name, Key=name, CopySource={"Bucket": bucket.name, "Key": key})
    client.delete_objects(Bucket=bucket.name, Delete={"Objects": [{"Key": key}], "Quiet": True})
    return HttpResponse(name, content_type="text/plain")


@csrf_exempt
def sign(request: HttpRequest) -> HttpResponse:
    """Sign a request to the store, which is at the address in the query."""
    asked: dict[str, Any] = json.loads(request.body)
    key = PREFIX + posixpath.basename(asked["key"])
    parameters = {"Bucket": default_storage.bucket_name, "Key": key}
    if upload_id := asked.get("uploadId"):
        parameters["UploadId"] = upload_id
    if number := asked.get("partNumber"):
        parameters["PartNumber"] = number
    operation = OPERATIONS[asked["method"], bool(upload_id)]
    url = _client(request.GET["store"]).generate_presigned_url(operation, Params=parameters)
    return JsonResponse({"url": url, "key": key})


@functools.cache
def _client(address: str) -> Any:
    # Not where the start of a site is measured.
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=default_storage.access_key,
        aws_secret_access_key=default_storage.secret_key,
        region_name=default_storage.region_name,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )

"""
The least that saving an upload costs with boto3: one HEAD, one copy, one delete, in a loop and nothing else.

``run_floor SIZE REPETITIONS``: prints milliseconds of CPU for one round of the three.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

from django.core.files.storage import default_storage


def main() -> None:
    size, repetitions = map(int, sys.argv[1:])
    bucket = default_storage.bucket_name
    client = default_storage.connection.meta.client
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        client.upload_fileobj(file, bucket, "pending")
    _save(client, bucket)
    begun = time.process_time()
    for _ in range(repetitions):
        _save(client, bucket)
    used = time.process_time() - begun
    sys.stdout.write(json.dumps(used / repetitions * 1000))


def _save(client, bucket: str) -> None:
    client.head_object(Bucket=bucket, Key="pending")
    client.copy_object(Bucket=bucket, Key="stored", CopySource={"Bucket": bucket, "Key": "pending"})
    # Not the pending one, which the next round needs.
    client.delete_object(Bucket=bucket, Key="stored")


if __name__ == "__main__":
    main()

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
        client.upload_fileobj(file, bucket, "uploaded")
    # Uploaded once, however large it is.
    pending = [f"pending-{number}" for number in range(1 + repetitions)]
    for key in pending:
        client.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": "uploaded"})
    _save(client, bucket, pending.pop())
    begun = time.process_time()
    for key in pending:
        _save(client, bucket, key)
    used = time.process_time() - begun
    sys.stdout.write(json.dumps(used / repetitions * 1000))


def _save(client, bucket: str, key: str) -> None:
    client.head_object(Bucket=bucket, Key=key)
    client.copy_object(Bucket=bucket, Key=f"stored-{key}", CopySource={"Bucket": bucket, "Key": key})
    client.delete_object(Bucket=bucket, Key=key)


if __name__ == "__main__":
    main()

"""What the servers share: processes on loopback, a folder that goes with them, S3 keys."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CORS_RULES: dict[str, Any] = {
    "CORSRules": [
        {
            "AllowedOrigins": ["*"],
            "AllowedMethods": ["GET", "PUT", "POST", "HEAD"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 3000,
        }
    ]
}


AnAccount = TypeVar("AnAccount", bound="Account")


class ServerError(RuntimeError):
    """Raised when a server does not start; the message ends with what its log says."""


@dataclass(frozen=True, kw_only=True)
class Account(ABC):
    """Where a started server listens, and the keys to it."""

    endpoint_url: str

    @abstractmethod
    def environ(self, bucket: str) -> dict[str, str]:
        """Return the variables by which programs find the server."""

    @abstractmethod
    def create_bucket(self, name: str) -> None:
        """Create a bucket that a page of any origin may upload to."""


@dataclass(frozen=True, kw_only=True)
class S3Account(Account):
    """Where a started server listens, and the keys of its two users, `main` and `other`."""

    access_key: str
    secret_key: str
    other_access_key: str
    other_secret_key: str
    region: str = "us-east-1"

    def client(self, *, other: bool = False, **config: Any) -> S3Client:
        """Return a boto3 client (SigV4, path style); `config` goes to botocore's Config."""
        options: dict[str, Any] = {
            "signature_version": "s3v4",
            "s3": {"addressing_style": "path"},
            "retries": {"total_max_attempts": 1},
        }
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.other_access_key if other else self.access_key,
            aws_secret_access_key=self.other_secret_key if other else self.secret_key,
            region_name=self.region,
            config=Config(**(options | config)),
        )

    def environ(self, bucket: str) -> dict[str, str]:
        """Return the variables that the demo, and boto3, read."""
        return {
            "S3_ENDPOINT_URL": self.endpoint_url,
            "S3_BUCKET": bucket,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def create_bucket(self, name: str) -> None:
        """Create a bucket that a page of any origin may upload to."""
        client = self.client()
        client.create_bucket(Bucket=name)
        client.put_bucket_cors(Bucket=name, CORSConfiguration=CORS_RULES)  # type: ignore[arg-type]


class Server(ABC):
    """A server of one or several processes; a context manager that gives an `Account`."""

    name: str
    start_timeout = 90.0  # seconds

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.folder = Path()

    @abstractmethod
    def start(self) -> Account:
        """Start the processes in `self.folder`, wait until they serve, return the account."""

    def __enter__(self) -> Account:
        self.folder = Path(tempfile.mkdtemp(prefix=f"s3upload-{self.name}-"))
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process at once and remove the folder: nothing in it is worth a flush."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, with its output in the folder's `*.log`."""
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, *command: str | Path) -> None:
        """Run a command of the server's to its end."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ServerError(f"{command[0]} failed: {done.stderr[-2000:]}\n{self.log_tail()}")

    def wait_until_answering(self, url: str) -> None:
        """Wait until `url` gives any HTTP answer, or raise with the tail of the logs."""
        deadline = time.monotonic() + self.start_timeout
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()
            except OSError:
                ended = [p for p in self.processes if p.poll() is not None]
                if ended or time.monotonic() > deadline:
                    why = f"{ended[0].args!r} ended" if ended else "it does not answer"
                    raise ServerError(f"{self.name} did not start: {why}\n{self.log_tail()}") from None
                time.sleep(0.05)
                continue
            return

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of each log in the folder."""
        tails = []
        for path in sorted(self.folder.rglob("*.log")):
            text = path.read_text(errors="replace").splitlines()[-lines:]
            tails.append("\n".join([f"--- {path.name}", *text]))
        return "\n".join(tails)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def in_background(module: str, *arguments: str) -> contextlib.AbstractContextManager[S3Account]:
    """Run ``python -m module``, an S3 server, and give its account."""
    return running(module, S3Account, *arguments)


@contextlib.contextmanager
def running(module: str, account: type[AnAccount], *arguments: str) -> Iterator[AnAccount]:
    """
    Run ``python -m module`` and give the account of its server.

    :param account: its class.

    The server lives in a process of its own and ends when that process's input does. The system
    closes it when this process ends, in whatever way: an interrupted or even killed test run
    leaves no server and no folder behind.
    """
    keeper = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, "--until-input-ends"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt from the keyboard is for the tests alone
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        answer = json.loads(keeper.stdout.readline() or '{"error": "it ended"}')
        if "error" in answer:
            raise ServerError(f"{module}: {answer['error']}")
        yield account(**answer)
    finally:
        keeper.stdin.close()
        keeper.stdout.close()
        keeper.wait(timeout=30)


def main(server: Server, options: argparse.Namespace) -> int:
    """Run the server: beside a command, until its input ends, or until interrupted."""
    # Ended by SIGTERM, the context manager below still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with server as account:
            if options.bucket:
                account.create_bucket(options.bucket)
            if options.command:
                environ = {**os.environ, **account.environ(options.bucket)}
                return subprocess.call(options.command, env=environ)
            print(json.dumps(asdict(account)), flush=True)
            if options.until_input_ends:
                sys.stdin.read()
            else:
                signal.pause()
    except ServerError as error:
        if options.until_input_ends:
            print(json.dumps({"error": str(error)}), flush=True)
        else:
            print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def argument_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every server has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bucket", default="", help="create this bucket, with CORS")
    parser.add_argument("--until-input-ends", action="store_true", help="stop when standard input is closed")
    parser.add_argument("command", nargs="*", help="run this beside the server, which is named in S3_ENDPOINT_URL")
    return parser

"""PostgreSQL, for what the database has a say in."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.servers import base

# Debian keeps the programs of each version there, and not on the PATH.
DEBIAN = Path("/usr/lib/postgresql")
LONGEST_SOCKET_PATH = 107  # bytes; sun_path in unix(7), with the zero at its end
PORT = "5432"  # a part of the socket's name; nothing listens on a port
USER = "s3upload"

SETTINGS = {
    # Nobody reaches it but through the folder, which others can't enter.
    "listen_addresses": "",
    "port": PORT,
    # It keeps nothing, so it need not be sure of anything.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    # In files of the folder, and not in /dev/shm, where they would outlive a server that is killed.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
}


@dataclass(frozen=True, kw_only=True)
class Database(base.Account):
    """Where a started server listens; its one user may do everything."""

    host: str  # the folder of its socket

    def environ(self, bucket: str = "") -> dict[str, str]:
        """Return the variables that tests/settings.py and PostgreSQL's own library read."""
        return {
            "TESTS_DATABASE": "postgresql",
            "PGHOST": self.host,
            "PGPORT": PORT,
            "PGUSER": USER,
            "PGDATABASE": "postgres",
        }

    def create_bucket(self, name: str) -> None:
        """
        :raises ServerError: always.
        """
        raise base.ServerError(f"PostgreSQL has no buckets, so there can't be one of the name {name!r}.")


class PostgreSQL(base.Server):
    """
    PostgreSQL on a socket in its folder; needs Debian's postgresql, or `initdb` on the PATH.

    It refuses to be run by root. Then it runs as `postgres`, whom Debian's package makes, or else `nobody`.
    """

    name = "postgresql"

    def start(self) -> Database:
        programs = find_programs()
        socket = self.folder / f".s.PGSQL.{PORT}"
        if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
            raise base.ServerError(
                f"PostgreSQL's socket can't be {socket}: that has more than {LONGEST_SOCKET_PATH} bytes. "
                "Set TMPDIR to a shorter folder."
            )
        data = self.folder / "data"
        as_user = self._as_user()
        self.run(
            *as_user,
            programs / "initdb",
            *("--pgdata", data, "--username", USER, "--auth", "trust"),
            *("--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions"),
        )
        settings = [text for key, value in SETTINGS.items() for text in ("-c", f"{key}={value}")]
        self.spawn([*as_user, programs / "postgres", "-D", data, "-k", self.folder, *settings])
        host = str(self.folder)
        query = urlencode({"host": host, "port": PORT})
        database = Database(endpoint_url=f"postgresql://{USER}@/postgres?{query}", host=host)

        ready: list[str | Path] = [programs / "pg_isready", "-q", "-d", database.endpoint_url]
        self.wait_until(lambda: subprocess.call(ready) == 0)
        return database

    def stop(self) -> None:
        """End it as it wants to be ended, for it has shared memory that the system would keep."""
        for process in self.processes:
            if process.poll() is None:
                # "Immediate": all of its processes end, and nothing is written.
                process.send_signal(signal.SIGQUIT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=10)
        super().stop()

    def _as_user(self) -> list[str]:
        """Return how a command is to begin; give the folder to the user who is to run it."""
        if os.geteuid() != 0:
            return []
        if shutil.which("setpriv") is None:
            raise base.ServerError(
                "PostgreSQL does not run as root, and setpriv is missing, with which root starts it as somebody else. "
                "Install it (Debian: util-linux), or run the tests as an ordinary user."
            )
        user = unprivileged_user()
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
        if subprocess.call([*as_user, "test", "-x", self.folder]) != 0:
            raise base.ServerError(
                f"PostgreSQL does not run as root, and {user.pw_name} can't enter {self.folder}. "
                "Set TMPDIR to a folder that everybody may enter."
            )
        return as_user


def unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise base.ServerError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody. Run the tests as an ordinary user."
    )


def find_programs(debian: Path = DEBIAN) -> Path:
    """Return the folder of PostgreSQL's programs: Debian's newest, or where `initdb` is on the PATH."""

    def version(initdb: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", initdb.parts[-3])]

    found = sorted(debian.glob("*/bin/initdb"), key=version)
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise base.ServerError(
            f"PostgreSQL is missing: there is no {debian}/*/bin/initdb, and no initdb on the PATH. "
            "`make packages` installs it."
        )
    return Path(on_path).resolve().parent


def main() -> int:
    parser = base.argument_parser("Run PostgreSQL on a socket.", named_in="PGHOST")
    return base.main(PostgreSQL(), parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

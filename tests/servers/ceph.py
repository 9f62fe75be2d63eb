"""Ceph's radosgw with the one monitor and the one object store it needs: a production S3."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.servers import base

GIB = 2**30


class Ceph(base.Server):
    """
    A Ceph cluster on loopback, run as any user.

    Needs Debian's radosgw, ceph-mon and ceph-osd. `store` is "memstore", which holds every object
    in memory, or "bluestore", a sparse file, for objects above 1 GB. `rgw` are further settings
    of the gateway, such as ``{"rgw_lc_debug_interval": 3}``: a lifecycle day of three seconds.
    """

    name = "ceph"

    def __init__(self, *, store: str = "memstore", gib: int = 8, rgw: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.store = store
        self.gib = gib
        self.rgw = dict(rgw or {})

    def start(self) -> base.S3Account:
        folder = self.folder
        for name in ("mon", "osd", "run"):
            (folder / name).mkdir()
        cluster = str(uuid.uuid4())
        monitor = f"[v2:127.0.0.1:{base.free_port()}/0]"
        port = base.free_port()
        conf = folder / "ceph.conf"
        conf.write_text(self._configuration(cluster, monitor, port))
        keyring, monmap = folder / "keyring", folder / "monmap"

        self.run(
            *("ceph-authtool", "--create-keyring", keyring, "--gen-key"),
            *("-n", "mon.", "--cap", "mon", "allow *"),
        )
        self.run(
            *("monmaptool", "--create", "--clobber", "--fsid", cluster),
            *("--addv", "a", monitor, monmap),
        )
        mon = ("ceph-mon", "-c", conf, "-i", "a")
        self.run(*mon, "--mkfs", "--monmap", monmap, "--keyring", keyring)
        self.spawn([*mon, "-f"])

        osd = ("ceph-osd", "-c", conf, "-i", "0")
        osd_id = str(uuid.uuid4())
        self.run("ceph", "-c", conf, "osd", "new", osd_id)
        self.run(*osd, "--mkfs", "--osd-uuid", osd_id)
        self.spawn([*osd, "-f"])

        self.spawn(["radosgw", "-c", conf, "-n", "client.rgw.a", "-f"])
        account = base.S3Account(
            endpoint_url=f"http://127.0.0.1:{port}",
            access_key="main-access",
            secret_key="main-secret",
            other_access_key="other-access",
            other_secret_key="other-secret",
        )
        self.wait_until_answering(account.endpoint_url)
        self._create_user(conf, "main", account.access_key, account.secret_key)
        self._create_user(conf, "other", account.other_access_key, account.other_secret_key)
        return account

    def _create_user(self, conf: Path, name: str, access_key: str, secret_key: str) -> None:
        self.run(
            *("radosgw-admin", "-c", conf, "-n", "client.rgw.a", "user", "create"),
            *("--uid", name, "--display-name", name),
            *("--access-key", access_key, "--secret-key", secret_key),
        )

    def _configuration(self, cluster: str, monitor: str, port: int) -> str:
        folder, size = self.folder, self.gib * GIB
        sections: dict[str, dict[str, object]] = {
            "global": {
                "fsid": cluster,
                "mon_host": monitor,
                "public_network": "127.0.0.0/8",
                # The daemons trust each other: nothing but loopback reaches them.
                "auth_cluster_required": "none",
                "auth_service_required": "none",
                "auth_client_required": "none",
                # Without a manager daemon a client may not insist on encryption.
                "ms_mon_client_mode": "crc",
                "keyring": folder / "keyring",
                "log_file": folder / "$name.log",
                "run_dir": folder / "run",
                "crash_dir": folder / "run",
                "admin_socket": folder / "run" / "$name.$pid.asok",
                # One copy of everything, on the one disk.
                "osd_pool_default_size": 1,
                "osd_pool_default_min_size": 1,
                "osd_pool_default_pg_num": 4,
                "osd_pool_default_pg_autoscale_mode": "off",
                "osd_crush_chooseleaf_type": 0,
                "mon_allow_pool_size_one": "true",
                "mon_max_pg_per_osd": 2000,
                # There is nobody to agree with: do not wait for a quorum.
                "paxos_propose_interval": 0.02,
                "paxos_min_wait": 0.01,
            },
            "mon.a": {
                "mon_data": folder / "mon",
                # A full disk of the developer's is no concern of a server that keeps nothing.
                "mon_data_avail_crit": 1,
                "mon_data_avail_warn": 2,
            },
            "osd.0": {
                "osd_data": folder / "osd",
                "osd_objectstore": self.store,
                "memstore_device_bytes": size,
                "bluestore_block_size": size,
                "bluestore_fsck_on_mkfs": "false",
                "osd_max_object_size": GIB,
                "osd_memory_target": GIB,
                # The gateway keeps its indexes through these.
                "osd_class_load_list": "*",
                "osd_class_default_list": "*",
            },
            "client.rgw.a": {
                "rgw_data": folder / "run",
                # Without the option, an answer of two packets waits 40 ms for the first one to be acknowledged.
                "rgw_frontends": f"beast endpoint=127.0.0.1:{port} tcp_nodelay=1",
                "rgw_dns_name": "localhost",
                "rgw_thread_pool_size": 64,
                "rgw_run_sync_thread": "false",
                "rgw_override_bucket_index_max_shards": 1,
                "rgw_lifecycle_work_time": "00:00-24:00",
                "rgw_gc_obj_min_wait": 5,
                "rgw_gc_processor_period": 5,
                "rgw_gc_processor_max_time": 5,
                **self.rgw,
            },
        }
        lines = []
        for section, settings in sections.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in settings.items()]
        return "\n".join(lines) + "\n"


def main() -> int:
    parser = base.argument_parser("Run Ceph's S3 gateway on loopback.")
    parser.add_argument("--store", default="memstore", choices=["memstore", "bluestore"])
    parser.add_argument("--gib", type=int, default=8, help="the size of its disk")
    parser.add_argument(
        "--rgw",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a further setting of the gateway",
    )
    options = parser.parse_args()
    rgw = dict(setting.split("=", 1) for setting in options.rgw)
    return base.main(Ceph(store=options.store, gib=options.gib, rgw=rgw), options)


if __name__ == "__main__":
    sys.exit(main())

"""Which hosts and addresses a fetch may reach."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from s3upload.filepond.addresses import Allowed, ascii_host, reached_by

NOTHING = Allowed(frozenset(), ())
"""What a site allows that says nothing."""


@pytest.fixture(autouse=True)
def nothing_allowed(settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = []


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.216.34",
        "192.0.1.1",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        # What stands for a public one
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_address_of_the_internet_is_public(address: str) -> None:
    assert NOTHING.may_reach(ip_address(address))
    assert Allowed.from_settings().may_reach(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        # Nobody, everybody, several
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "255.255.255.255",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        # This machine, its networks, its provider
        "127.0.0.1",
        "127.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        # For documents, tests, relays
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "192.88.99.1",
        # The same of IPv6
        "::",
        "::1",
        "::7f00:1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "100::1",
        "2001:db8::1",
        "2001:2::1",
        "2001:10::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "64:ff9b:1::1",
        # What stands for one of IPv4
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::e000:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        # Teredo: of a server inside, and of a client inside (10.0.0.1, whose bits are turned round)
        "2001:0:7f00:1::f7f7:f7f7",
        "2001:0:808:808::f5ff:fffe",
    ],
)
def test_address_of_something_else_is_not_public(address: str) -> None:
    assert not NOTHING.may_reach(ip_address(address))
    assert not Allowed.from_settings().may_reach(ip_address(address))


def test_teredo_stands_for_its_server_and_its_client() -> None:
    found = reached_by(ip_address("2001:0:808:808::f5ff:fffe"))

    assert [str(address) for address in found] == ["8.8.8.8", "10.0.0.1"]


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("127.0.0.1", "64:ff9b::7f00:1"),
        ("::1", "::1"),
        ("10.1.0.0/16", "10.1.255.255"),
        # The rest of the address counts for nothing.
        ("10.1.2.3/16", "10.1.0.1"),
        ("fd00::/8", "fd12::1"),
        ("fe80::/10", "fe80::1%eth0"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1"),
    ],
)
def test_network_that_is_allowed_may_be_reached(entry: str, address: str, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = [entry]
    allowed = Allowed.from_settings()

    assert allowed.may_reach(ip_address(address))
    assert ip_address(address) in allowed


@pytest.mark.parametrize("address", ["127.0.0.2", "10.2.0.1", "::ffff:10.2.0.1", "::1", "2001:0:a01:1::f5ff:fffe"])
def test_network_that_is_allowed_opens_no_other(address: str, settings: Any) -> None:
    """The last one is Teredo's, with a server that is allowed and a client that is not."""
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.1", "10.1.0.0/16"]
    allowed = Allowed.from_settings()

    assert not allowed.may_reach(ip_address(address))
    assert ip_address(address) not in allowed


def test_public_address_need_not_be_allowed(settings: Any) -> None:
    assert ip_address("8.8.8.8") not in Allowed.from_settings()
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ("8.8.8.0/24",)
    assert ip_address("8.8.8.8") in Allowed.from_settings()


def test_host_that_is_allowed_is_known_however_it_is_written(settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = {"Files.Internal.", "bücher.intern"}

    assert Allowed.from_settings().hosts == {"files.internal", "xn--bcher-kva.intern"}


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        "http://files.internal",
        "files.internal:8080",
        "[::1]",
        "*.internal",
        "",
        "a..b",
        "fe80::/10%eth0",
    ],
)
def test_entry_that_is_neither_host_nor_network_is_named(entry: str, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["files.internal", entry]

    with pytest.raises(ImproperlyConfigured) as error:
        Allowed.from_settings()
    assert f"S3UPLOAD_FILEPOND_FETCH_ALLOW has {entry!r}" in str(error.value)


def test_text_in_place_of_a_list_is_no_list_of_letters(settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = "127.0.0.1"

    with pytest.raises(ImproperlyConfigured, match=r"write \['127.0.0.1'\]"):
        Allowed.from_settings()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("example。com", "example.com"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_host", "my_host"),
        ("::1", "::1"),
        ("0:0::1", "::1"),
        ("2A00::FFFF", "2a00::ffff"),
    ],
)
def test_host_has_one_way_to_be_written(host: str, expected: str) -> None:
    assert ascii_host(host) == expected


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "..",
        "a..b",
        "-a",
        "a b",
        "a/b",
        "a\\b",
        "a%00",
        "a@b",
        "a\nb",
        "x" * 64,
        "fe80::1%eth0",
        "1::2::3",
        ":",
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
        ascii_host(host)

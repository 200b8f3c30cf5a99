"""Certificates on both sides: whose are accepted, and what is said of those that are not."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mboxio
from mboxio import AccessDenied, AddressError, MailboxError, RemoteGone
from mboxio.controllers.loopback import Loopback
from mboxio.gateway.places import TlsPlace
from mboxio.gateway.server import Gateway
from tests.far.certificates import Authority
from tests.far.support import House, end_met
from tests.shm.support import until

HERE = "IP:127.0.0.1,DNS:localhost"
NO_TLS = "no TLS connection: check ca=, cert= and key="


class Lab:
    """A lab's authority, a stranger's, and those for whom they vouch.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        lab, stranger = Authority(folder, "lab"), Authority(folder, "stranger")
        self.authorities = {"lab": lab.file, "stranger": stranger.file}
        self.files = {
            "gateway": lab.vouch_for("gateway", HERE),
            "elsewhere": lab.vouch_for("elsewhere", "DNS:elsewhere"),
            "old": lab.vouch_for("old", HERE, days=-1),
            "alice": lab.vouch_for("alice"),
            "bob": lab.vouch_for("bob"),
            "expired": lab.vouch_for("expired", days=-1),
            "mallory": stranger.vouch_for("mallory"),
        }

    def place(self, text: str = "127.0.0.1:0", name: str = "gateway") -> TlsPlace:
        """Return where a gateway with this certificate listens."""
        return TlsPlace(text, *self.files[name], self.authorities["lab"])

    def options(self, user: str = "alice", ca: str = "lab") -> str:
        """Return the options of an address."""
        cert, key = self.files[user]
        return f"ca={self.authorities[ca]}&cert={cert}&key={key}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The certificates, made once."""
    return Lab(tmp_path_factory.mktemp("certificates"))


def where(gateway: Gateway) -> str:
    return gateway.places[0].where


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_name_in_the_certificate_is_the_user(house: House, lab: Lab, host: str) -> None:
    place = lab.place(f"{host}:0")
    gateway = house.serve(Loopback(), place=place)
    with mboxio.open(f"grpc:{where(gateway)}/board/0?{lab.options()}", timeout_s=20) as client:
        assert client.request(b"hello") == b"hello"
    until(lambda: len(house.lines) == 2, "alice has gone")
    assert house.lines[0] == f"attach: alice at board, {place.where}"


@pytest.mark.parametrize(
    ("user", "ca", "gateway", "told"),
    [
        ("bob", "lab", "gateway", "'board' is not exported here to bob"),
        ("mallory", "lab", "gateway", "the gateway does not accept .*mallory.pem"),
        ("expired", "lab", "gateway", "the gateway does not accept .*expired.pem: check its dates"),
        ("alice", "stranger", "gateway", f"{NO_TLS}.*unable to get local issuer"),
        ("alice", "lab", "old", f"{NO_TLS}.*certificate has expired"),
        ("alice", "lab", "elsewhere", f"{NO_TLS}.*Hostname Verification"),
    ],
)
def test_who_is_not_accepted_is_told_why_at_once(house, lab, user, ca, gateway, told):
    gate = house.serve(Loopback(), place=lab.place(name=gateway))
    with pytest.raises(AccessDenied, match=told):
        mboxio.connect(f"grpc:{where(gate)}/board?{lab.options(user, ca)}", wait_s=20)
    assert [each.split(":")[0] for each in house.lines] == ["refuse"] * (user == "bob")
    assert not any(each.attached for each in gate.stats()["board"].users.values())


def test_without_a_certificate_nobody_is_let_in(house: House, lab: Lab) -> None:
    gateway = house.serve(Loopback(), place=lab.place())
    with pytest.raises(RemoteGone):
        mboxio.connect(f"grpc:{where(gateway)}/board?insecure=yes")
    assert not house.lines


def test_a_lost_gateway_is_found_again_and_one_that_denies_is_not(house: House, lab: Lab) -> None:
    place = where(house.serve(Loopback(), place=lab.place()))
    with mboxio.open(f"grpc:{place}/board/0?{lab.options()}", timeout_s=20) as client:
        assert client.request(b"hello") == b"hello"
        house.close()
        assert isinstance(end_met(client), RemoteGone)
        house.serve(Loopback(), place=lab.place(place))
        assert client.request(b"again", queue_timeout_s=20) == b"again"
        house.close()
        assert isinstance(end_met(client), RemoteGone)
        house.serve(Loopback(), "", place=lab.place(place))
        with pytest.raises(MailboxError, match="not exported here to alice"):
            client.request(b"denied", queue_timeout_s=0.5)
        assert sum(each.startswith("refuse") for each in house.lines) == 1


@contextmanager
def peer(act: Callable[[socket.socket], object]) -> Iterator[int]:
    """Listen at a port, and do something to all who come."""
    taken: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            taken.append(connection)
            act(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in taken:
        each.close()


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda it: it.close(), RemoteGone),
        (lambda it: (it.recv(10_000), it.send(b"\x16\3\3\0\x7a\2"), it.close()), RemoteGone),
        (lambda it: (it.recv(1), it.send(b"220 mail ESMTP\r\n")), AccessDenied),
    ],
    ids=["hangs up", "dies half-way", "speaks something else"],
)
def test_who_dies_in_the_handshake_is_gone_and_no_refusal(lab, act, kind):
    """A try that follows may find the next gateway; after a refusal none follows."""
    with peer(act) as port, pytest.raises(kind):
        mboxio.connect(f"grpc:127.0.0.1:{port}/board?{lab.options()}")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", r"TLS takes \?ca=FILE&cert=FILE&key=FILE"),
        ("ca={lab}&cert={cert}", r"TLS takes \?ca=FILE&cert=FILE&key=FILE"),
        ("ca=/none&cert={cert}&key={key}", "/none: No such file"),
        ("ca={key}&cert={cert}&key={key}", "alice.key: it has no certificate in PEM"),
        ("ca={lab}&cert={cert}&key={other}", "the key is of another certificate"),
        ("ca={lab}&cert={key}&key={cert}", "they are no certificate and no key"),
        ("insecure=yes&ca={lab}", "exclude each other"),
        ("frozen_s=0", "more than 0 seconds"),
    ],
)
def test_files_that_make_no_sense_are_told_before_anybody_is_called(lab, options, told):
    cert, key = lab.files["alice"]
    other = lab.files["bob"][1]
    made = options.format(lab=lab.authorities["lab"], cert=cert, key=key, other=other)
    with pytest.raises(AddressError, match=told):
        mboxio.connect(f"grpc:127.0.0.1/board?{made}")

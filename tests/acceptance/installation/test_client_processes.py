"""`attune up` as one process, and commands as others that know only its address and a token."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from command_hosts import ATTUNE, Machine
from databases import copy_stopped
from waiting import wait_for


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, migrated_folder: Path) -> Iterator[Machine]:
    """A machine without a database, whose variables lead to one where everything is up."""
    place = tmp_path_factory.mktemp("up")
    machine = Machine(place)
    copy_stopped(migrated_folder, place / "data")
    machine.command("python3", "Python 3.11.7")
    log = place / "up.log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    up = machine.start("up", log=log, ATTUNE__API__PORT=port)
    try:
        wait_for(lambda: "Ctrl-C" in log.read_text())
        address = re.search(r"The page: (http://\S+)\. ", log.read_text())
        assert address is not None
        client = Machine(tmp_path_factory.mktemp("far"))
        client.variables = {"ATTUNE_URL": address[1], "ATTUNE_TOKEN": (place / "data" / "token").read_text().strip()}
        yield client
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def test_the_fleet_is_seen_and_asked_from_afar(far: Machine) -> None:
    (worker,) = json.loads(far.attune("worker", "list", "--json").stdout)
    shown = far.attune("worker", "show", worker["name"])
    matched = far.attune("match", "python >=3.9")
    drained = far.attune("worker", "drain", worker["name"])
    blocked = far.attune("match", "python >=3.9")
    resumed = far.attune("worker", "resume", worker["name"])

    assert worker["status"] == "active"
    assert "python" in worker["capabilities"]["runtimes"]
    assert "verified by `python3 --version`" in shown.stdout
    assert (matched.returncode, "READY" in matched.stdout) == (0, True)
    assert drained.stdout == f"{worker['name']} drains\n"
    assert (blocked.returncode, "draining" in blocked.stdout) == (3, True)
    assert resumed.stdout == f"{worker['name']} takes work again\n"
    assert not (far.folder / "data").exists(), "no database was made here"


def test_a_definition_is_added_from_afar_and_its_history_names_the_token(far: Machine) -> None:
    added = far.attune("runtime", "add", "--from-catalogue", "ruby")
    history = json.loads(far.attune("runtime", "history", "extras.ruby", "--json").stdout)
    removed = far.attune("runtime", "remove", "extras.ruby")

    assert (added.returncode, added.stdout) == (0, "added extras.ruby\n")
    assert [one["changed_by"].startswith("attune up on ") for one in history] == [True]
    assert removed.stdout == "removed extras.ruby\n"


def test_a_token_made_from_afar_opens_as_much_as_it_should(far: Machine) -> None:
    made = json.loads(far.attune("token", "create", "reader", "--json").stdout)
    narrow = {"ATTUNE_TOKEN": made["token"]}

    assert far.attune("worker", "list", **narrow).returncode == 0
    refused = far.attune("runtime", "remove", "core.python", **narrow)
    assert (refused.returncode, "scope admin" in refused.stderr) == (1, True)
    link = far.attune("token", "link", "reader").stdout
    assert link.startswith(f"{far.variables['ATTUNE_URL']}/login?code=")
    assert far.attune("token", "revoke", "reader").returncode == 0
    ended = far.attune("worker", "list", **narrow)
    assert (ended.returncode, "does not know ATTUNE_TOKEN" in ended.stderr) == (1, True)
    assert made["token"] not in ended.stderr


def test_the_list_is_watched_from_afar_until_interrupted(far: Machine) -> None:
    terminal, inside = pty.openpty()
    watching = subprocess.Popen(
        [*ATTUNE, "worker", "list", "--watch"], env=far.environment(TERM="xterm"), stdout=inside, stderr=inside
    )
    os.close(inside)
    drawn = b""
    try:
        while drawn.count(b"active") < 2:
            assert select.select([terminal], [], [], 45)[0], drawn
            drawn += os.read(terminal, 65_536)
    finally:
        watching.send_signal(signal.SIGINT)
        code = watching.wait(60)
        os.close(terminal)

    assert code == 130
    assert b"Traceback" not in drawn


def test_an_address_where_nobody_is_ends_in_one_sentence(far: Machine) -> None:
    done = far.attune("worker", "list", ATTUNE_URL="http://127.0.0.1:1")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "attune: cannot reach the API at http://127.0.0.1:1: Connection refused",
        "try: see whether ATTUNE_URL is right, and whether the API is up: attune api start, or attune up",
    ]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate with openssl")
def test_a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_trusted(far: Machine, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    with tls_before(far.variables["ATTUNE_URL"], key, certificate) as address:
        refused = far.attune("worker", "list", ATTUNE_URL=address)
        trusted = far.attune("worker", "list", "--json", ATTUNE_URL=address, SSL_CERT_FILE=str(certificate))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"the certificate of {address} is not trusted: self-signed certificate" in refused.stderr
    assert "SSL_CERT_FILE" in refused.stderr
    assert trusted.returncode == 0, trusted.stderr
    assert len(json.loads(trusted.stdout)) == 1


class tls_before:
    """A proxy that speaks TLS and passes on what it gets."""

    def __init__(self, address: str, key: Path, certificate: Path) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._behind = (host, int(port))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listening = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._accept, daemon=True).start()
        return f"https://localhost:{self._listening.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(plain,), daemon=True).start()

    def _pass_on(self, plain: socket.socket) -> None:
        with (
            suppress(OSError),
            plain,
            self._context.wrap_socket(plain, server_side=True) as near,
            socket.create_connection(self._behind) as behind,
        ):
            back = threading.Thread(target=self._copy, args=(behind, near), daemon=True)
            back.start()
            self._copy(near, behind)
            back.join(5)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

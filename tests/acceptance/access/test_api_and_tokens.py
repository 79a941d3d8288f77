"""`attune api start`, `attune up` and `attune token …` as processes, with a client that knows only the address."""

from __future__ import annotations

import json
import re
import signal
import stat
from pathlib import Path

import httpx
import pytest

from command_hosts import Machine, free_port
from waiting import wait_for


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.usefixtures("on_database")
def test_a_token_opens_the_api_until_it_is_revoked(machine: Machine) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    api = machine.start("api", "start", ATTUNE__API__PORT=str(port))
    try:
        wait_for(lambda: _answers(f"{address}/readyz"))
        made = machine.attune("token", "create", "ci", "--scope", "operate", "--json")
        token = json.loads(made.stdout)["token"]
        opened = httpx.post(f"{address}/login", data={"token": token})
        taken = machine.attune("token", "create", "ci")
        revoked = machine.attune("token", "revoke", "ci")
        closed = httpx.post(f"{address}/login", data={"token": token})

        assert (opened.status_code, closed.status_code) == (303, 401)
        assert (taken.returncode, revoked.returncode) == (2, 0)
        assert "expected one that no live token has, got 'ci'" in taken.stderr
        assert token not in machine.attune("token", "list").stdout
        again = machine.attune("token", "revoke", "ci")
        assert (again.returncode, "expected the id or the name of a live token" in again.stderr) == (2, True)
        second = machine.attune("api", "start", ATTUNE__API__PORT=str(port))
        assert second.returncode == 2
        assert f"api.port: expected an address that is free, got 127.0.0.1:{port}" in second.stderr
    finally:
        api.send_signal(signal.SIGTERM)
        assert api.wait(60) == 0


@pytest.mark.usefixtures("installed")
def test_up_names_what_makes_a_login_link_and_keeps_its_token_to_itself(machine: Machine, tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    up = machine.start("up", log=log)
    try:
        wait_for(lambda: "Ctrl-C" in log.read_text())
        assert "/login?code=" not in log.read_text(), "the log is no terminal"
        named = re.search(r"attune token link (\d+)", log.read_text())
        assert named is not None
        entered = httpx.get(machine.attune("token", "link", named[1]).stdout.strip())
        file = tmp_path / "data" / "token"

        assert entered.status_code == 303
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() not in log.read_text()
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False

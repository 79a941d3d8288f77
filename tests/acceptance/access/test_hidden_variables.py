"""A service shows no secret variable to who looks at its process from outside, and goes on obeying its system."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from logins import Logins
from waiting import status, wait_for

SECRETS = {
    "ATTUNE_SECRETS_KEY": base64.b64encode(b"planted-planted-planted-planted-").decode(),
    "AWS_SECRET_ACCESS_KEY": "planted",
    "CACHE_URL": "redis://somebody:planted@there/",
}


@pytest.mark.parametrize(
    "program", [(sys.executable, "-m", "attune"), (str(Path(sys.executable).with_name("attune")),)]
)
def test_secret_variables_of_a_service_are_seen_by_nobody(
    program: Sequence[str], tmp_path: Path, migrated_database: str, logins: Logins
) -> None:
    secrets = {**SECRETS, "DATABASE_URL": logins.url("w1")}
    others = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NOTIFY_SOCKET": str(tmp_path / "notify")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(others["NOTIFY_SOCKET"])
        notified.settimeout(60)
        service = subprocess.Popen(
            [*program, "worker", "start", "--name", "w1"],
            env={**others, **secrets},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        try:
            assert b"READY=1" in notified.recv(1000)
            shown = Path(f"/proc/{service.pid}/environ").read_bytes()
            for value in secrets.values():
                assert value.encode() not in shown
            assert others["NOTIFY_SOCKET"].encode() in shown
            assert all("memfd" not in str(file.readlink()) for file in Path(f"/proc/{service.pid}/fd").iterdir())

            service.send_signal(signal.SIGHUP)
            wait_for(lambda: status(migrated_database) == {"w1": "active"})
            assert service.poll() is None
        finally:
            service.terminate()
            _, said = service.communicate(timeout=60)
    assert service.returncode == 0, said
    assert b"reloading" in said

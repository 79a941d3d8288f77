"""Twelve secrets around a worker and a sensor node, and a hostile program that looks for them wherever it can."""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict

from attune.host.contract.landlock import landlock_version
from waiting import wait_for
from worker_processes import ask, load_pack

PYTHON = "/usr/bin/python3"
SERVICES = pwd.getpwnam("nobody")
WORK = pwd.getpwnam("daemon")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start services of several users"),
    pytest.mark.skipif(landlock_version() < 6, reason="needs a kernel with Landlock"),
    pytest.mark.skipif(
        subprocess.run(
            [PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
        ).stdout.strip()
        != str(sys.version_info[:2]),
        reason="needs a Python of the system, of the version of this one",
    ),
]

HOSTILE = """\
import json, os, re, socket, stat, sys
WANTED = re.compile(rb"TAG-(\\d\\d)-secret|KEY")
found = {}
def take(data, place):
    for match in WANTED.finditer(data):
        found.setdefault(match[1].decode() if match[1] else "07", place)
def read(path):
    try:
        if stat.S_ISREG(os.stat(path).st_mode) or path.startswith("/proc/"):
            with open(path, "rb") as file:
                take(file.read(1 << 20), path)
    except OSError:
        pass
def memory(pid):
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as file:
            for line in maps:
                begin, end = (int(part, 16) for part in line.split()[0].split("-"))
                if "rw" in line and end - begin < 1 << 28:
                    file.seek(begin)
                    take(file.read(end - begin), f"/proc/{pid}/mem")
    except (OSError, ValueError):
        pass
for name, value in os.environ.items():
    take(value.encode(), name)
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid():
        for name in ("environ", "cmdline"):
            read(f"/proc/{pid}/{name}")
        memory(pid)
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if stat.S_ISREG(os.stat(f"/proc/{pid}/fd/{fd}").st_mode):
                read(f"/proc/{pid}/fd/{fd}")
    except OSError:
        pass
for fd in range(3, 256):
    try:
        take(os.pread(fd, 1 << 20, 0), f"descriptor {fd}")
    except OSError:
        pass
for top in (PLACE, "/etc/attune", "/var/lib/attune", os.path.expanduser("~")):
    for folder, _, names in os.walk(top):
        for name in names:
            read(os.path.join(folder, name))
with socket.socket(socket.AF_UNIX) as report:
    report.connect(PLACE + "/report")
    report.sendall(json.dumps([os.environ["RUN_BY_ATTUNE"], found]).encode())
print("hostile 1.0")
"""
VICTIM = """\
import json, os, subprocess, sys
key = json.load(sys.stdin)["key"]
with open("note", "w") as note:
    note.write(key)
subprocess.Popen(["sleep", "300"], env={"PATH": "/usr/bin:/bin", "KEY": key})
print("ready", flush=True)
os.read(os.memfd_create("never"), 1)
subprocess.run(["sleep", "300"])
"""
PACK = {
    "pack.yaml": "ref: check\nlabel: Check\nversion: 1.0.0\n",
    "actions/victim.yaml": (
        "name: victim\nlabel: Victim\nentry_point: victim.py\nruntime: python\n"
        "parameters: {key: {type: string, secret: true}}\n"
    ),
    "actions/victim.py": VICTIM,
    "actions/hostile.yaml": "name: hostile\nlabel: Hostile\nentry_point: hostile.py\nruntime: python\n",
    "sensors/hostile.yaml": (
        "name: hostile\nlabel: Hostile\nentry_point: hostile.py\nruntime: python\ntrigger: check.seen\n"
    ),
    "triggers/seen.yaml": "name: seen\nlabel: Seen\n",
    "runtimes/hostile.yaml": (
        "ref: check.hostile\nname: Hostile\ndistributions:\n  verification:\n    commands:\n"
        "      - {binary: python3, args: [PLACE/pack/actions/hostile.py], pattern: hostile, timeout_seconds: 60}\n"
    ),
}


@dataclass
class Planted:
    """A place with secrets, and the processes of the services there. *user* runs them, *run_as* runs their work."""

    place: Path
    url: str
    user: pwd.struct_passwd | None
    run_as: str | None
    reports: dict[str, dict[str, str]] = field(default_factory=dict)
    tag: str = field(default_factory=lambda: uuid4().hex[:8])  # other tests plant secrets at the same time

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def key(self) -> str:
        return base64.b64encode(f"{self.tag}-07-secret".ljust(32).encode()).decode()

    def plant(self) -> None:
        data = self.home / ".local/share/attune"
        for path, text in {
            self.home / ".config/attune/attune.yaml": f"# {self.tag}-02-secret\n",
            self.home / ".pgpass": f"h:1:d:u:{self.tag}-03-secret\n",
            self.home / "pgpass": f"h:1:d:u:{self.tag}-04-secret\n",
            data / "secrets.key": f"{self.tag}-08-secret\n",
            data / "token": f"{self.tag}-09-secret\n",
            self.home / ".bash_history": f"psql {self.tag}-12-secret\n",
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
        if self.user is not None:
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        pattern = f"{self.key[:4]}[{self.key[4]}]{re.escape(self.key[5:20])}"  # which does not find itself
        hostile = HOSTILE.replace("TAG", self.tag).replace("KEY", pattern).replace("PLACE", repr(str(self.place)))
        for name, text in {**PACK, "actions/hostile.py": hostile, "sensors/hostile.py": hostile}.items():
            (self.place / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / "pack" / name).write_text(text.replace("PLACE", str(self.place)))
        load_pack(self.url, self.place / "pack")

    def environment(self) -> dict[str, str]:
        paths = [sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("/src"))]
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "PYTHONPATH": ":".join(paths),
            "PGPASSFILE": str(self.home / "pgpass"),
            "PGPASSWORD": f"{self.tag}-05-secret",
            "ATTUNE_TOKEN": f"{self.tag}-06-secret",
            "ATTUNE_SECRETS_KEY": self.key,
            "ATTUNE_DATA_DIR": str(self.home / ".local/share/attune"),
            "ATTUNE__DETECTION__CACHE": "false",
            "ATTUNE__HOST__RUN_FOLDER": str((self.home if self.user else self.place) / "run"),
            **({"ATTUNE__HOST__RUN_AS": self.run_as} if self.run_as else {}),
        }

    @contextmanager
    def running(self, *argv: str, stdin: str = "", **variables: str) -> Iterator[subprocess.Popen[str]]:
        user = {} if self.user is None else {"user": "nobody", "group": self.user.pw_gid, "extra_groups": []}
        with (self.place / "log").open("a") as log:
            process = subprocess.Popen(
                argv,
                env={**self.environment(), **variables} if variables else {},
                cwd="/",
                text=True,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                **user,  # type: ignore[arg-type]
            )
        try:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
            yield process
        finally:
            process.kill()  # what runs is not waited for
            process.wait()

    def attune(self, *argv: str, **given: str) -> None:
        with self.running(PYTHON, "-m", "attune", *argv, **given) as process:
            assert process.wait(60) == 0, (self.place / "log").read_text()

    def listen(self, stop: ExitStack) -> None:
        """Keep what hostile programs report."""
        server = stop.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(self.place / "report"))
        (self.place / "report").chmod(0o777)
        server.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, connection.makefile("rb") as told:
                        kind, found = json.loads(told.read())
                        self.reports.setdefault(kind, {}).update(found)

        threading.Thread(target=serve, daemon=True).start()
        stop.callback(lambda: server.shutdown(socket.SHUT_RDWR))


@contextmanager
def over_tcp(url: str, password: str) -> Iterator[str]:
    """*url* for users whom the private folder of its socket keeps out, with *password*, which nobody asks for."""
    parts = conninfo_to_dict(url)
    path = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    server = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def join(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as inside:
            inside.connect(path)
            back = threading.Thread(target=copy, args=(inside, client))
            back.start()
            copy(client, inside)
            back.join()

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=join, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        user, port = parts["user"], server.getsockname()[1]
        yield f"postgresql://{user}:{password}@127.0.0.1:{port}/{parts['dbname']}?sslmode=disable"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


ARGUMENTS = {"11": r"/proc/\d+/cmdline"}  # which every user of a host can read
ENVIRONMENTS = {"10": r"/proc/\d+/environ"}  # which root can read, on some kernels
OF_THE_USER = {"02", "03", "04", "08", "09", "10", "12"}
"""What a sensor reads where its user can: it runs for so long that nothing is hidden from it by Landlock."""


@pytest.mark.parametrize(
    ("user", "run_as", "of_sensors"),
    [(SERVICES, None, OF_THE_USER), (None, WORK.pw_name, set()), (None, None, OF_THE_USER)],
    ids=["a user", "root, with host.run_as", "root"],
)
def test_no_secret_reaches_work_that_was_not_given_it(
    migrated_database: str, user: pwd.struct_passwd | None, run_as: str | None, of_sensors: set[str]
) -> None:
    place = Path(tempfile.mkdtemp(prefix="attune-test-", dir="/var/lib"))
    place.chmod(0o755)
    with ExitStack() as stop:
        stop.callback(shutil.rmtree, place)
        planted = Planted(place, migrated_database, user, run_as)
        secret = "{}-{}-secret".format
        url = stop.enter_context(over_tcp(migrated_database, secret(planted.tag, "01")))
        planted.plant()
        planted.listen(stop)
        planted.attune("secret", "set", "theirs", stdin=secret(planted.tag, "10"), DATABASE_URL=url)
        stop.enter_context(planted.running(PYTHON, "-c", "import time; time.sleep(300)", secret(planted.tag, "11")))
        start = lambda *argv: stop.enter_context(planted.running(PYTHON, "-m", "attune", *argv, DATABASE_URL=url))  # noqa: E731
        start("worker", "start", "--name", "w1")
        ask(migrated_database, [("check.victim", {"key": "secret:theirs"})])
        # folders come and go meanwhile, which `os.walk` takes as it is
        notes = lambda: [Path(folder, "note") for folder, _, files in os.walk(place) if "note" in files]  # noqa: E731
        wait_for(lambda: any(file.read_text() == secret(planted.tag, "10") for file in notes()))
        planted.reports.clear()
        start("worker", "start", "--name", "w2")
        wait_for(lambda: "check" in planted.reports)
        ask(migrated_database, [("check.hostile", {})])
        wait_for(lambda: "action" in planted.reports)
        start("sensor", "start", "--name", "s1")
        wait_for(lambda: "sensor" in planted.reports)
        assert notes()

    for kind in ("check", "action"):
        found = planted.reports[kind]
        known = ARGUMENTS if user or run_as else {**ARGUMENTS, **ENVIRONMENTS}
        assert "11" in found
        assert all(re.fullmatch(known.get(number, "nowhere"), at) for number, at in found.items()), (kind, found)
    assert {*planted.reports["sensor"]} == {"11", *of_sensors}

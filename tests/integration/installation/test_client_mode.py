"""The same commands on the database and on the API: the same words, the same JSON, the same exit codes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from attune.cli.main import run
from attune.composition.installation import api_warnings
from attune.config import load_settings
from attune.core.access.tokens import Scope
from databases import create_database, drop_database
from filled_database import HOSTILE, inhabit
from live_api import Live, live_api
from pack_folders import write_pack
from reference_pages import ON_THE_DATABASE, ON_THIS_MACHINE, command_names

RUBY = """
ref: acme.ruby2
name: Ruby
distributions: {verification: {commands: [{binary: ruby, args: [--version]}]}}
"""
BAD = RUBY.replace("binary: ruby", "binary: bin/ruby")
READING = [
    "worker list", "worker list --json", "worker show w1", "worker show w1 --json", "worker show w2", "worker show w9",
    f"worker show {HOSTILE}", "sensor list", "sensor list --json", "sensor show s1", "sensor show w1",
    "runtime list", "runtime list --json", "runtime show core.python", "runtime show core.python --json",
    "runtime show acme.ruby", "runtime show acme.rubi", "runtime show ..", "runtime show a/b?c#d%2e",
    "runtime history acme.ruby", "runtime history acme.ruby --json", "runtime history acme.no",
    "runtime check core.shell --json",
    "match|python >=3.9", "match|python >=3.9|--json", "match|python|--tolerate|gpu-only|--prefer|zone=eu *5",
    "match|python|--tolerate|gpu-only|--json|--limit|1", "match|python >=4", "match|node|--role|sensor",
    "match|py~thon", "match|zone=eu|tolerates gpu-only|--json",
    "token revoke nobody",
    "pack show nothing", "pack list", "trigger list", "rule list", "rule show a/b?c", "event list", "event show 9",
    "event list --trigger acme.no", "sensor definitions", "sensor definitions --json", "event send acme.no",
    "action list", "action list --json", "action show acme.act", "action show acme.act --json", "action show ..",
    "execution list", "execution list --json", "execution show 1", "execution show 1 --json", "execution logs 1",
    "execution logs 2", "execution show 99", "execution logs 99", "dead-letter list",
]  # fmt: skip
CHANGING = [
    "worker drain w1", "worker list --json", "worker drain w2", "worker resume w1", "worker resume w1",
    "worker reload w1", "worker reload w2", "worker remove w1", "worker remove w2", "worker remove w2",
    "worker remove w1 --force", "worker list --json", "sensor drain s1", "sensor remove s1", "sensor drain w1",
    "runtime add ruby.yaml", "runtime add ruby.yaml", "runtime load ruby.yaml", "runtime load bad.yaml",
    "runtime show acme.ruby2 --json", "runtime remove acme.ruby2", "runtime remove acme.ruby2",
    "runtime add --from-catalogue ruby", "runtime list",
    "token create ci --scope operate --expires 1h --json", "token create ci", "token create| x", "token revoke ci",
    "token revoke ci", "secret remove db", "secret set db --from-file value.txt", "secret list --json",
    "secret set d|b --from-file value.txt", "secret|set|a b|--from-file|value.txt", "secret remove db", "secret list",
    "dead-letter list", "dead-letter list --json", "dead-letter replay", "dead-letter replay 999",
    "dead-letter remove 901", "dead-letter remove 901", "dead-letter list",
    "pack check pack", "pack check pack --json", "pack check broken", "pack check broken --json", "pack load broken",
    "pack load pack", "pack load pack --json", "pack list", "pack list --json", "pack show img", "pack show img --json",
    "pack show imh", "pack remove core", "trigger list", "trigger list --json", "rule list", "rule list --json",
    "rule show img.shrink", "rule show img.shrink --json", "rule disable img.shrink", "rule enable img.no",
    "event send img.made -p width:=3", "event send img.made -p width=three", "event send img.no", "event list --json",
    "event show 1", "event show 1 --json", "rule enable img.shrink", "event send img.made -p width:=3 --json",
    "event list", "event list --trigger img.made --limit 1", "sensor definitions", "sensor definitions --json",
    "sensor disable img.ticks", "sensor enable img.tick", "sensor definitions", "sensor enable img.ticks",
    "sensor move img.ticks --to s1", "sensor move img.ticks --to s9", "sensor move img.no", "sensor definitions",
    "action run img.resize -p width:=3", "action run img.resize -p width=x", "action pause img.resize", "action list",
    "action resume img.resize", "fleet pause", "fleet resume", "execution cancel 5", "execution cancel 5",
    "execution retry 5", "execution list", "pack remove img", "pack remove img --cancel-waiting", "pack remove img",
    "pack load other --cancel-waiting", "pack remove other",
]  # fmt: skip


ELSEWHERE = [
    "audit list",
    "token list",
    "token link",
    "detect",
    "doctor",
    "status",
    "sensor reload",
    "sensor resume",
]  # below, and of other tests


@dataclass
class Places:
    """Two databases with the same rows; the second is served."""

    direct: str
    served: str
    live: Live


@pytest.fixture(scope="module")
def places(server_url: str, template_database: str) -> Iterator[Places]:
    first = create_database(server_url, template=template_database)
    inhabit(first)
    second = create_database(server_url, template=str(conninfo_to_dict(first)["dbname"]))
    with live_api(second) as live:
        yield Places(first, second, live)
    for url in (first, second):
        drop_database(server_url, url)


Said = tuple[int, str, str]


@pytest.fixture
def on_database(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Said]:
    def asked(command: str) -> Said:
        with monkeypatch.context() as patch:
            patch.setenv("DATABASE_URL", places.direct)
            return said(command, capsys)

    return asked


@pytest.fixture
def over_http(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Said]:
    def asked(command: str, scope: Scope = Scope.ADMIN) -> Said:
        with monkeypatch.context() as patch:
            patch.setenv("ATTUNE_URL", f"{places.live.address}/")
            patch.setenv("ATTUNE_TOKEN", places.live.tokens[scope])
            return said(command, capsys)

    return asked


def said(command: str, capsys: pytest.CaptureFixture[str]) -> Said:
    code = run(command.split("|") if "|" in command else command.split())
    output = capsys.readouterr()
    return code, unaged(output.out), unaged(output.err)


def unaged(text: str) -> str:
    """*text* without what differs from one second, one token or one connection to the next."""
    text = re.sub(r'("(heartbeat_age|duration_ms)": )[0-9.e-]+', r"\1…", text)
    text = re.sub(r'("(waited|ran|seconds|retry_(max_)?delay_seconds)": )[0-9.]+', r"\1…", text)
    text = re.sub(r'("token": |)"?attune_[\w-]+"?', r"\1…", text)
    text = re.sub(
        r'"(last_heartbeat|since|checked_at|at|created|updated|expires|revoked|last_used)": ("[^"]*"|[0-9.]+)',
        r'"\1": …',
        text,
    )
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "when", text)
    text = re.sub(r"\b1000\d{3}\b", "id", text)
    text = re.sub(r"\b[\d.]+(ms| ms|s| s)\b *", "some s ", text)  # with its padding: 9 s may be 10 s a moment later
    return re.sub(r'"created_by": "[^"]*"|"changed_by": "[^"]*"', "who", text)


@pytest.mark.parametrize("command", READING)
def test_what_is_read_is_the_same(
    on_database: Callable[[str], Said], over_http: Callable[[str], Said], command: str
) -> None:
    for _ in range(3):  # a node may be missed between the two
        direct, http = on_database(command), over_http(command)
        if http == direct:
            break

    assert http == direct
    assert direct[1] or direct[0] == 2 or "logs" in command


def test_what_is_changed_is_the_same(
    places: Places,
    on_database: Callable[[str], Said],
    over_http: Callable[[str], Said],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ATTUNE_SECRETS_KEY", base64.b64encode(bytes(32)).decode())
    for url in (places.direct, places.served):
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO dead_letter (id, kind, source, body, reason, sqlstate)"
                " VALUES (901, 'output', '1', '{\"execution\": 1, \"attempt\": 1}', 'no', '22001')"
            )
    Path("value.txt").write_text("correct horse")
    Path("ruby.yaml").write_text(RUBY)
    Path("bad.yaml").write_text(BAD)
    write_pack(Path("pack"))
    write_pack(Path("broken"), {"rules/shrink.yaml": "name: shrink\nlabel: Shrink\n"})
    write_pack(Path("other"), {"pack.yaml": "ref: other\nlabel: Other\nversion: 1.0.0\n"})
    for command in CHANGING:
        direct, http = on_database(command), over_http(command)

        assert http == direct, command


@pytest.mark.parametrize("by", ["on_database", "over_http"])
def test_the_audit_is_listed(by: str, request: pytest.FixtureRequest) -> None:
    ask: Callable[[str], Said] = request.getfixturevalue(by)
    ask("token create audited")
    ask("token revoke audited")

    code, text, _ = ask("audit list --action api_token --limit 1")
    head, _, line = text.partition("\n")
    assert (code, head.split()) == (0, ["WHEN", "WHO", "ACTION", "RESULT", "FROM"])
    assert "UPDATE api_token" in line.replace("\n", " ")
    assert max(map(len, text.splitlines())) <= 80
    record = ask("audit list --action api_token --limit 1 --json")[1]
    assert ('"login": "attune"' in record, '"revoked": [' in record) == (True, True)
    assert ask("audit list --who nobody-at-all")[1] == "The audit has no such line.\n"
    assert ask("audit list --since never")[0] == ask("audit list --result maybe")[0] == 2


@pytest.mark.parametrize(
    ("command", "scope", "says", "hint"),
    [
        ("sensor drain s1", Scope.READ, "a token with scope operate, got 'live read' with scope read", "operate"),
        ("runtime remove acme.ruby", Scope.OPERATE, "expected a token with scope admin, got 'live operate'", "admin"),
        ("token list", Scope.OPERATE, "expected a token with scope admin", "admin"),
    ],
)
def test_too_narrow_a_token_is_told_with_the_scope_it_takes(
    over_http: Callable[..., Said], command: str, scope: Scope, says: str, hint: str
) -> None:
    code, out, err = over_http(command, scope)

    assert (code, out) == (1, "")
    assert err.startswith("attune: ATTUNE_TOKEN does not open this: ")
    assert says in err
    assert f"try: attune token create NAME --scope {hint}\n" in err


def test_every_command_is_held_to_its_line_in_the_reference() -> None:
    tested = {command.replace("|", " ") for command in (*READING, *CHANGING, *ELSEWHERE)}
    silent = [
        name
        for name in command_names()
        if name not in (*ON_THE_DATABASE, *ON_THIS_MACHINE) and not any(it.startswith(name) for it in tested)
    ]

    assert silent == []


WITH_A_FILE = {"db dump": "db dump x.dump", "db restore": "db restore /etc/hostname"}


@pytest.mark.parametrize("command", [*(WITH_A_FILE.get(it, it) for it in ON_THE_DATABASE), "db migrate --sql"])
def test_what_needs_the_database_itself_says_so(over_http: Callable[[str], Said], command: str) -> None:
    code, out, err = over_http("db grant x" if command == "db grant" else command)

    assert (code, out) == (2, "")
    assert "this works on the database itself, and the settings name only the API at http://127.0.0.1:" in err
    assert "try: set DATABASE_URL or, for the embedded database of this machine, unset ATTUNE_URL" in err


def test_detect_reads_its_definitions_over_the_api(over_http: Callable[[str], Said]) -> None:
    code, out, _ = over_http("detect --json --only acme.ruby")

    assert (code, '"source": "database"' in out, '"ref": "acme.ruby"' in out) == (0, True, True)


def test_the_doctor_knows_of_the_api(over_http: Callable[[str], Said]) -> None:
    _, out, _ = over_http("doctor")

    assert "commands talk to the API at http://127.0.0.1:" in out
    assert "definitions are valid" in out


def test_without_a_token_nothing_is_sent(places: Places, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("ATTUNE_URL", places.live.address)
    code, out, err = said("worker list", capsys)

    assert (code, out) == (2, "")
    assert f"api.token: expected a token for the API at {places.live.address}, got none" in err
    assert "attune token create NAME" in err


def test_a_revoked_token_is_told(places: Places, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("ATTUNE_URL", places.live.address)
    monkeypatch.setenv("ATTUNE_TOKEN", "attune_no-such-token")
    code, out, err = said("runtime list", capsys)

    assert (code, out) == (1, "")
    assert "does not know ATTUNE_TOKEN" in err
    assert "no-such-token" not in err


def test_a_configured_database_wins_and_says_so_once(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", places.direct)
    monkeypatch.setenv("ATTUNE_URL", "http://127.0.0.1:9/")
    code, _, err = said("runtime remove acme.none", capsys)

    assert code == 2
    assert err.count("database.url and api.url are both set; the database is used") == 1


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://attune.example", True), ("http://10.0.0.7:8420", True), ("http://localhost.evil.example", True),
        ("http://localhost:8420", False), ("http://127.0.0.9", False), ("http://[::1]:1", False),
        ("https://attune.example", False), ("http://a.localhost", False),
    ],
)  # fmt: skip
def test_a_token_in_the_clear_beyond_this_machine_is_warned_of(url: str, warned: bool) -> None:
    settings = load_settings({"ATTUNE_URL": url}, Path())

    assert [one for one in api_warnings(settings) if "not encrypted" in one] == api_warnings(settings)
    assert bool(api_warnings(settings)) == warned

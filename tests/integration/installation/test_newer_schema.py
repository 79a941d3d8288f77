"""A schema that is newer than the program is refused by every command."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from attune.cli.main import run
from databases import create_database, drop_database
from reference_pages import ON_THE_DATABASE, ON_THIS_MACHINE, command_names

RUBY = """
ref: acme.ruby
name: Ruby
distributions: {verification: {commands: [{binary: ruby, args: [--version]}]}}
"""
WORDS = {
    "action run": "core.no", "action show": "core.no", "action pause": "core.no", "action resume": "core.no",
    "dead-letter remove": "1", "event send": "core.no", "event show": "1", "execution cancel": "1",
    "execution logs": "1", "execution retry": "1", "execution show": "1", "match": "python", "pack load": ".",
    "pack remove": "img", "pack show": "img", "runtime add": "--from-catalogue ruby", "runtime history": "core.python",
    "runtime load": "ruby.yaml", "runtime preview": "ruby.yaml", "runtime remove": "core.python",
    "runtime show": "core.python", "secret remove": "db", "secret set": "db --from-file value.txt",
    "token create": "ci", "token link": "ci",
    "token revoke": "ci", "db grant": "x", "trigger show": "img.made", "rule show": "img.shrink",
    "rule enable": "img.shrink", "rule disable": "img.shrink", "sensor enable": "img.ticks",
    "sensor disable": "img.ticks", "sensor move": "img.ticks", "sensor show": "img.ticks", "db dump": "x.dump",
}  # fmt: skip
TELL_IT = {"db status", "doctor", "status"}  # as what they find
# Of the schema: a session for whoever repairs it, a folder that is read, and a dump that replaces whatever there is.
ASK_NOTHING = {"db url", "db shell", "pack check", "db restore"}


@pytest.fixture(scope="module")
def newer(server_url: str, template_database: str) -> Iterator[str]:
    url = create_database(server_url, template=template_database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '20260101000001_another_branch'")
    yield url
    drop_database(server_url, url)


NAMES = sorted({*command_names(), "up"} - {*ON_THIS_MACHINE, *ASK_NOTHING} | {*ON_THE_DATABASE} - ASK_NOTHING)


@pytest.mark.parametrize("name", NAMES)
def test_a_newer_schema_is_refused_in_one_sentence(
    name: str, newer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", newer)
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "value.txt").write_text("x")
    (tmp_path / "ruby.yaml").write_text(RUBY)
    kind, _, verb = name.partition(" ")
    of_node = kind in ("worker", "sensor") and verb not in ("definitions", "list", "start")
    code = run([*name.split(), *WORDS.get(name, "w1" if of_node else "").split()])
    output = capsys.readouterr()
    said = "the database is of a newer Attune: it is at 20260101000001_another_branch, this one knows 20"

    assert said in (output.out if name in TELL_IT else output.err)
    assert code == (0 if name == "db status" else 1)

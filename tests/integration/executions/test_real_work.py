"""Tools of every day do their work under all protections: confined, without new privileges, with the node's caches."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from attune.core.executions.work import Work
from attune.core.runtimes.command import Command
from attune.host.contract.execution_contract import default_contract
from attune.host.executions.runner import HostWorkRunner
from attune.host.probing.assemble import HostOptions, assemble
from host_checks import run_all

pytestmark = pytest.mark.anyio

WHEEL = """\
import zipfile
with zipfile.ZipFile("p-1-py3-none-any.whl", "w") as wheel:
    wheel.writestr("p.py", "x = 42")
    wheel.writestr("p-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: p\\nVersion: 1\\n")
    wheel.writestr("p-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("p-1.dist-info/RECORD", "")
"""
JAVA = 'public class A { public static void main(String[] a) { System.out.println("answer " + 42); } }'
WORK = {
    "python3": f"""\
cat > w.py <<'END'
{WHEEL}END
python3 w.py && python3 -m venv v && v/bin/pip install --no-index ./p-1-*.whl
v/bin/python -c 'import p; print("answer", p.x)'
""",
    "npm": """printf '{"name":"n","version":"4.2.0"}' > package.json && npm pack && echo answer 42 $(ls n-4.2.0.tgz)""",
    "node": "node -e \"new (require('worker_threads').Worker)('console.log(\\'answer 42\\')', {eval: true})\"",
    "javac": f"cat > A.java <<'END'\n{JAVA}\nEND\njavac A.java && java A",
    "git": """\
git init -q g && cd g && git config user.email a@b && git config user.name n
git commit -q --allow-empty -m 'answer 42' && git log --oneline
""",
    "cargo": "cargo init -q --vcs none --name c c; cd c; cargo build -q --offline && ./target/debug/c; echo answer 42",
    "go": """\
go mod init x && printf 'package main\\nfunc main() { println(42) }' > x.go && go build && ./x && echo answer 42
""",
    "ruby": 'ruby -e \'require "tempfile"; Tempfile.create { puts "answer 42" }\'',
    "perl": "perl -MFile::Temp=tempfile -e 'tempfile(); print \"answer 42\"'",
    "bash": 'bash -c \'cat <(echo answer) <<< 1; echo 42 > "$(mktemp)"; printf "answer 42" | tee /dev/null\'',
    "sqlite": 'python3 -c \'import sqlite3; sqlite3.connect("a.db").execute("create table t(a)"); print("answer 42")\'',
    "multiprocessing": "python3 -c 'import multiprocessing as m; print(\"answer\", m.Pool(2).map(abs, [-42])[0])'",
}
MANAGED = {"pyenv": "python3", "rustup": "cargo", "mise": "mise", "corepack": "corepack"}
STRAY = {
    ".python-version": "2.7.18",
    ".tool-versions": "python 2.7.18\nrust 1.0.0",
    "rust-toolchain.toml": '[toolchain]\npath = "/nowhere"',
    "package.json": '{"packageManager": "yarn@9.9.9"}',
    ".nvmrc": "0.10",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("tool", WORK)
async def test_a_tool_does_its_work_under_all_protections(tool: str, tmp_path: Path) -> None:
    if tool in ("npm", "node", "javac", "git", "cargo", "go", "ruby", "perl") and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    script = tmp_path / "work.sh"
    script.write_text(f"set -e\n{WORK[tool]}\n")
    contract = replace(default_contract(os.environ), confined=True, cache_folder=str(tmp_path / "cache"))
    printed = []

    async def output(stream: str, text: str) -> None:
        printed.append(text)

    outcome = await HostWorkRunner(contract).run(Work(script, "/bin/sh", timeout_seconds=120), output)

    assert outcome.succeeded, (outcome.reason, "".join(printed))
    assert "answer" in "".join(printed)
    assert "42" in "".join(printed)


@pytest.mark.parametrize("manager", MANAGED)
async def test_the_version_of_the_verdict_is_what_work_gets(
    manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = MANAGED[manager]
    if shutil.which(manager) is None or shutil.which(command) is None:
        pytest.skip(f"{manager} is not installed")
    for name, text in STRAY.items():  # where the service was started
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    contract = replace(default_contract(os.environ), confined=True, cache_folder=str(tmp_path / "cache"))
    checks = assemble(os.environ, HostOptions(contract=contract))
    lines = {"it": Command((command, "--version"), 60.0)}
    verified = (await asyncio.to_thread(run_all, checks.runner, lines))["it"]
    script = tmp_path / "version.sh"
    script.write_text(f"exec {verified.path} --version")
    printed = []

    async def output(stream: str, text: str) -> None:
        printed.append(text)

    outcome = await HostWorkRunner(contract).run(Work(script, "/bin/sh", timeout_seconds=60), output)

    assert (verified.exit_code, outcome.exit_code) == (0, 0)
    assert "".join(printed) == verified.stdout

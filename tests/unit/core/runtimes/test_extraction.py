"""Which version is read from what programs print."""

from __future__ import annotations

import re
import time

import pytest

from attune.core.runtimes.extraction import displayed_version, extract_version

# What a command printed, a pattern that a definition may have (None: no pattern), and the version it shows.
SAMPLES = [
    ("Python 3.11.7", "Python 3\\.", "3.11.7"),
    ("v20.20.2", "^v\\d", "20.20.2"),
    (
        'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6-Debian-1deb12u1)',
        "openjdk version",
        "17.0.15",
    ),
    ('java version "1.8.0_392"\nJava(TM) SE Runtime', "java version", "8.0.392"),
    ("go version go1.26.8 linux/amd64", "go version", "1.26.8"),
    ("ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]", "ruby \\d+\\.\\d+", "3.1.2"),
    ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\nCopyright (C) 2022", "GNU bash", "5.2.15"),
    (
        "\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux-gnu\n(with 54 patches)\n",
        "perl 5",
        "5.36.0",
    ),
    ('R version 4.2.2 Patched (2022-11-10 r83330) -- "Innocent and Trusting"', "R version", "4.2.2"),
    ("PHP 8.2.28 (cli) (built: Mar 13 2025 18:21:38) (NTS)", "PHP", "8.2.28"),
    ("8.0.408", "^\\d", "8.0.408"),
    ("Python 3.13.0rc1", "Python 3", "3.13.0rc1"),
    ("psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "PostgreSQL", "15.18"),
    ("Docker version 28.2.2, build e6534b4", "Docker version", "28.2.2"),
    (
        "\x1b[1mApache Maven 3.8.7\x1b[m\nMaven home: /usr/share/maven\nJava version: 17.0.15, vendor: Debian",
        "Apache Maven",
        "3.8.7",
    ),
    ("warning: foo 1.2 is deprecated\nnode: v1\nPython 3.11.7", "Python 3", "3.11.7"),
    ("jq-1.6", "jq", "1.6"),
    ("Lua 5.4.4  Copyright (C) 1994-2022 Lua.org, PUC-Rio", "Lua", "5.4.4"),
    (
        "ffmpeg version 5.1.6-0+deb12u1 Copyright (c) 2000-2024\nbuilt with gcc 12 (Debian 12.2.0-14)",
        "ffmpeg",
        "5.1.6",
    ),
    ("Client Version: v1.28.2\nKustomize Version: v5.0.4", "Client", "1.28.2"),
    (
        "Terraform v1.5.7\non linux_amd64\n\nYour version of Terraform is out of date! The latest version\nis 1.9.0.",
        "Terraform",
        "1.5.7",
    ),
    ("PowerShell 7.4.1", "PowerShell", "7.4.1"),
    ("deno 1.40.2 (release, x86_64-unknown-linux-gnu)\nv8 12.1.285.6\ntypescript 5.3.3", "deno", "1.40.2"),
    ("cargo 1.75.0 (1d8b05cdd 2023-11-20)", "cargo", "1.75.0"),
    (
        'Picked up JAVA_TOOL_OPTIONS: -Dfoo=1.2.3\nopenjdk version "21" 2023-09-19\nOpenJDK (build 21+35-2513)',
        "openjdk",
        "21",
    ),
    ("8.6.13", None, "8.6.13"),
    ("gcc (Debian 12.2.0-14) 12.2.0\nCopyright", "gcc", "12.2.0"),
    ("GNU Make 4.3", "GNU Make", "4.3"),
    ("OpenSSL 3.0.15 3 Sep 2024 (Library: OpenSSL 3.0.15 3 Sep 2024)", "OpenSSL", "3.0.15"),
    ("3.40.1 2022-12-28 14:03:47 df5c253c0b3dd24916e4ec7cf77d3db5294cc9fd45ae7b9c5e82ad8197f3alt1", "^\\d", "3.40.1"),
    ("Ruby 3.3.0preview2", "Ruby", "3.3.0preview2"),
    ("tmux 3.3a", "tmux", "3.3a"),
    ("OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19 27 Jan 2026", "OpenSSH", "9.2"),
    ("aws-cli/1.45.11 Python/3.11.7 Linux/6.18.44-fc-v769 botocore/1.43.11", "aws-cli", "1.45.11"),
    ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.19 zlib/1.2.13", "curl", "7.88.1"),
    ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "Redis", "7.0.15"),
    ("gcc (crosstool-NG 1.24.0) 10.2.0", "gcc", "10.2.0"),
    (
        "openjdk 17.0.8.1 2023-08-24\nOpenJDK Runtime Environment Temurin-17.0.8.1+1 (build 17.0.8.1+1)",
        "openjdk",
        "17.0.8.1",
    ),
    (
        'openjdk version "21" 2023-09-19\nOpenJDK Runtime Environment GraalVM CE 21+35.1 (build 21+35-jvmci-23.1-b15)',
        "openjdk",
        "21",
    ),
    ('java version "1.8.0"', "java", "8.0.0"),
    ("openjdk 21 2023-09-19", "openjdk", "21"),
    ("openjdk 22-ea 2024-03-19", "openjdk", "22-ea"),
    ("psql (PostgreSQL) 17beta1", "psql", "17beta1"),
    ("psql (PostgreSQL) 17devel", "psql", "17devel"),
    ("Swift version 5.9.2 (swift-5.9.2-RELEASE)\nTarget: x86_64", "Swift version", "5.9.2"),
    ("swift-driver version: 1.87.3 Apple Swift version 5.9.2 (swiftlang-5.9.2.2.56)", "Swift version", "5.9.2"),
    (
        'Client Version: version.Info{Major:"1", Minor:"20", GitVersion:"v1.20.2", GoVersion:"go1.15.5"}',
        "Client Version",
        "1.20.2",
    ),
    ("git version 2.39.5 (Apple Git-154)", "git version", "2.39.5"),
    ("git version 2.39.1.windows.1", "git version", "2.39.1"),
    ("Version: ImageMagick 7.1.1-29 Q16-HDRI x86_64 21991 https://imagemagick.org", "ImageMagick", "7.1.1"),
    ("v3.14.0+g3fc9f4b", "v3", "3.14.0"),
    ("ansible [core 2.14.3]\n  config file = None\n  python version = 3.11.2 (main)", "ansible", "2.14.3"),
    ("Scala code runner version 3.3.1 -- Copyright 2002-2023, LAMP/EPFL", "Scala", "3.3.1"),
    ("Kotlin version 1.9.22-release-704 (JRE 17.0.9+9-Ubuntu)", "Kotlin", "1.9.22"),
    ("rsync  version 3.2.7  protocol version 31", "rsync", "3.2.7"),
    (
        "pip 23.2.1 from /opt/pyenv/versions/3.11.7/lib/python3.11/site-packages/pip (python 3.11)",
        "pip",
        "23.2.1",
    ),
    ("Debian clang version 14.0.6", "clang", "14.0.6"),
    ("Python 3.\x1b[1m11\x1b[0m.7", "Python", "3.11.7"),
]

# Without a pattern, and as they were read wrongly.
SAMPLES += [
    ("LibreOffice 7.4.7.2 40(Build:2)", "LibreOffice", "7.4.7.2"),
    ("pandoc 3.1.11.1\nFeatures: +server +lua", "pandoc", "3.1.11.1"),
    ("IBM MQ 9.3.0.15", "IBM MQ", "9.3.0.15"),
    ("X 1.2.3.4 (lib 9.9.9)", "X", "1.2.3.4"),
    ("Version: 10.3.6.0 (build 9.9.9)", "Version", "10.3.6.0"),
    ("WebLogic Server version 10.3.6.0", "WebLogic", "10.3.6.0"),
    ("HIP version: 5.7.31921-d1770ee1b\nAMD clang version 17.0.0 (https://github.com/x)", "HIP", "5.7.31921"),
    ("ffmpeg version n7.1.1 Copyright (c) 2000-2025", "ffmpeg", "7.1.1"),
    ("R version 4.5.0 RC (2025-04-04 r88103)", "R version", "4.5.0 RC"),
    ("Google Chrome 121.0.6167.16 beta ", "Chrome", "121.0.6167.16 beta"),
    ("gcc (GCC) 14.0.1 20240411 (experimental)", "gcc", "14.0.1 20240411 (experimental)"),
    ("git version 2.48.0.rc1", "git", "2.48.0.rc1"),
    ("GNU bash, version 5.3.0(1)-rc2 (x86_64-pc-linux-gnu)", "GNU bash", "5.3.0(1)-rc2"),
    ('openjdk version "21-beta" 2023-09-19', "openjdk", "21-beta"),
    ("v20.0.0-v8-canary20230301abcdef0123", "v20", "20.0.0-v8-canary20230301abcdef0123"),
    ("openjdk 11.0.6 2020-01-14", "openjdk", "11.0.6"),
    ("clang version 19.0.0git (https://github.com/llvm/llvm-project.git abc)", "clang", "19.0.0git"),
]

NO_VERSION = [
    "2025-04-15",
    "built 2025-04-15 14:03:47.123",
    "connected to 8.8.8.8",
    "resolved via 9.9.9.9, peer: 1.1.1.1",
    "host 10.1.2.3",
    "listening on 127.0.0.1:8080",
    "/usr/lib/python3.11/foo-1.2.3/bin",
    "warning: foo 1.2.3 is deprecated",
    "took 0.35s",
    "",
    "ok",
    "Usage: foo [options]",
    "Copyright 2022 Foo",
    "15.04.2025",
    "1" * 100_000,
    "1." * 100_000,
]

UNGUIDED = [
    ("25", "25"),
    ("10%\rfoo 1.2.3\r", "1.2.3"),
    ("npm notice New minor version of npm available! 10.2.4 -> 10.5.0\n10.2.4", "10.2.4"),
    ("Release 2.0.1 - see https://x.org/9.9", "2.0.1"),
    ("yt 2025.01.15", "2025.01.15"),
]


def shown(output: str, pattern: str | None) -> str | None:
    if pattern is None:
        return extract_version(output)
    match = re.search(pattern, output, re.MULTILINE)
    assert match is not None
    return extract_version(output, match_start=match.start())


@pytest.mark.parametrize(("output", "pattern", "version"), SAMPLES)
def test_the_version_is_read_where_the_pattern_matched(output: str, pattern: str | None, version: str) -> None:
    assert shown(output, pattern) == version


@pytest.mark.parametrize(("output", "version"), [(output, version) for output, _, version in SAMPLES] + UNGUIDED)
def test_the_version_is_read_without_a_pattern_too(output: str, version: str) -> None:
    assert shown(output, None) == version


@pytest.mark.parametrize(("output", "version"), [(output, version) for output, _, version in SAMPLES])
def test_warnings_before_and_lines_after_change_nothing(output: str, version: str) -> None:
    noise = "warning: libfoo 9.9.9 is deprecated\nNOTICE: a newer version 10.0.0 is available\n"

    assert shown(noise + output + "\nCopyright (C) 2022 Someone\n", None) == version


@pytest.mark.parametrize("output", NO_VERSION)
def test_dates_addresses_paths_and_warnings_are_no_versions(output: str) -> None:
    started = time.thread_time()

    assert extract_version(output) is None
    assert time.thread_time() - started < 20


@pytest.mark.parametrize(
    ("output", "pattern", "version"),
    [
        ("foo 1.2 uses bar 3.4", "bar", "3.4"),
        ("foo 1.2 (bar)", "bar", "1.2"),
        ("MongoDB shell\nBuild 5.0.3\nOpenSSL 1.1.1w", "OpenSSL", "1.1.1w"),
        ("5.0.3 MongoDB shell\nOpenSSL 1.1.1w", "MongoDB", "5.0.3"),
        ("20.20.2", r"20\.2", "20.20.2"),
        ("v20.20.2", r"\d+", "20.20.2"),
        ("Foo\n\n  release: 2.1\n", "Foo", "2.1"),
        ("2.1\nFoo", "Foo", "2.1"),
        ("\n\n  Foo 2.1", "", "2.1"),
        ("Foo at 10.0.0.1:80 is 2.1", "Foo", "2.1"),
        ("warning: Foo 2.1 is old", "Foo", "2.1"),
    ],
)
def test_the_place_of_the_match_decides_between_several_numbers(output: str, pattern: str, version: str) -> None:
    assert shown(output, pattern) == version


@pytest.mark.parametrize(
    ("text", "displayed"),
    [
        ("v1.2.3", "1.2.3"),
        (" 1.8.0_392\n", "8.0.392"),
        ("3.1.2p20", "3.1.2"),
        ("\x1b[32m3.11.7\x1b[0m", "3.11.7"),
        ("stable", "stable"),
        ("R16B03", "R16B03"),
        ("", ""),
    ],
)
def test_a_named_group_is_shown_normalised_or_as_it_is(text: str, displayed: str) -> None:
    assert displayed_version(text) == displayed


def test_ansi_sequences_and_hyperlinks_do_not_split_a_version() -> None:
    assert extract_version("\x1b]8;;https://x.org/9.9\x07Foo\x1b]8;;\x07 \x1b[1;31m2\x1b[0m.\x1b[4m5\x1b[m") == "2.5"


def test_a_flood_of_text_is_read_in_linear_time() -> None:
    flood = "\x1b[1m" * 10_000 + "(" * 30_000 + "foo bar 1.2.3.4 12:30:11.5 /a/b/1.2 " * 2_000 + "version " * 5_000
    started = time.thread_time()

    extract_version(flood)
    extract_version(flood, match_start=len(flood) // 2)

    assert time.thread_time() - started < 50

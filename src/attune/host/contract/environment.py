"""The environment of every program that is started here: what interpreters need to find themselves, and no secret.

Functions on the mapping that the caller read; this module never reads the process's own environment.
"""

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from attune.core.access.variables import may_be_secret
from attune.host.contract.run_folders import home_of

_ALLOWED_NAMES = """
    PATH HOME USER LOGNAME SHELL TMPDIR TZ LD_LIBRARY_PATH
    XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR
    JAVA_HOME JDK_HOME JRE_HOME M2_HOME MAVEN_HOME GRADLE_HOME SDKMAN_DIR JENV_ROOT JENV_VERSION
    GOROOT GOPATH GOTOOLCHAIN GOBIN GVM_ROOT GOENV_ROOT GOENV_VERSION
    NVM_DIR NVM_BIN VOLTA_HOME FNM_DIR FNM_MULTISHELL_PATH NODENV_ROOT NODENV_VERSION N_PREFIX PROTO_HOME
    RUSTUP_HOME RUSTUP_TOOLCHAIN CARGO_HOME DOTNET_ROOT DOTNET_ROOT_X64 DOTNET_ROOT_ARM64 DOTNET_ROLL_FORWARD
    VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV GEM_HOME GEM_PATH RVM_PATH
    PERLBREW_ROOT PERLBREW_HOME PERLBREW_PERL PLENV_ROOT PLENV_VERSION PHPENV_ROOT
    R_HOME JULIA_DEPOT_PATH DENO_DIR BUN_INSTALL ERL_ROOTDIR NIX_PROFILES NIX_LD NIX_LD_LIBRARY_PATH
    CUDA_HOME ANDROID_HOME COREPACK_HOME COMPOSER_HOME DOTNET_CLI_HOME XDG_STATE_HOME
"""
ALLOWED = frozenset(_ALLOWED_NAMES.split())
ALLOWED_PREFIXES = ("PYENV_", "RBENV_", "ASDF_", "MISE_")
RUN_BY = "RUN_BY_ATTUNE"
"""The variable that says as what a program is run: `check`, `action` or `sensor`."""
OFFLINE = {
    "COREPACK_ENABLE_NETWORK": "0",
    "MISE_OFFLINE": "1",
    "MISE_NOT_FOUND_AUTO_INSTALL": "false",
    "MISE_EXEC_AUTO_INSTALL": "false",
    "RUSTUP_AUTO_INSTALL": "0",
    "GOPROXY": "off",
    "CARGO_NET_OFFLINE": "true",
    "NPM_CONFIG_OFFLINE": "true",
    "YARN_ENABLE_NETWORK": "0",
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "SDKMAN_OFFLINE_MODE": "true",
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
}
"""What keeps a check from downloading anything: the switches of version managers, and a proxy that does not answer."""
_FORCED = {
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
    "DOTNET_NOLOGO": "1",
    "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "1",
    "POWERSHELL_TELEMETRY_OPTOUT": "1",
    "POWERSHELL_UPDATECHECK": "Off",
    "CHECKPOINT_DISABLE": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "HOMEBREW_NO_AUTO_UPDATE": "1",
}


def check_environment(source: Mapping[str, str], extra: Iterable[str] = (), home: str = "") -> dict[str, str]:
    """What programs get of the environment *source*.

    *extra* names more variables to pass on; names that can hold a secret, and Attune's own, are never passed,
    even then. PATH is always set, and so is HOME: *home*, else that of *source*, else that of this process's user.
    """
    wanted = ALLOWED.union(extra)
    kept = {
        name: value
        for name, value in source.items()
        if (name in wanted or name.startswith(ALLOWED_PREFIXES)) and not may_be_secret(name)
    }
    kept.setdefault("PATH", os.defpath)
    kept["HOME"] = home or kept.get("HOME") or home_of(os.geteuid())
    return kept | _FORCED


_ELSEWHERE = frozenset({"PATH", "TMPDIR"})  # decided when a program is started
_BETWEEN = re.compile(r"[\s;,=]+")
_FRESH_SECONDS = 1.0


@dataclass
class TrustedEnvironment:
    """*given* without the places that *distrusts* gives a reason against, but for the variables *named*.

    What programs read there decides what they do: libraries, settings, modules that they load by themselves. It is
    looked at again when a second has passed: only those who are trusted can have changed it meanwhile.
    """

    given: Mapping[str, str]
    distrusts: Callable[[str], str]
    named: Collection[str] = ()
    clock: Callable[[], float] = time.monotonic
    reasons: tuple[str, ...] = ()
    _now: Mapping[str, str] = field(default_factory=dict)
    _until: float = float("-inf")

    def __call__(self) -> Mapping[str, str]:
        """What can be trusted now; `reasons` says why the rest cannot."""
        if self.clock() >= self._until:
            now, reasons = dict[str, str](), list[str]()
            for name, value in self.given.items():
                parts = value.split(":")
                judged = () if name in _ELSEWHERE or name in self.named else parts
                refused = {part: reason for part in judged if (reason := self._refusal(part))}
                kept = ":".join(part for part in parts if part not in refused)
                reasons += [f"{name}: {reason}" for reason in refused.values()]
                if kept or not refused:
                    now[name] = kept
            self._now, self.reasons = now, tuple(reasons)
            self._until = self.clock() + _FRESH_SECONDS
        return self._now

    def _refusal(self, part: str) -> str:
        places = dict.fromkeys(place for place in (part, *_BETWEEN.split(part)) if place.startswith("/"))
        return next(filter(None, map(self.distrusts, places)), "")

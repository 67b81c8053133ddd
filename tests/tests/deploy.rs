//! The units for systemd and the images in `deploy/`: their commands start a service, and their files are in order.
//! Needs `python3`; the service in Node needs `node`.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::{binary, workspace};
use procpool_tests::http;
use procpool_tests::program::{Ended, Program, finish};
use procpool_tests::server::Scratch;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tokio::process::Command;

/// Where the services are installed.
const HOME: &str = "/srv/words";

/// A service in `deploy/`, installed in a directory of its own.
struct Service {
    name: &'static str,
    home: Scratch,
}

impl Service {
    /// Returns the service in Python. Its virtual environment has the SDK of this repository, and the server.
    async fn python() -> Self {
        let service = Self::of("python");
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--without-pip"]).arg(service.path("venv"));
        let Ended { code, stderr, .. } = finish(&mut make).await;
        assert_eq!(code, Some(0), "a virtual environment: {stderr}");
        let libraries =
            fs::read_dir(service.path("venv/lib")).expect("libraries").next().expect("one Python");
        let packages = libraries.expect("its directory").path().join("site-packages");
        let sdk = format!("{}\n", workspace().join("sdk/python").display());
        fs::write(packages.join("procpool.pth"), sdk).expect("the place of the SDK");
        symlink(binary("procpool"), service.path("venv/bin/procpool")).expect("the server");
        service
    }

    /// Returns the service in Node. Its packages are the SDK of this repository, and the server.
    fn node() -> Option<Self> {
        if std::process::Command::new("node").arg("--version").output().is_err() {
            skip(Need::Node, "node is not installed");
            return None;
        }
        let service = Self::of("node");
        fs::create_dir_all(service.path("node_modules/.bin")).expect("packages");
        symlink(workspace().join("sdk/node"), service.path("node_modules/procpool")).expect("the SDK");
        symlink(binary("procpool"), service.path("node_modules/.bin/procpool")).expect("the server");
        Some(service)
    }

    fn of(name: &'static str) -> Self {
        let home = Scratch::new();
        for entry in fs::read_dir(workspace().join("deploy").join(name)).expect("the files of the service") {
            let file = entry.expect("a file").path();
            let text = fs::read_to_string(&file).expect("a text");
            home.write(&file.file_name().expect("a name").to_string_lossy(), &text);
        }
        Self { name, home }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file of the service")
    }

    /// Returns the value of a setting of the unit, where the service is installed here.
    fn setting(&self, key: &str) -> String {
        let unit = self.text("words.service");
        let value = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value
            .unwrap_or_else(|| panic!("the unit says {key}"))
            .replace(HOME, &self.home.path().to_string_lossy())
    }

    /// Returns the words of a setting of the image that is a list.
    fn instruction(&self, name: &str) -> Vec<String> {
        let image = self.text("Dockerfile");
        let list = image.lines().find_map(|line| line.strip_prefix(name)).expect("the image says that");
        serde_json::from_str(list).expect("a list of words")
    }

    fn command(&self, words: &[String], dir: &Path) -> Command {
        let mut command = Command::new(dir.join(&words[0]));
        command.args(&words[1..]).current_dir(dir).env("TMPDIR", self.home.path());
        command
    }

    /// Asserts that a command serves the pool, on a free port.
    async fn serves(&self, words: &[String], dir: &Path) {
        let mut command = self.command(words, dir);
        command.args(["--listen", "127.0.0.1:0"]);
        let server = Program::announcing(command, "listening on http://").await;
        let answer = http::post(server.address, "/v1/pools/word-count/jobs", "\"to be\"").await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.name);
    }

    async fn unit_serves(&self) {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let root = Path::new("/");
        let mut check = self.command(&words(&self.setting("ExecStartPre")), root);
        let Ended { code, stderr, .. } = finish(&mut check).await;
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{}", self.name);
        self.serves(&words(&self.setting("ExecStart")), root).await;
    }

    async fn image_serves(&self) {
        assert!(self.text("Dockerfile").lines().any(|line| line == format!("WORKDIR {HOME}")));
        assert_eq!(self.instruction("ENTRYPOINT"), ["tini", "--"]);
        let mut words = self.instruction("CMD");
        // Not the address of the image, which all the world could reach here.
        let address = words.split_off(words.len() - 2);
        assert_eq!(address, ["--listen", "0.0.0.0:3000"]);
        self.serves(&words, self.home.path()).await;
    }

    /// Asserts that systemd finds nothing wrong with the unit.
    async fn unit_is_in_order(&self) {
        let unit = self.text("words.service").replace(HOME, &self.home.path().to_string_lossy());
        let file = self.home.write("verified.service", &unit);
        let ended = finish(Command::new("systemd-analyze").arg("verify").arg(file)).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", self.name);
    }
}

#[tokio::test]
async fn the_commands_of_the_unit_and_the_image_of_a_service_in_python_serve() {
    let service = Service::python().await;
    service.unit_serves().await;
    service.image_serves().await;
}

#[tokio::test]
async fn the_commands_of_the_unit_and_the_image_of_a_service_in_node_serve() {
    let Some(service) = Service::node() else { return };
    service.unit_serves().await;
    service.image_serves().await;
}

#[tokio::test]
async fn systemd_finds_nothing_wrong_with_the_units() {
    if std::process::Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip(Need::Systemd, "systemd-analyze is not installed");
    }
    let mut services = vec![Service::python().await];
    services.extend(Service::node());
    for service in services {
        service.unit_is_in_order().await;
    }
}

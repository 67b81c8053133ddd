//! The files of `deploy/cluster`: what can be run of them without three hosts.

use procpool_needs::{Need, nats_server, skip};
use procpool_tests::binaries::{binary, workspace};
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::Scratch;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::process::Command;

fn text(name: &str) -> String {
    fs::read_to_string(workspace().join("deploy/cluster").join(name)).expect("a file of deploy/cluster")
}

async fn checked(file: &Path) -> Ended {
    finish(Command::new(binary("procpool")).args(["check", "--config"]).arg(file)).await
}

#[tokio::test]
async fn the_configurations_start() {
    let scratch = Scratch::new();
    let secret = |name: &str, text: &str| {
        fs::set_permissions(scratch.write(name, text), fs::Permissions::from_mode(0o600)).unwrap();
    };
    for name in ["procpool.toml", "compose.toml"] {
        let file = scratch.write(name, &text(name));
        if name == "procpool.toml" {
            let missing = checked(&file).await;
            assert!(missing.code == Some(1) && missing.stderr.contains("tokens.toml"), "{missing:?}");
            let mut token = Command::new(binary("procpool"));
            token.args(["token", "new", "ann", "--scope", "submit,read", "--file"]);
            finish(token.arg(scratch.path().join("tokens.toml"))).await;
            let missing = checked(&file).await;
            assert!(missing.code == Some(1) && missing.stderr.contains("nats.password"), "{missing:?}");
            secret("nats.password", "a password\n");
        }
        let ended = checked(&file).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}: {ended:?}");
        assert!(ended.stdout.contains("jobs are in the cluster at "), "{ended:?}");
    }
}

#[tokio::test]
async fn the_file_of_the_server_is_in_order() {
    let server = match nats_server() {
        Ok(server) => server,
        Err(why) => return skip(Need::Nats, why),
    };
    let scratch = Scratch::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    scratch.write("server.pem", &made.cert.pem());
    scratch.write("server.key", &made.signing_key.serialize_pem());
    let here = scratch.path().display().to_string();
    let file = scratch
        .write("nats.conf", &text("nats.conf").replace("/etc/nats", &here).replace("/var/lib/nats", &here));
    let ended = finish(Command::new(server).arg("-t").arg("-c").arg(file)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn systemd_finds_nothing_wrong_with_the_units() {
    if std::process::Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip(Need::Systemd, "systemd-analyze is not installed");
    }
    let scratch = Scratch::new();
    for name in ["nats-server.service", "procpool-front.service", "procpool-node.service"] {
        let procpool = binary("procpool").display().to_string();
        let unit = text(name).replace("/usr/local/bin/procpool", &procpool);
        let file = scratch.write(name, &unit.replace("/usr/local/bin/nats-server", "/bin/true"));
        let ended = finish(Command::new("systemd-analyze").arg("verify").arg(file)).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
    }
}

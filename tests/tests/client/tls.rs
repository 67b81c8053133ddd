//! Commands to a server that speaks TLS, and to one that asks for certificates.

use crate::{command, printed, refused};
use procpool_tests::binaries::binary;
use procpool_tests::program::{Program, finish};
use procpool_tests::server::Scratch;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tokio::process::Command;

/// Writes the certificate of an authority, and one with its key that the authority certifies for each of these names.
fn certify(scratch: &Scratch, names: &[&str]) -> PathBuf {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "a test's own");
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![(*name).to_owned()]).unwrap();
        scratch.write(&format!("{name}.crt"), &parameters.signed_by(&key, &authority).unwrap().pem());
        private(&scratch.write(&format!("{name}.key"), &key.serialize_pem()), 0o600);
    }
    scratch.write("ca.crt", &authority.pem())
}

fn private(file: &std::path::Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

/// Starts a server called localhost, whose `[server]` has these further keys.
async fn serving(scratch: &Scratch, client_ca: &str, keys: &str) -> Program {
    let tls = format!("tls = {{ certificate = \"localhost.crt\", key = \"localhost.key\"{client_ca} }}\n");
    let config = format!("[server]\n{tls}{keys}\n[pools.fib]\ncommand = {:?}\n", [binary("procpool-fib")]);
    let config = scratch.write("procpool.toml", &config);
    let mut command = Command::new(binary("procpool"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    command.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG");
    Program::announcing(command, "listening on https://").await
}

#[tokio::test]
async fn a_server_is_trusted_by_its_certificate_alone() {
    let scratch = Scratch::new();
    let authority = certify(&scratch, &["localhost"]);
    let server = serving(&scratch, "", "").await;
    let address = format!("https://localhost:{}", server.address.port());
    let submit = ["job", "submit", "fib", "40"];
    let trusting = ["--ca-file", authority.to_str().unwrap()];
    assert_eq!(
        printed(&finish(&mut command(&address, &[&submit[..], &trusting].concat())).await),
        "102334155\n"
    );
    let other = Scratch::new();
    let stranger = certify(&other, &[]);
    let stranger = ["--ca-file", stranger.to_str().unwrap()];
    let untrusted = finish(&mut command(&address, &[&submit[..], &stranger].concat())).await;
    assert!(refused(&untrusted, 3).contains("--ca-file names whom to trust"), "{untrusted:?}");
    let by_address = format!("https://127.0.0.1:{}", server.address.port());
    let misnamed = finish(&mut command(&by_address, &[&submit[..], &trusting].concat())).await;
    assert!(refused(&misnamed, 3).contains("not valid for name"), "{misnamed:?}");
    let no_file = scratch.write("nothing.crt", "nothing");
    let nothing = ["--ca-file", no_file.to_str().unwrap()];
    let unread = finish(&mut command(&address, &[&submit[..], &nothing].concat())).await;
    assert!(refused(&unread, 2).contains("nothing.crt: there is no certificate in it"), "{unread:?}");
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_a_server_asks_for_it() {
    let scratch = Scratch::new();
    let authority = certify(&scratch, &["localhost", "ci"]);
    private(&scratch.write("tokens.toml", "[tokens.\"ci\"]\nscopes = [\"submit\"]\n"), 0o600);
    let server = serving(&scratch, ", client_ca = \"ca.crt\"", "tokens = \"tokens.toml\"").await;
    let address = format!("https://localhost:{}", server.address.port());
    let submit = ["job", "submit", "fib", "40", "--ca-file", authority.to_str().unwrap()];
    let (certificate, key) = (scratch.path().join("ci.crt"), scratch.path().join("ci.key"));
    let own = ["--cert-file", certificate.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let known = finish(&mut command(&address, &[&submit[..], &own].concat())).await;
    assert_eq!(printed(&known), "102334155\n");
    let unknown = finish(&mut command(&address, &submit)).await;
    assert!(refused(&unknown, 3).contains("--cert-file shows who you are"), "{unknown:?}");
    let half = finish(&mut command(&address, &[&submit[..], &own[..2]].concat())).await;
    assert!(half.code == Some(2) && half.stderr.contains("--key-file"), "{half:?}");
    private(&key, 0o644);
    let open = finish(&mut command(&address, &[&submit[..], &own].concat())).await;
    assert!(refused(&open, 2).contains("chmod 600"), "{open:?}");
}

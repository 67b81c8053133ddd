//! The refusals of `[server.tls]`, with the file and the reason.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    }

    /// Writes a certificate and its key under these names.
    fn certify(&self, certificate: &str, key: &str, year: i32) {
        let pair = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        parameters.not_after = date_time_ymd(year, 1, 2);
        self.write(certificate, &parameters.self_signed(&pair).expect("a certificate").pem(), 0o644);
        self.write(key, &pair.serialize_pem(), 0o600);
    }

    /// Returns the errors of `check` about these settings, or nothing.
    fn check(&self, server: &str) -> String {
        self.write("p.toml", &format!("[server]\n{server}\n[pools.a]\ncommand = \"sh\"\n"), 0o644);
        let mut command = Command::new(env!("CARGO_BIN_EXE_procpool"));
        command.args(["check", "--config"]).arg(self.0.join("p.toml")).env_remove("RUST_LOG");
        let output = command.stdin(Stdio::null()).output().expect("procpool starts");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.success(), stderr.is_empty(), "{stderr}");
        stderr
    }
}

const TLS: &str = "tls = { certificate = \"s.crt\", key = \"s.key\" }";

#[test]
fn a_certificate_that_cannot_be_used_is_an_error_with_its_file_and_the_reason() {
    let here = Place::new("tls-files");
    let missing = here.check(TLS);
    assert!(
        missing.contains("p.toml:2:23: failed to use the certificate")
            && missing.contains("s.crt: No such file")
    );
    here.certify("s.crt", "s.key", 2035);
    assert_eq!(here.check(TLS), "");
    for mode in [0o640, 0o604] {
        fs::set_permissions(here.0.join("s.key"), Permissions::from_mode(mode)).unwrap();
        let open = here.check(TLS);
        assert!(
            open.contains("p.toml:2:38: the key ") && open.contains("chmod 600") && open.contains("s.key"),
            "{open}"
        );
    }
    here.certify("other.crt", "s.key", 2035);
    let other = here.check(TLS);
    assert!(
        other.contains("failed to use the key")
            && other.contains("s.key: it is not the key of the certificate")
    );
    here.certify("s.crt", "s.key", 2021);
    let old = here.check(TLS);
    assert!(old.contains("s.crt: the certificate expired at 2021-01-02T00:00:00Z"), "{old}");
    here.write("s.crt", "", 0o644);
    assert!(here.check(TLS).contains("s.crt: there is no certificate in it"));
    fs::remove_file(here.0.join("s.key")).unwrap();
    here.certify("s.crt", "else.key", 2035);
    let missing = here.check(TLS);
    assert!(
        missing.contains("failed to read the key") && missing.contains("s.key: No such file"),
        "{missing}"
    );
}

#[test]
fn certificates_of_clients_need_a_file_of_tokens_that_names_them() {
    let here = Place::new("tls-clients");
    here.certify("s.crt", "s.key", 2035);
    here.certify("ca.crt", "ca.key", 2035);
    let tls = "tls = { certificate = \"s.crt\", key = \"s.key\", client_ca = \"ca.crt\" }";
    assert!(here.check(tls).contains("client_ca needs tokens"));
    here.write("t.toml", "[tokens.alice]\nscopes = [\"submit\"]\n", 0o600);
    assert_eq!(here.check(&format!("tokens = \"t.toml\"\n{tls}")), "");
    let without = here.check(&format!("tokens = \"t.toml\"\n{TLS}"));
    assert!(without.contains("t.toml:1:9: missing key `sha256`"), "{without}");
    here.write("ca.crt", "x", 0o644);
    let wrong = here.check(&format!("tokens = \"t.toml\"\n{tls}"));
    assert!(
        wrong.contains("the certificates of client_ca") && wrong.contains("ca.crt: there is no certificate")
    );
}

#[test]
fn a_file_that_is_not_named_is_missing_at_the_table() {
    let here = Place::new("tls-keys");
    let missing = here.check("tls = { certificate = \"s.crt\" }");
    assert!(missing.contains("missing key `key`"), "{missing}");
    assert!(here.check("tls = { cert = \"s.crt\" }").contains("unknown key `cert`"));
}

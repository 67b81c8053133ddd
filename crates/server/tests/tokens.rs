//! `procpool token`, and what a server without tokens refuses, from outside.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn procpool(directory: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procpool"));
    command.args(line.split_whitespace()).current_dir(directory).env_remove("RUST_LOG").stdin(Stdio::null());
    command.output().expect("procpool starts")
}

fn printed(directory: &Path, line: &str) -> String {
    let output = procpool(directory, line);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn failure(directory: &Path, line: &str) -> String {
    let output = procpool(directory, line);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn write(directory: &Path, name: &str, text: &str, mode: u32) {
    let path = directory.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_token_is_shown_once_and_its_lines_are_what_the_server_takes() {
    let here = directory("token-new");
    let line = "token new ci --scope submit,read --file tokens.toml";
    let token = printed(&here, line);
    assert!(token.starts_with("pp_") && token.trim_end().len() == 67, "{token}");
    let mode = fs::metadata(here.join("tokens.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let shown = printed(
        &here,
        "token new ops.1 --scope operate --scope admin --pool img-* --max-priority low --max-jobs 7 --jobs-per-second 8",
    );
    let (second, lines) = shown.split_once("\n\n").unwrap();
    let mut file = fs::read_to_string(here.join("tokens.toml")).unwrap();
    assert!(!file.contains(token.trim_end()) && !lines.contains(second));
    file += lines;
    for words in [
        "[tokens.\"ops.1\"]",
        "scopes = [\"operate\", \"admin\"]",
        "pools = [\"img-*\"]",
        "max_priority = \"low\"",
        "max_jobs = 7\njobs_per_second = 8",
    ] {
        assert!(file.contains(words), "{words}: {file}");
    }
    write(&here, "tokens.toml", &file, 0o600);
    write(&here, "p.toml", "[server]\ntokens = \"tokens.toml\"\n[pools.a]\ncommand = \"sh\"\n", 0o644);
    assert!(printed(&here, "check --config p.toml").starts_with("ok: 1 pool\n"));

    assert!(failure(&here, line).contains("has one of the name `ci`"));
    assert!(failure(&here, "token new a/b --scope read").contains("`a/b` cannot be the name of a token"));
    assert_eq!(fs::read_to_string(here.join("tokens.toml")).unwrap(), file, "a refusal changes nothing");
    let usage = procpool(&here, "token new x --scope root");
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&usage.stderr).contains("`root` is no scope"));
}

#[test]
fn a_file_of_tokens_that_others_read_or_that_is_wrong_is_an_error_with_its_place() {
    let here = directory("token-file");
    write(&here, "p.toml", "[server]\ntokens = \"t.toml\"\n[pools.a]\ncommand = \"sh\"\n", 0o644);
    let good = "[tokens.a]\nsha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\nscopes = [\"read\"]\n";
    let missing = failure(&here, "check --config p.toml");
    assert!(
        missing.contains("p.toml:2:10: failed to read the file of tokens")
            && missing.contains("No such file")
    );
    for mode in [0o640, 0o604, 0o620] {
        write(&here, "t.toml", good, mode);
        for command in
            ["check --config p.toml", "serve --config p.toml", "token new b --scope read --file t.toml"]
        {
            let open = failure(&here, command);
            assert!(open.contains("is no secret") && open.contains("chmod 600"), "{command}: {open}");
        }
    }
    write(&here, "t.toml", &good.replace("read", "raed"), 0o600);
    let wrong = failure(&here, "serve --config p.toml");
    assert!(wrong.contains("t.toml:3:10: `raed` is no scope"), "{wrong}");
    write(&here, "t.toml", good, 0o600);
    assert!(printed(&here, "check --config p.toml").starts_with("ok"));
}

#[test]
fn an_address_for_everybody_needs_tokens_or_somebody_who_insists() {
    let here = directory("anonymous");
    let config = |server: &str| {
        write(&here, "p.toml", &format!("[server]\n{server}\n[pools.a]\ncommand = \"sh\"\n"), 0o644);
        procpool(&here, "check --config p.toml")
    };
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let refused = config(&format!("listen = \"{address}\""));
        let words = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{words}");
        for way in [address, "procpool token new", "--allow-anonymous", "allow_anonymous = true", "127.0.0.1"]
        {
            assert!(words.contains(way), "{way}: {words}");
        }
        assert!(config(&format!("listen = \"{address}\"\nallow_anonymous = true")).status.success());
        assert!(failure(&here, &format!("serve --listen {address}")).contains("there are no tokens"));
    }
    printed(&here, "token new a --scope read --file t.toml");
    for good in [
        "listen = \"0.0.0.0:0\"\ntokens = \"t.toml\"",
        "listen = \"127.1.2.3:0\"",
        "listen = \"[::ffff:127.0.0.1]:0\"",
        "listen = \"unix:/p\"",
    ] {
        assert!(config(good).status.success(), "{good}");
    }
}

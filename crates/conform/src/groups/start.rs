//! How a worker starts: by hand, with `--describe`, and born with its connections.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, skip, wrong};
use crate::lab::Lab;
use crate::os::memory::Memory;
use crate::os::process::{End, eventually, kill};
use crate::worker::{Inheritance, Terms, Worker};
use procpool_protocol::{Schema, page};
use rustix::process::Pid;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(super) const GROUP: Group = Group {
    name: "start",
    checks: &[
        Check::new(
            "by-hand",
            "A worker that a person starts says on standard error what it is, and exits with code 2.",
            &["starting-a-worker", "exit-codes"],
            by_hand,
        ),
        Check::new(
            "by-hand-with-a-socket",
            "A worker whose descriptor 3 is a socket without a preamble takes itself to be started by hand.",
            &["starting-a-worker"],
            by_hand_with_a_socket,
        ),
        Check::new(
            "describe-option",
            "A worker prints one JSON object for `--describe`, nothing else, and exits with code 0.",
            &["handshake", "schema-hash"],
            describe_option,
        )
        .should(),
        Check::new(
            "hello",
            "A worker sends its preamble and one Hello with all fields that it needs.",
            &["preamble", "handshake", "frames"],
            hello,
        ),
        Check::new(
            "hello-as-described",
            "Hello says the same as `--describe`.",
            &["handshake"],
            hello_as_described,
        )
        .should(),
        Check::new(
            "control-is-silent",
            "A worker sends nothing on control unless it was asked.",
            &["two-connections", "what-gets-a-worker-killed"],
            control_is_silent,
        ),
        Check::new(
            "wrapper",
            "A worker starts behind a program that passes descriptors 3 and 4 on.",
            &["starting-a-worker"],
            wrapper,
        ),
        Check::new(
            "unused-descriptors",
            "A worker that gets a page and arenas that it does not announce closes them and starts.",
            &["starting-a-worker", "arenas"],
            unused_descriptors,
        )
        .should(),
        Check::new(
            "close-on-exec",
            "A program that a job starts inherits none of the worker's connections and memory.",
            &["starting-a-worker"],
            close_on_exec,
        )
        .with_fixture(),
    ],
};

fn by_hand(lab: &Lab<'_>) -> Checked {
    let ended = lab.by_hand(&[], None)?;
    let code = ended.end == End::Code(2);
    ensure(code, || format!("expected exit code 2, got {}: {}", ended.end, ended.stderr.trim()))?;
    ensure(!ended.stderr.trim().is_empty(), || "expected a text on standard error, got none".into())
}

fn by_hand_with_a_socket(lab: &Lab<'_>) -> Checked {
    let (mut ours, its) = UnixStream::pair()?;
    std::io::Write::write_all(&mut ours, b"GET / HTTP/1.1\r\n\r\n")?;
    let ended = lab.by_hand(&[], Some(its.as_fd()))?;
    ensure(ended.end == End::Code(2), || format!("expected exit code 2, got {}", ended.end))
}

fn describe_option(lab: &Lab<'_>) -> Checked {
    let described = lab.description()?;
    if let Some(jobs) = described["jobs"].as_array() {
        // An executable of several jobs lists them.
        return jobs.iter().try_for_each(introduction);
    }
    introduction(&described)
}

/// Checks the fields that `Hello` and `Description` share.
fn introduction(it: &Value) -> Checked {
    let field = |name: &str, is_right: bool| {
        ensure(is_right, || format!("the field `{name}` is missing or of another kind: {}", it[name]))
    };
    field("job", it["job"].as_str().is_some_and(|job| !job.is_empty()))?;
    field("contract", it["contract"].as_u64().is_some_and(|number| u32::try_from(number).is_ok()))?;
    field("sdk", it["sdk"].is_string())?;
    let is_mode = |mode: &Value| mode == "jobs" || mode == "messages";
    field("modes", it["modes"].as_array().is_some_and(|it| !it.is_empty() && it.iter().all(is_mode)))?;
    field("build", it["build"].is_null() || it["build"].is_string())?;
    let hash = &it["schema_hash"];
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let is_hash = |text: &str| text.len() == 16 && text.chars().all(is_digit);
    field("schema_hash", hash.is_null() || hash.as_str().is_some_and(is_hash))?;
    let (input, output) = (&it["input"], &it["output"]);
    if input.is_null() || output.is_null() || hash.is_null() {
        return Ok(());
    }
    let computed = Schema::new(input.clone(), output.clone()).hash();
    ensure(*hash == computed, || {
        format!("the schema hash is {hash}, and that of the described schemas is \"{computed}\"")
    })
}

fn hello(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.spawn(&Terms::default())?;
    let hello = worker.hello()?;
    introduction(&hello)?;
    let is_boolean = |name: &str| hello[name].is_null() || hello[name].is_boolean();
    let arenas = &hello["arenas"];
    let encodings = &hello["encodings"];
    let are_words = |words: &Vec<Value>| !words.is_empty() && words.iter().all(Value::is_string);
    let fields = [
        ("page", is_boolean("page")),
        ("batches", is_boolean("batches")),
        ("arenas", arenas.is_null() || arenas == "received" || arenas == "born"),
        ("encodings", encodings.is_null() || encodings.as_array().is_some_and(are_words)),
        ("concurrency", hello["concurrency"].is_null() || hello["concurrency"].as_u64() >= Some(1)),
    ];
    for (name, is_right) in fields {
        ensure(is_right, || format!("the field `{name}` has a value that it cannot have: {}", hello[name]))?;
    }
    worker.ready()?;
    ensure(worker.jobs.is_silent(crate::SILENCE)?, || "more came on jobs after Ready".into())
}

fn hello_as_described(lab: &Lab<'_>) -> Checked {
    let (hello, described) = (lab.hello()?, lab.description()?);
    if described["job"].is_null() {
        return skip("the executable has several jobs");
    }
    for field in ["job", "contract", "schema_hash", "modes", "build"] {
        let (in_hello, described) = (&hello[field], &described[field]);
        ensure(in_hello == described, || {
            format!("`{field}` is {in_hello} in Hello and {described} in --describe")
        })?;
    }
    Ok(())
}

fn control_is_silent(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    ensure(worker.control.is_silent(crate::SILENCE)?, || "something came on control, unasked".into())
}

fn wrapper(lab: &Lab<'_>) -> Checked {
    // The command is not the shell's last, so the shell stays.
    let wrapper = ["/bin/sh", "-c", "\"$@\"; exit $?", "sh"].map(OsString::from);
    let command: Vec<_> = wrapper.into_iter().chain(lab.command().iter().cloned()).collect();
    let mut worker = Worker::spawn(&command, &lab.opening(&Terms::default()), Inheritance::default())?;
    worker.hello()?;
    worker.ready()
}

fn unused_descriptors(lab: &Lab<'_>) -> Checked {
    let announced = ["page", "arenas"].map(|field| lab.announces(field).is_ok());
    if announced == [true, true] {
        return skip("its Hello announces `page` and `arenas`");
    }
    let inheritance = Inheritance {
        page: Some(Memory::page(page::MAGIC)?),
        arenas: Some([Memory::unsealed(0)?, Memory::unsealed(0)?]),
    };
    let mut worker = lab.spawn_born(&Terms { page: true, arenas: true, ..Terms::default() }, inheritance)?;
    worker.hello()?;
    worker.ready()?;
    let open = links(worker.pid())?;
    let memory = open.iter().filter(|(_, link)| link.contains("memfd:procpool-conform"));
    let unused = |number: &str| match number {
        "5" => !announced[0],
        "6" | "7" => !announced[1],
        _ => false,
    };
    let left: Vec<_> =
        memory.filter(|(number, _)| unused(number)).map(|(number, _)| number.as_str()).collect();
    ensure(left.is_empty(), || format!("the worker leaves descriptors open: {}", left.join(", ")))
}

fn close_on_exec(lab: &Lab<'_>) -> Checked {
    let inheritance = Inheritance {
        page: Some(Memory::page(page::MAGIC)?),
        arenas: Some([Memory::unsealed(0)?, Memory::unsealed(0)?]),
    };
    let mut worker = lab.spawn_born(&Terms { page: true, arenas: true, ..Terms::default() }, inheritance)?;
    worker.hello()?;
    worker.ready()?;
    let child = child(&mut worker)?;
    let sockets = worker.sockets.map(|inode| format!("socket:[{inode}]"));
    let mut inherited = Vec::new();
    // Between its fork and its exec, a child has everything.
    let is_clean = eventually(Duration::from_secs(1), || {
        let open = links(child).unwrap_or_default().into_iter();
        let ours = |link: &String| sockets.contains(link) || link.contains("memfd:procpool-conform");
        inherited = open.filter(|(_, link)| ours(link)).map(|(number, _)| number).collect();
        inherited.is_empty()
    });
    kill(child);
    ensure(is_clean, || format!("a child of the job has the worker's descriptors {}", inherited.join(", ")))
}

/// Has the fixture start a process.
pub(super) fn child(worker: &mut Worker) -> Checked<Pid> {
    let pid = worker.command(&json!({"op": "child"}))?;
    let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let Some(pid) = pid else { return wrong("the command `child` does not answer a process id") };
    let is_there = eventually(PATIENCE, || crate::os::process::is_alive(pid));
    ensure(is_there, || "the command `child` answers the id of no process".into())?;
    Ok(pid)
}

/// Returns the open descriptors of a process, and what each is.
fn links(pid: Pid) -> Checked<Vec<(String, String)>> {
    let entries = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()))?;
    let link = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path()).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), link.to_string_lossy().into_owned()))
    };
    Ok(entries.flatten().filter_map(link).collect())
}

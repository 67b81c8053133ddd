//! Every key of a configuration file, and every mistake with its place and its words.

mod documents;

use super::*;
use procpool_coordinator::{AttachSocket, WorkerSource};
use std::ffi::OsString;
use std::time::Duration;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Source { path: Path::new("p.toml"), text })
}

/// Returns the whole message about a file that is wrong.
fn mistake(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// Returns the first line of the message about a pool with these lines, without the place.
fn mistake_of_pool(lines: &str) -> String {
    let message = mistake(&format!("[pools.a]\ncommand = [\"sh\"]\n{lines}"));
    let (place, rest) = message.split_once(": ").expect("a place");
    assert!(place.starts_with("p.toml:3:"), "{message}");
    rest.lines().next().expect("a line").to_owned()
}

#[test]
fn the_built_in_configuration_serves_the_three_programs_of_the_tutorial_locally() {
    let config = Config::load(None).unwrap();
    assert_eq!(config.names(), ["compute", "fib", "ping"]);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3000");
    assert!(config.pool("fib").is_some() && config.pool("fob").is_none());
}

#[test]
fn every_key_of_the_server_arrives() {
    let server = parse(
        r#"
        [server]
        listen = "[::1]:8080"
        drain_limit = "1m"
        max_body = "1 MiB"
        max_bodies = "2 MiB"
        max_answers = "3 MiB"
        keep_alive_timeout = "4s"
        min_write_rate = "1 KiB"
        max_connections_per_peer = 3
        uncapped_peers = ["192.0.2.1", "2001:db8::1"]
        header_timeout = "1s"
        body_timeout = "2s"
        write_timeout = "3s"
        max_connections = 4
        max_streams = 5
        max_live_answers = 6
        batch_window = 7
        batch_bytes = "8 MiB"
        allowed_hosts = ["jobs.example"]
        orders = "orders.sock"
        [pools.a]
        command = "sh"
        "#,
    )
    .unwrap()
    .server;
    assert_eq!(server.listen.to_string(), "[::1]:8080");
    assert_eq!(server.drain_limit, Duration::from_secs(60));
    assert_eq!(server.http.max_body, 1 << 20);
    assert_eq!((server.http.max_bodies, server.http.max_answers), (2 << 20, 3 << 20));
    assert_eq!((server.http.min_write_rate, server.http.max_connections_per_peer), (1024, 3));
    let peers: Vec<_> = server.http.uncapped_peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["192.0.2.1", "2001:db8::1"]);
    assert_eq!(server.http.keep_alive_timeout, Duration::from_secs(4));
    let timeouts = [server.http.header_timeout, server.http.body_timeout, server.http.write_timeout];
    assert_eq!(timeouts, [1, 2, 3].map(Duration::from_secs));
    assert_eq!((server.http.max_connections, server.http.max_streams), (4, 5));
    assert_eq!((server.http.max_live_answers, server.http.batch_window), (6, 7));
    assert_eq!(server.http.batch_bytes, 8 << 20);
    assert_eq!(server.http.allowed_hosts, ["jobs.example"]);
    assert_eq!(server.orders, Some(std::path::absolute("orders.sock").unwrap()));
    assert_eq!(server.http.orders_token, None);
}

#[test]
fn every_key_of_a_pool_arrives() {
    let config = parse(
        r#"
        [pools.a]
        command = ["sh", "-c", "exit"]
        min_workers = 0
        max_workers = 3
        queue = 5
        queue_bytes = "8 MiB"
        timeout = "1s"
        run_timeout = "2s"
        max_timeout = "3s"
        grace = "0s"
        stack_at_deadline = false
        stop_timeout = "4s"
        start_timeout = "5s"
        max_payload = 1000
        max_attempts = 2
        idempotent = true
        spares = 1
        idle_timeout = "none"
        process_per_job = true
        recycle_jobs = 9
        recycle_lifetime = "10s"
        recycle_memory = "1 MiB"
        breaker_failures = 7
        breaker_window = "11s"
        poison_deaths = 8
        poison_window = "12s"
        client_deaths = 13
        retry_out_of_memory = true
        memory_limit = "512 MiB"
        address_space_limit = "4 GiB"
        cpu_limit = "6s"
        open_files_limit = 64
        process_limit = 7
        file_size_limit = 1000
        nice = -3
        inherit_env = ["PROXY", "TOKEN"]
        env = { A = "1", B = "" }
        job = "exit"
        current_dir = "/"
        save_failed_jobs = "/var/jobs"
        saved_jobs = 7
        "#,
    )
    .unwrap();
    let pool = config.pools[0].resolve().unwrap();
    let seconds = Duration::from_secs;
    let limits = &pool.limits;
    assert_eq!((limits.min_workers, limits.max_workers), (0, 3));
    assert_eq!((limits.queue, limits.queue_bytes), (5, 8 << 20));
    assert_eq!([limits.timeout, limits.run_timeout, limits.max_timeout], [1, 2, 3].map(seconds).map(Some));
    assert!(!limits.stack_at_deadline);
    assert_eq!([limits.grace, limits.stop_timeout, limits.start_timeout], [0, 4, 5].map(seconds));
    assert_eq!((limits.max_payload, limits.max_attempts, limits.idempotent), (1000, 2, Some(true)));
    let rules = &limits.supervision;
    assert_eq!((rules.spares, rules.idle_timeout, rules.process_per_job), (1, None, true));
    assert_eq!((rules.recycle_jobs, rules.recycle_memory), (Some(9), Some(1 << 20)));
    let windows = [rules.recycle_lifetime.unwrap(), rules.breaker_window, rules.poison_window];
    assert_eq!((windows, rules.breaker_failures), ([10, 11, 12].map(seconds), 7));
    assert_eq!((rules.poison_deaths, rules.client_deaths, rules.retry_out_of_memory), (Some(8), 13, true));
    let worker = limits.worker;
    assert_eq!(worker.address_space_limit, Some(4 << 30));
    assert_eq!((worker.memory_limit, worker.file_size_limit), (Some(512 << 20), Some(1000)));
    assert_eq!((worker.cpu_limit, worker.nice), (Some(seconds(6)), -3));
    assert_eq!((worker.open_files_limit, worker.process_limit), (Some(64), Some(7)));
    assert_eq!(pool.inherit_env, ["PROXY", "TOKEN"]);
    assert_eq!(pool.workers.executable().unwrap().args(), ["-c", "exit"].map(OsString::from));
    assert_eq!(pool.env, [("A", "1"), ("B", "")].map(|(name, value)| (name.into(), value.into())));
    assert_eq!((pool.job.as_deref(), pool.current_dir.as_deref()), (Some("exit"), Some(Path::new("/"))));
    assert_eq!((pool.save_failed_jobs.as_deref(), limits.saved_jobs), (Some(Path::new("/var/jobs")), 7));
}

#[test]
fn none_lifts_the_timeout() {
    let config = parse("[pools.a]\ncommand = \"sh\"\ntimeout = \"none\"").unwrap();
    assert_eq!(config.pools[0].limits.timeout, None);
}

#[test]
fn bodies_are_as_large_as_the_largest_pool_takes() {
    let pools =
        "[pools.a]\ncommand = \"sh\"\nmax_payload = 10\n[pools.b]\ncommand = \"sh\"\nmax_payload = 20\n";
    assert_eq!(parse(pools).unwrap().server.http.max_body, 20);
    assert_eq!(parse(&format!("[server]\nmax_body = 5\n{pools}")).unwrap().server.http.max_body, 5);
}

#[test]
fn more_workers_than_processors_need_no_maximum() {
    let config = parse("[pools.a]\ncommand = \"sh\"\nmin_workers = 4000").unwrap();
    assert_eq!(config.pools[0].limits.max_workers, 4000);
}

#[test]
fn an_unknown_key_is_shown_with_its_line() {
    let expected = "p.toml:3:1: unknown key `max_worker`; did you mean `max_workers`?\n  |\n3 | max_worker = 4\n  | ^^^^^^^^^^";
    assert_eq!(mistake("[pools.a]\ncommand = [\"sh\"]\nmax_worker = 4\n"), expected);
    assert!(mistake("[pool.a]").starts_with("p.toml:1:2: unknown key `pool`; did you mean `pools`?"));
    let server = mistake("[server]\nport = 1");
    assert!(server.starts_with("p.toml:2:1: unknown key `port`; expected one of listen, "), "{server}");
}

#[test]
fn a_pool_without_a_command_is_shown() {
    let message = mistake("[server]\n[pools.a]\nqueue = 1");
    assert!(message.starts_with("p.toml:2:1: missing key `command`"), "{message}");
}

#[test]
fn a_file_without_pools_says_how_to_add_one() {
    for text in ["", "[server]", "[pools]"] {
        let message = mistake(text);
        assert!(message.starts_with("p.toml:1:") && message.contains("[pools.NAME]"), "{message}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_shown_with_their_place() {
    let duration = "a duration needs a unit: write 30s, 30ms or 30m";
    assert_eq!(mistake_of_pool("timeout = 30"), duration);
    assert_eq!(mistake_of_pool("grace = 30.0"), duration);
    assert_eq!(mistake_of_pool("max_timeout = \"30\""), duration);
    assert!(mistake_of_pool("grace = \"none\"").starts_with("`none` is not a duration"));
    assert!(mistake_of_pool("max_payload = \"lots\"").starts_with("`lots` is not a size"));
    assert!(mistake_of_pool("queue = -1").contains("-1"));
    assert!(mistake_of_pool("env = { A = 1 }").contains("expected a string"));
    assert!(mistake_of_pool("idempotent = \"yes\"").contains("expected a boolean"));
    let listen = mistake("[server]\nlisten = \"3000\"");
    assert!(listen.starts_with("p.toml:2:10: `3000` is not an address with a port"), "{listen}");
    assert!(
        mistake("[server]\nheader_timeout = \"0s\"").starts_with("p.toml:2:18: a duration longer than zero")
    );
    assert!(mistake("[server]\nmax_connections = 0").contains("nonzero"));
}

#[test]
fn commands_that_start_nothing_are_refused() {
    assert!(mistake("[pools.a]\ncommand = []").starts_with("p.toml:2:11: a command names a program"));
    assert!(mistake("[pools.a]\ncommand = \"sh -c x\"").contains("[\"sh\", \"-c\", \"x\"]"));
    assert!(mistake("[pools.a]\ncommand = 1").contains("a list of strings"));
}

#[test]
fn contradictions_point_at_the_key_to_change() {
    assert!(mistake_of_pool("max_attempts = 2").contains("set idempotent = true"));
    assert!(mistake_of_pool("max_workers = 0").contains("max_workers is 0"));
    assert!(mistake_of_pool("max_workers = 99999").starts_with("max_workers is 99999"));
    assert!(mistake_of_pool("run_timeout = \"0s\"").starts_with("run_timeout is zero"));
    assert!(mistake_of_pool("max_payload = 0").starts_with("max_payload is zero"));
    assert!(mistake_of_pool("cpu_limit = \"1500ms\"").starts_with("cpu_limit is 1.5s"));
    assert!(mistake_of_pool("memory_limit = 0").starts_with("memory_limit is zero"));
    let little = mistake_of_pool("memory_limit = 512");
    assert!(little.contains("memory_limit is 512 bytes") && little.contains("16 MiB"), "{little}");
    assert!(mistake_of_pool("nice = 20").starts_with("nice is 20"));
    assert!(mistake_of_pool("max_payload = \"4 GiB\"").contains("4294967295"));
    assert!(mistake_of_pool("recycle_jobs = 0").starts_with("recycle_jobs is zero"));
    assert!(mistake_of_pool("poison_window = \"0s\"").starts_with("poison_window is zero"));
    assert!(mistake_of_pool("saved_jobs = 0").starts_with("saved_jobs is zero"));
    assert!(mistake_of_pool("save_history = 1").contains("set save_failed_jobs, too"));
    let both = mistake("[pools.a]\ncommand = \"sh\"\nmin_workers = 3\nmax_workers = 2");
    assert!(both.starts_with("p.toml:4:15: min_workers is 3 and max_workers is 2"), "{both}");
}

#[test]
fn names_that_do_not_fit_into_an_address_are_refused() {
    let long = "x".repeat(65);
    for name in ["\"\"", "Fib", "\"a/b\"", "\"ä\"", &long] {
        let message = mistake(&format!("[server]\n[pools.{name}]\ncommand = \"sh\""));
        assert!(message.starts_with("p.toml:2:8: `"), "{message}");
    }
    assert!(parse("[pools.a_b-9]\ncommand = \"sh\"").is_ok());
}

#[test]
fn variables_that_no_system_takes_are_refused() {
    assert!(mistake_of_pool("env = { \"A=B\" = \"\" }").starts_with("`A=B` cannot be set"));
    assert!(mistake_of_pool("env = { \"\" = \"\" }").starts_with("`` cannot be set"));
    for name in ["", "A=B", "AWS_*"] {
        let mistake = mistake_of_pool(&format!("inherit_env = [\"HTTP_PROXY\", \"{name}\"]"));
        assert!(mistake.starts_with(&format!("`{name}` cannot be inherited")), "{mistake}");
    }
    assert!(mistake_of_pool("env = { A = \"\\u0000\" }").starts_with("`A` cannot be set"));
}

#[test]
fn what_is_no_toml_is_shown_with_its_line() {
    assert!(
        mistake("[pools.a]\ncommand = \"sh\"\nqueue = 1\nqueue = 2").starts_with("p.toml:4:1: duplicate key")
    );
    let broken = mistake("[pools.a]\ncommand = [\"sh\"");
    assert!(broken.starts_with("p.toml:2:"), "{broken}");
}

#[test]
fn an_executable_that_is_missing_is_named_with_the_places_and_the_line() {
    let config = parse("[pools.a]\ncommand = [\"no-such-worker\"]").unwrap();
    let message = config.pools[0].resolve().unwrap_err().to_string();
    let line = message.lines().next().unwrap();
    assert!(
        line.starts_with("p.toml:2:11: failed to find the worker executable `no-such-worker`; looked in /")
    );
    assert!(message.contains("2 | command = [\"no-such-worker\"]"), "{message}");
}

#[test]
fn relative_paths_count_from_the_files_directory() {
    let text = "[pools.a]\ncommand = [\"./sh\"]\ncurrent_dir = \".\"\nsave_failed_jobs = \"failed\"\nsave_history = 5";
    let in_bin = Config::parse(Source { path: Path::new("/bin/p.toml"), text }).unwrap();
    let pool = in_bin.pools[0].resolve().unwrap();
    assert_eq!(pool.workers.executable().unwrap().as_path(), Path::new("/bin/sh"));
    assert_eq!(
        pool.current_dir.as_deref().and_then(|path| path.canonicalize().ok()),
        Path::new("/bin").canonicalize().ok()
    );
    let expected = (Some(Path::new("/bin/failed")), 5);
    assert_eq!((pool.save_failed_jobs.as_deref(), pool.limits.save_history), expected);
}

#[test]
fn a_current_dir_that_is_none_is_shown() {
    for path in ["/bin/sh", "/no/such/place"] {
        let config = parse(&format!("[pools.a]\ncommand = \"sh\"\ncurrent_dir = \"{path}\"")).unwrap();
        let message = config.pools[0].resolve().unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("p.toml:3:15: failed to use {path} as current_dir: ")),
            "{message}"
        );
    }
}

#[test]
fn a_pool_of_attached_workers_has_a_socket_and_nothing_about_starting_them() {
    let text = "[server]\nattach_dir = \"/run/x\"\n[pools.a]\nattach = true\nattach_users = [7]\n";
    let pool = parse(text).unwrap().pools[0].resolve().unwrap();
    assert_eq!(pool.workers, WorkerSource::Attached(AttachSocket::at("/run/x/a.sock").with_users([7])));
    let with_command = mistake(&format!("{text}command = \"sh\""));
    assert!(
        with_command.starts_with("p.toml:6:11: `command` means nothing with attach = true"),
        "{with_command}"
    );
    let with_limit = mistake(&format!("{text}memory_limit = 100000000"));
    assert!(with_limit.contains("`memory_limit` means nothing"), "{with_limit}");
    let users = mistake("[pools.a]\ncommand = \"sh\"\nattach_users = [7]");
    assert!(users.starts_with("p.toml:3:16: attach_users is for a pool with attach = true"), "{users}");
}

#[test]
fn orders_are_taken_over_loopback_or_on_a_socket_or_not_at_all() {
    let orders = |line: &str| {
        let text = format!("[server]\n{line}\n[pools.a]\ncommand = \"sh\"");
        let Config { server, .. } = parse(&text).map_err(|error| error.to_string())?;
        Ok::<_, String>((server.orders, server.http.orders_of.is_some()))
    };
    assert_eq!(orders(r#"orders = "/run/o.sock""#), Ok((Some("/run/o.sock".into()), false)));
    let off = [r#"orders = "off""#, "orders = false", r#"orders_token_file = "t""#];
    assert_eq!(off.map(orders), [const { Ok((None, false)) }; 3]);
    let loopback = ["", "orders = true", "orders = true\norders_token_file = \"t\""];
    assert_eq!(loopback.map(orders), [const { Ok((None, true)) }; 3]);
    assert!(orders(r#"orders = """#).is_err());
    assert!(orders(r#"orders = "OFF""#).is_err(), "a word that was mistyped is no socket");
    assert!(orders("orders = 1").unwrap_err().contains("a socket such as"));

    let named =
        parse("[server]\norders_token_file = \"/nowhere/token\"\n[pools.a]\ncommand = \"sh\"").unwrap();
    let missing = named.server.resolve().unwrap_err().to_string();
    let expected = "p.toml:2:21: failed to read the token in /nowhere/token: No such";
    assert!(missing.starts_with(expected), "{missing}");
}

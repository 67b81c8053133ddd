//! The figures of the server's own process, as Prometheus' client libraries name them. Read from `/proc`, where
//! there is one.

use super::page::Page;
use std::fmt;
use std::fs;

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    if let Some(stat) = Stat::read() {
        let help = "Processor time of the server, user and system, in seconds";
        page.counter("process_cpu_seconds", help, stat.cpu_seconds)?;
        page.gauge("process_resident_memory_bytes", "Resident memory of the server", stat.resident_bytes)?;
        page.gauge("process_virtual_memory_bytes", "Virtual memory of the server", stat.virtual_bytes)?;
        page.gauge("process_threads", "Number of threads of the server", stat.threads)?;
        if let Some(booted) = boot_time() {
            let help = "Start of the server, in seconds since 1970";
            page.gauge("process_start_time_seconds", help, booted + stat.started)?;
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory itself.
        let open = open.count().saturating_sub(1) as f64;
        page.gauge("process_open_fds", "Number of open file descriptors of the server", open)?;
    }
    if let Some(most) = max_fds() {
        page.gauge("process_max_fds", "Maximum number of open file descriptors of the server", most)?;
    }
    Ok(())
}

struct Stat {
    cpu_seconds: f64,
    threads: f64,
    /// Seconds from the start of the machine.
    started: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let units = Units::of(&fs::read("/proc/self/auxv").ok()?)?;
        Self::of(&fs::read_to_string("/proc/self/stat").ok()?, &units)
    }

    /// Reads `/proc/<pid>/stat` (proc(5)).
    fn of(text: &str, units: &Units) -> Option<Self> {
        // The name before it may contain anything.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // Field 3, the state, is the first.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / units.ticks_per_second,
            threads: field(20)?,
            started: field(22)? / units.ticks_per_second,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * units.page_bytes,
        })
    }
}

/// The units of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq)]
struct Units {
    ticks_per_second: f64,
    page_bytes: f64,
}

impl Units {
    /// Reads the auxiliary vector of a process (getauxval(3)): pairs of a key and a value, as words.
    fn of(auxv: &[u8]) -> Option<Self> {
        const AT_PAGESZ: usize = 6;
        const AT_CLKTCK: usize = 17;
        let (words, _) = auxv.as_chunks::<{ size_of::<usize>() }>();
        let (pairs, _) = words.as_chunks::<2>();
        let value = |wanted| {
            let found = pairs.iter().find(|[key, _]| usize::from_ne_bytes(*key) == wanted);
            found.map(|[_, value]| usize::from_ne_bytes(*value) as f64).filter(|value| *value > 0.0)
        };
        Some(Self { ticks_per_second: value(AT_CLKTCK)?, page_bytes: value(AT_PAGESZ)? })
    }
}

/// Returns when the machine was started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let rest = "S 1 1 1 0 -1 4194560 9 0 0 0 200 100 0 0 20 0 7 0 5000 1048576 16 0";
        let units = Units { ticks_per_second: 100.0, page_bytes: 4096.0 };
        let stat = Stat::of(&format!("42 (a ) b) {rest}"), &units).unwrap();
        assert_eq!((stat.cpu_seconds, stat.threads, stat.started), (3.0, 7.0, 50.0));
        assert_eq!((stat.virtual_bytes, stat.resident_bytes), (1_048_576.0, 65_536.0));
        assert!(Stat::of("42 (x) S 1", &units).is_none());
    }

    #[test]
    fn the_units_are_those_that_the_kernel_told_the_process() {
        let auxv = |words: &[usize]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
        let told = Units { ticks_per_second: 100.0, page_bytes: 16_384.0 };
        assert_eq!(Units::of(&auxv(&[3, 17, 6, 16_384, 17, 100, 0, 0])), Some(told));
        assert_eq!(Units::of(&auxv(&[6, 4096, 17, 0, 0, 0])), None);
        assert_eq!(Units::of(&auxv(&[6, 4096, 17])), None);

        let ours = rustix::param::clock_ticks_per_second() as f64;
        let pages = rustix::param::page_size() as f64;
        let units = Units::of(&fs::read("/proc/self/auxv").unwrap());
        assert_eq!(units, Some(Units { ticks_per_second: ours, page_bytes: pages }));
    }
}

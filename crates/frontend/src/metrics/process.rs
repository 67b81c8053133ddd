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
    if let Some(open) = open_fds() {
        page.gauge("process_open_fds", "Number of open file descriptors of the server", open as f64)?;
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
        Self::of(
            &fs::read_to_string("/proc/self/stat").ok()?,
            System::of(&fs::read("/proc/self/auxv").ok()?)?,
        )
    }

    /// Reads `/proc/<pid>/stat` (proc(5)).
    fn of(text: &str, system: System) -> Option<Self> {
        // The name before it may contain anything.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // Field 3, the state, is the first.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let System { ticks, page } = system;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            threads: field(20)?,
            started: field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
        })
    }
}

/// Units in which the kernel counts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct System {
    /// Clock ticks in a second.
    ticks: f64,
    /// Bytes of a page.
    page: f64,
}

impl System {
    /// Reads the auxiliary vector of a process (getauxval(3)): pairs of a kind and a value.
    fn of(vector: &[u8]) -> Option<Self> {
        const PAGE_SIZE: usize = 6;
        const CLOCK_TICKS: usize = 17;
        const WORD: usize = size_of::<usize>();
        let word = |bytes: &[u8]| Some(usize::from_ne_bytes(bytes.try_into().ok()?));
        let value = |kind: usize| {
            let mut pairs = vector.chunks_exact(2 * WORD);
            let pair = pairs.find(|pair| word(&pair[..WORD]) == Some(kind))?;
            word(&pair[WORD..]).map(|value| value as f64)
        };
        Some(Self { ticks: value(CLOCK_TICKS)?, page: value(PAGE_SIZE)? })
    }
}

/// Returns when the machine was started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// Returns the number of open descriptors. From Linux 6.2 on it is the size of their directory, which costs the same for ten
/// and for a million; before, the size is 0.
fn open_fds() -> Option<u64> {
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 { Some(size) } else { listed_fds() }
}

fn listed_fds() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the directory itself.
    u64::try_from(listed.saturating_sub(1)).ok()
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
    fn descriptors_are_counted_by_size_as_by_list() {
        // Other tests of this process open and close some meanwhile, hence the large number of held ones.
        let _held: Vec<_> = (0..200).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let (by_size, by_list) = (open_fds().unwrap(), listed_fds().unwrap());
        assert!(by_size > 200 && by_list > 200 && by_size.abs_diff(by_list) < 200, "{by_size} {by_list}");
    }

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let rest = "S 1 1 1 0 -1 4194560 9 0 0 0 200 100 0 0 20 0 7 0 5000 1048576 16 0";
        let system = System { ticks: 100.0, page: 4096.0 };
        let stat = Stat::of(&format!("42 (a ) b) {rest}"), system).unwrap();
        assert_eq!((stat.cpu_seconds, stat.threads, stat.started), (3.0, 7.0, 50.0));
        assert_eq!((stat.virtual_bytes, stat.resident_bytes), (1_048_576.0, 65_536.0));
        assert!(Stat::of("42 (x) S 1", system).is_none());
        let vector: Vec<u8> =
            [33, 9, 6, 4096, 17, 100, 0, 0].into_iter().flat_map(usize::to_ne_bytes).collect();
        assert_eq!(System::of(&vector), Some(system));
        assert_eq!(System::of(&vector[..40]), None);
    }
}

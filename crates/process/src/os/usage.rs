//! The resources that one process itself has used, from `/proc`: `wait4` adds those of the children that it
//! waited for. The caller ensures that the process is the intended one.

use super::wait::Reaped;
use rustix::process::Pid;
use std::time::Duration;

/// Processor time and children of a living process or a zombie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Time on a processor, user and system, of all its threads, in steps of the kernel's clock tick (10 ms).
    pub(crate) cpu_time: Duration,
    /// Whether it has waited for any child: each one has faulted at least one page in.
    pub(crate) had_children: bool,
}

impl Usage {
    /// Returns `None` if there is no such process, or no `/proc`.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&stat, rustix::param::clock_ticks_per_second())
    }

    /// Parses the fields that proc(5) describes. The second is the process's name, which may contain any
    /// character.
    fn parse(stat: &str, ticks_per_second: u64) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<u64>().ok();
        let (child_faults, user, system) = (field(11)?, field(14)?, field(15)?);
        let nanos =
            (u128::from(user) + u128::from(system)) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
        let cpu_time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some(Self { cpu_time, had_children: child_faults > 0 })
    }

    /// Returns the figures of a reaped process with its own processor time. The peak of memory may be that of
    /// its children.
    pub(crate) fn of_its_own(self, reaped: Reaped) -> Reaped {
        let peak_memory = reaped.peak_memory.zip(peak_of_this_process());
        let peak_memory = peak_memory.and_then(|(told, ours)| peak_beyond(ours, told));
        Reaped { peak_memory, cpu_time: self.cpu_time, had_children: self.had_children, ..reaped }
    }
}

/// Returns a child's peak by `wait4`, in bytes, unless it may be the peak of this process, which is `ours`. A
/// child has its parent's memory until its `exec`, and the kernel retains that peak. The kernel's figures are
/// approximate, hence an eighth more.
fn peak_beyond(ours: u64, told: u64) -> Option<u64> {
    (told > ours.saturating_add(ours / 8)).then_some(told)
}

/// Returns the maximum of this process's resident memory so far, in bytes.
fn peak_of_this_process() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let stat = "17 (a b) R 1 (c) S 1 17 17 0 -1 4194304 107 23 0 0 150 25 400 100 20 0 1 0 9 0 0";
        let usage = Usage { cpu_time: Duration::from_millis(1750), had_children: true };
        assert_eq!(Usage::parse(stat, 100), Some(usage));
        assert_eq!(Usage::parse("17 (a", 100), None);
    }

    #[test]
    fn what_this_process_had_is_not_a_childs() {
        let ours = std::hint::black_box(vec![1_u8; 64 << 20]);
        let usage = Usage { cpu_time: Duration::from_secs(1), had_children: false };
        let of_its_own = |peak| usage.of_its_own(Reaped { peak_memory: Some(peak), ..Reaped::unknown() });
        assert_eq!(of_its_own(ours.len() as u64).peak_memory, None);
        let large = of_its_own(1 << 40);
        assert_eq!(
            (large.peak_memory, large.cpu_time, large.had_children),
            (Some(1 << 40), usage.cpu_time, false)
        );
    }

    #[test]
    fn only_a_peak_beyond_our_own_and_the_kernels_error_counts() {
        assert_eq!([800, 900, 901].map(|told| peak_beyond(800, told)), [None, None, Some(901)]);
        assert_eq!(peak_beyond(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn a_child_counts_once_it_was_waited_for() {
        // This process may have had other children, so a shell and its own children are used.
        let had_children = |line: &str| {
            let mut shell = std::process::Command::new("/bin/sh");
            let mut shell = shell.args(["-c", line]).stdout(std::process::Stdio::piped()).spawn().unwrap();
            let mut said = String::new();
            let mut stdout = std::io::BufReader::new(shell.stdout.take().unwrap());
            std::io::BufRead::read_line(&mut stdout, &mut said).unwrap();
            let usage = Usage::of(Pid::from_child(&shell)).unwrap();
            shell.kill().unwrap();
            shell.wait().unwrap();
            usage.had_children
        };
        assert!(!had_children("echo begun; read never"));
        assert!(had_children("/bin/true; echo begun; read never"));
    }
}

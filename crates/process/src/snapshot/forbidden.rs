//! Which of the system's rules forbids to trace a process, and the way out. Does not: ask the system; the facts
//! are given.

/// The facts that decide whether a process may be traced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The process that traces it already.
    pub(super) tracer: Option<u32>,
    /// The value of `kernel.yama.ptrace_scope`, if the kernel has that.
    pub(super) yama: Option<u32>,
    /// Whether this process may trace any process.
    pub(super) is_capable: bool,
    /// The user that this process runs as.
    pub(super) own_user: u32,
    /// The user that the process runs as.
    pub(super) user: u32,
    /// The owner of the process's files in `/proc`. Another one than its user if it is not dumpable.
    pub(super) owner: u32,
    /// Whether this process runs under a filter of system calls.
    pub(super) is_filtered: bool,
    /// Whether this process has started it.
    pub(super) is_child: bool,
}

const CAPABILITY: &str = "give the coordinator the capability CAP_SYS_PTRACE";

/// Returns the most likely reason, with the way out.
pub(super) fn reason(facts: &Facts) -> String {
    if let Some(tracer) = facts.tracer {
        return format!("process {tracer} traces it already, such as a debugger; end that one first");
    }
    match facts.yama {
        Some(3..) => {
            return "kernel.yama.ptrace_scope is 3, which forbids it to everybody until the next boot; set it \
                    to 1 at boot"
                .into();
        }
        Some(2) if !facts.is_capable => {
            return format!("kernel.yama.ptrace_scope is 2; set it to 1 (sysctl), or {CAPABILITY}");
        }
        Some(1) if !facts.is_capable && !facts.is_child => {
            return format!(
                "it is no child of this process, and kernel.yama.ptrace_scope is 1; set it to 0 (sysctl), let \
                 the worker call prctl(PR_SET_PTRACER), or {CAPABILITY}"
            );
        }
        _ => {}
    }
    if facts.is_capable {
        return filtered(facts).unwrap_or_else(|| {
            "it runs in another user namespace, or a security module such as AppArmor or SELinux forbids it".into()
        });
    }
    if facts.user != facts.own_user {
        return format!(
            "it runs as user {}, and this process as user {}; run both as the same user, or {CAPABILITY}",
            facts.user, facts.own_user
        );
    }
    if facts.owner != facts.user {
        return format!(
            "it is not dumpable, because it has changed its user or has called prctl(PR_SET_DUMPABLE, 0); let it \
             set that to 1 again, or {CAPABILITY}"
        );
    }
    filtered(facts).unwrap_or_else(|| {
        format!("it has more privileges than this process, or a security module forbids it; {CAPABILITY}")
    })
}

fn filtered(facts: &Facts) -> Option<String> {
    facts.is_filtered.then(|| {
        "this process runs under a seccomp filter, which may forbid ptrace; in a container allow it with \
         --cap-add=SYS_PTRACE or a seccomp profile that has ptrace and process_vm_readv"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut Facts)) -> String {
        let mut facts = Facts { own_user: 1000, user: 1000, owner: 1000, is_child: true, ..Facts::default() };
        change(&mut facts);
        reason(&facts)
    }

    #[test]
    fn the_rule_that_forbids_it_is_named_with_its_way_out() {
        let has = |text: String, words: [&str; 2]| {
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        has(of(|it| it.tracer = Some(77)), ["process 77", "debugger"]);
        has(of(|it| it.yama = Some(3)), ["ptrace_scope is 3", "boot"]);
        has(of(|it| it.yama = Some(2)), ["ptrace_scope is 2", "CAP_SYS_PTRACE"]);
        has(of(|it| (it.yama, it.is_child) = (Some(1), false)), ["no child", "PR_SET_PTRACER"]);
        has(of(|it| it.user = 65534), ["user 65534", "user 1000"]);
        has(of(|it| it.owner = 0), ["not dumpable", "PR_SET_DUMPABLE"]);
        has(of(|it| it.is_filtered = true), ["seccomp", "--cap-add=SYS_PTRACE"]);
        has(of(|_| {}), ["more privileges", "CAP_SYS_PTRACE"]);
    }

    #[test]
    fn a_rule_that_does_not_apply_is_not_blamed() {
        assert!(!of(|it| it.yama = Some(1)).contains("yama"), "a child");
        let capable = of(|it| (it.yama, it.is_capable, it.user) = (Some(2), true, 65534));
        assert!(capable.contains("security module"), "{capable}");
    }
}

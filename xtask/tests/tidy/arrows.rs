//! The arrows of the architecture: which package may depend on which, and which crates stay out.
//!
//! Only normal dependencies count; a test may use what it likes.

use crate::rules::Finding;

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Whether it lies in `crates/workers`.
    pub(crate) is_worker: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A normal dependency, optional or not, for whatever platform.
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The features that are asked for.
    pub(crate) features: Vec<String>,
}

/// A package's own rule.
struct Rule {
    package: &'static str,
    /// The packages of ours that it may depend on.
    ours: &'static [&'static str],
    /// Which crates of others it may not depend on, nor ask another crate to bring along.
    others: Others,
}

enum Others {
    /// No restriction.
    Any,
    /// All but these.
    Without(&'static [&'static str]),
    /// None at all.
    None,
}

const RULES: &[Rule] = &[
    Rule {
        package: "procpool",
        ours: &[
            "procpool-coordinator",
            "procpool-jobs",
            "procpool-memory",
            "procpool-protocol",
            "procpool-registry",
            "procpool-store",
            "procpool-worker",
        ],
        others: Others::Any,
    },
    Rule {
        package: "procpool-bench",
        ours: &[
            "procpool",
            "procpool-compute",
            "procpool-fib",
            "procpool-jobs",
            "procpool-nats",
            "procpool-needs",
            "procpool-ping",
            "procpool-protocol",
            "procpool-registry",
            "procpool-store",
        ],
        others: Others::Any,
    },
    // Built in half a minute, to be counted.
    Rule {
        package: "procpool-bench-hot",
        ours: &["procpool-protocol", "procpool-scheduler"],
        others: Others::Without(&["tokio", "interprocess", "rustix"]),
    },
    Rule {
        package: "procpool-server",
        ours: &[
            "procpool-client",
            "procpool-frontend",
            "procpool-conform",
            "procpool-coordinator",
            "procpool-jobs",
            "procpool-nats",
            "procpool-protocol",
            "procpool-schedules",
            "procpool-store",
        ],
        others: Others::Any,
    },
    // It knows a server by its answers alone.
    Rule {
        package: "procpool-client",
        ours: &["procpool-protocol"],
        others: Others::Without(&["interprocess", "rustix", "libc"]),
    },
    Rule {
        package: "procpool-frontend",
        ours: &["procpool-jobs", "procpool-registry", "procpool-protocol", "procpool-memory"],
        others: Others::Without(&["interprocess", "rustix", "libc"]),
    },
    Rule {
        package: "procpool-jobs",
        ours: &["procpool-registry", "procpool-protocol", "procpool-schedules"],
        others: Others::Without(&["interprocess", "rustix", "libc"]),
    },
    // It runs jobs on any engine, and knows hosts by their messages alone.
    Rule {
        package: "procpool-nats",
        ours: &["procpool-jobs", "procpool-registry", "procpool-protocol"],
        others: Others::Without(&["interprocess", "rustix", "libc"]),
    },
    Rule {
        package: "procpool-coordinator",
        ours: &[
            "procpool-process",
            "procpool-scheduler",
            "procpool-protocol",
            "procpool-memory",
            "procpool-stacks",
        ],
        others: Others::Without(&["interprocess", "libc"]),
    },
    // It reads input of a process that may be hostile. It runs nothing, and touches no process.
    Rule {
        package: "procpool-stacks",
        ours: &["procpool-protocol"],
        others: Others::Without(&["tokio", "interprocess", "rustix", "libc"]),
    },
    Rule {
        package: "procpool-process",
        ours: &["procpool-birth", "procpool-protocol", "procpool-memory", "procpool-stacks"],
        others: Others::Any,
    },
    Rule {
        package: "procpool-worker",
        ours: &["procpool-birth", "procpool-protocol", "procpool-memory"],
        others: Others::Without(&["tokio"]),
    },
    Rule {
        package: "procpool-birth",
        ours: &["procpool-protocol"],
        others: Others::Without(&["tokio", "interprocess"]),
    },
    // It plays the coordinator by itself, and shares no code with what it checks but the encoding.
    Rule {
        package: "procpool-conform",
        ours: &["procpool-protocol"],
        others: Others::Without(&["tokio", "interprocess"]),
    },
    Rule { package: "procpool-memory", ours: &[], others: Others::Without(&["tokio", "interprocess"]) },
    Rule {
        package: "procpool-protocol",
        ours: &[],
        others: Others::Without(&["tokio", "interprocess", "rustix"]),
    },
    // It decides and holds records. Crates that need a runtime, a disk or a network are built around it.
    Rule {
        package: "procpool-registry",
        ours: &["procpool-protocol"],
        others: Others::Without(&["tokio", "interprocess", "rustix", "libc"]),
    },
    // It blocks, on a thread of its owner.
    Rule {
        package: "procpool-store",
        ours: &["procpool-registry", "procpool-protocol"],
        others: Others::Without(&["tokio", "interprocess", "libc"]),
    },
    // It reads no clock, and knows no jobs.
    Rule {
        package: "procpool-schedules",
        ours: &[],
        others: Others::Without(&["tokio", "interprocess", "rustix", "libc"]),
    },
    // The server is its caller, and both have to know its job.
    Rule {
        package: "procpool-symbolize",
        ours: &["procpool-protocol", "procpool-worker"],
        others: Others::Without(&["tokio", "interprocess"]),
    },
    Rule { package: "procpool-scheduler", ours: &[], others: Others::None },
    Rule { package: "procpool-needs", ours: &[], others: Others::None },
    Rule { package: "xtask", ours: &["procpool-needs"], others: Others::None },
];

/// The packages in `crates/workers` without a rule of their own.
const WORKERS: Rule = Rule { package: "workers/*", ours: &["procpool-worker"], others: Others::Any };

/// Nothing depends on the end-to-end tests, and they may depend on everything.
const TESTS: &str = "procpool-tests";

/// The one package that may depend on bincode.
const CODEC: &str = "procpool-protocol";

pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(|package| findings(package, packages)).collect()
}

fn findings(package: &Package, all: &[Package]) -> Vec<Finding> {
    if package.name == TESTS {
        return Vec::new();
    }
    let Some(rule) = rule(package) else {
        let advice = "has no rule: decide what it may depend on and write it into xtask/tests/tidy/arrows.rs";
        return vec![Finding::package(&package.name, advice.to_owned())];
    };
    let is_ours = |dependency: &Dependency| all.iter().any(|it| it.name == dependency.name);
    let verdict = |dependency| match is_ours(dependency) {
        true => ours(rule, dependency),
        false => others(rule, dependency).or_else(|| bincode(package, dependency)),
    };
    let finding = |advice| Finding::package(&package.name, advice);
    package.dependencies.iter().filter_map(verdict).map(finding).collect()
}

fn rule(package: &Package) -> Option<&'static Rule> {
    let own = RULES.iter().find(|rule| rule.package == package.name);
    own.or(package.is_worker.then_some(&WORKERS))
}

fn ours(rule: &Rule, dependency: &Dependency) -> Option<String> {
    let name = &dependency.name;
    (!rule.ours.contains(&name.as_str())).then(|| {
        format!(
            "depends on {name}, against the arrows of ARCHITECTURE.md: move what it needs to a simpler crate"
        )
    })
}

fn others(rule: &Rule, dependency: &Dependency) -> Option<String> {
    let name = &dependency.name;
    match rule.others {
        Others::Any => None,
        Others::None => Some(format!("depends on {name}, but is to depend on nothing: do it with std")),
        Others::Without(banned) => {
            let banned =
                banned.iter().find(|it| *name == **it || dependency.features.iter().any(|f| f == *it))?;
            Some(format!(
                "depends on {banned} (by {name}), which it refuses to know: it belongs in another crate"
            ))
        }
    }
}

fn bincode(package: &Package, dependency: &Dependency) -> Option<String> {
    (dependency.name == "bincode" && package.name != CODEC)
        .then(|| format!("depends on bincode, which only {CODEC} may: use its `codec` or `Payload`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, features: &[&str]) -> Dependency {
        Dependency { name: name.to_owned(), features: features.iter().map(|&it| it.to_owned()).collect() }
    }

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependencies = dependencies.iter().map(|name| dependency(name, &[])).collect();
        Package { name: name.to_owned(), is_worker: false, dependencies }
    }

    /// Returns the findings about `package` among all the packages that have a rule.
    fn about(package: Package) -> Vec<String> {
        let mut all: Vec<_> = RULES.iter().map(|rule| self::package(rule.package, &[])).collect();
        all.retain(|it| it.name != package.name);
        all.push(package);
        check(&all).iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn refused(package: Package, word: &str) {
        let findings = about(package);
        assert!(findings.len() == 1 && findings[0].contains(word), "{findings:?}");
    }

    #[test]
    fn an_arrow_of_the_design_is_fine() {
        let server = ["procpool-frontend", "procpool-coordinator", "procpool-protocol", "tokio"];
        assert!(about(package("procpool-server", &server)).is_empty());
        assert!(about(package("procpool-frontend", &["procpool-protocol", "hyper", "tokio"])).is_empty());
    }

    #[test]
    fn an_arrow_against_the_design_is_found() {
        refused(package("procpool-frontend", &["procpool-coordinator"]), "procpool-coordinator");
        refused(package("procpool-protocol", &["procpool-worker"]), "procpool-worker");
        refused(package("xtask", &["procpool"]), "procpool");
    }

    #[test]
    fn the_scheduler_depends_on_nothing() {
        refused(package("procpool-scheduler", &["rand"]), "nothing");
        refused(package("procpool-scheduler", &["procpool-protocol"]), "procpool-protocol");
    }

    #[test]
    fn a_banned_crate_is_found_by_name_and_by_feature() {
        refused(package("procpool-worker", &["tokio"]), "tokio");
        let mut worker = package("procpool-worker", &[]);
        worker.dependencies.push(dependency("interprocess", &["tokio"]));
        refused(worker, "tokio (by interprocess)");
    }

    #[test]
    fn a_worker_knows_the_sdk_alone() {
        let worker = |dependencies| Package { is_worker: true, ..package("resize", dependencies) };
        assert!(about(worker(&["procpool-worker", "image"])).is_empty());
        refused(worker(&["procpool-protocol"]), "procpool-protocol");
    }

    #[test]
    fn bincode_has_one_customer() {
        assert!(about(package("procpool-protocol", &["bincode"])).is_empty());
        refused(package("procpool-coordinator", &["bincode"]), "bincode");
    }

    #[test]
    fn a_new_package_needs_a_rule() {
        refused(package("procpool-shiny", &[]), "no rule");
    }

    #[test]
    fn the_end_to_end_tests_may_use_everything() {
        assert!(about(package("procpool-tests", &["procpool-server", "bincode"])).is_empty());
    }
}

//! The names that Python and npm have for the platform of a host triple.

/// A platform for which both languages have packages with executables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// Architecture in the tag of a wheel.
    pub(crate) wheel: &'static str,
    /// Architecture as npm and `process.arch` name it.
    pub(crate) npm: &'static str,
}

const PLATFORMS: &[(&str, Platform)] = &[
    ("x86_64-unknown-linux-gnu", Platform { wheel: "x86_64", npm: "x64" }),
    ("aarch64-unknown-linux-gnu", Platform { wheel: "aarch64", npm: "arm64" }),
];

impl Platform {
    /// Returns the platform of a host triple, or `None` if there are no packages for it.
    pub(crate) fn of(host: &str) -> Option<Self> {
        PLATFORMS.iter().find(|(triple, _)| *triple == host).map(|(_, platform)| *platform)
    }

    /// Returns the name of the npm package with the executable, which the SDK for Node looks for.
    pub(crate) fn npm_package(self) -> String {
        format!("@procpool/linux-{}-gnu", self.npm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_names_of_both_languages() {
        let platform = Platform::of("x86_64-unknown-linux-gnu").unwrap();
        assert_eq!((platform.wheel, platform.npm_package().as_str()), ("x86_64", "@procpool/linux-x64-gnu"));
        assert_eq!(Platform::of("x86_64-unknown-linux-musl"), None);
    }
}

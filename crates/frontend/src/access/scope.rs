//! The rights of a client, in the words of a tokens file.

use std::fmt;
use std::str::FromStr;

/// A group of routes. None includes another.
///
/// ```
/// use procpool_frontend::Scope;
///
/// assert_eq!("operate".parse(), Ok(Scope::Operate));
/// assert!("root".parse::<Scope>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// Send jobs, cancel them one by one, and run them again.
    Submit,
    /// See jobs, pools and workers.
    Read,
    /// Change what is running: reload, pause, resize, kill, clear a quarantine.
    Operate,
    /// See what is inside workers and jobs: what a pool holds against payloads and clients, stacks, output.
    Debug,
    /// Change the server itself: its configuration.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Submit, Self::Read, Self::Operate, Self::Debug, Self::Admin];

    /// Returns the word that stands for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Debug => "debug",
            Self::Admin => "admin",
        }
    }

    /// Returns whether its routes are for operators: a server without tokens asks for a proof, and each use is a
    /// line in the log.
    pub(crate) const fn is_of_operators(self) -> bool {
        matches!(self, Self::Operate | Self::Debug | Self::Admin)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| UnknownScope(text.into()))
    }
}

/// The error for a text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScope(String);

impl fmt::Display for UnknownScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is no scope; there are submit, read, operate, debug and admin", self.0)
    }
}

impl std::error::Error for UnknownScope {}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// All of them.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);
    /// Those of clients of a server that has no tokens.
    pub(crate) const ANONYMOUS: Self = Self(1 << Scope::Submit as u8 | 1 << Scope::Read as u8);
    /// Those for operators.
    pub(crate) const OPERATORS: Self = Self(Self::ALL.0 & !Self::ANONYMOUS.0);

    /// Returns whether the scope is one of them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | 1 << scope as u8))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(Scope::ALL.iter().filter(|scope| self.has(**scope))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        for one in Scope::ALL {
            let alone = Scopes::from_iter([one]);
            assert!(Scope::ALL.iter().all(|other| alone.has(*other) == (one == *other)), "{one}");
            assert!(Scopes::ALL.has(one) && !Scopes::default().has(one));
            assert_eq!(Scopes::OPERATORS.has(one), one.is_of_operators());
            assert_eq!(Scopes::ANONYMOUS.has(one), !one.is_of_operators());
            assert_eq!(one.name().parse(), Ok(one));
        }
        assert_eq!(format!("{:?}", Scopes::from_iter([Scope::Read, Scope::Submit])), "{Submit, Read}");
    }
}

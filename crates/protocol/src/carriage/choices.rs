//! [`Choices`] for a made-up value if a type leaves a choice, over many runs of one `Deserialize`.

use std::collections::HashMap;

/// Maximum nesting of one enum in itself while searching for a variant that ends the nesting.
const DEEPEST: usize = 4;

/// The choices so far, by the name of a visitor's type.
#[derive(Debug, Default)]
pub(super) struct Choices {
    enums: HashMap<&'static str, Tried>,
    /// Lists, maps and options that must be empty, because a type in them would contain itself.
    empty: Vec<&'static str>,
    /// The values that are under construction in this run.
    pub(super) open: Vec<Open>,
    /// Whether this run has made a new choice.
    pub(super) is_new: bool,
    /// Whether this run reached the end of an enum's variants.
    pub(super) has_ended: bool,
}

/// A value that is under construction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) kind: &'static str,
    /// Whether it is a list, a map or an option.
    pub(super) may_be_empty: bool,
}

#[derive(Debug, Default)]
struct Tried {
    next: u32,
    is_complete: bool,
    /// Variants that could be built.
    good: Vec<u32>,
    turn: usize,
}

impl Choices {
    pub(super) fn begin(&mut self) {
        self.open.clear();
        (self.is_new, self.has_ended) = (false, false);
    }

    /// Returns whether a value of this kind would contain itself. The next run then searches for an end of
    /// the nesting.
    pub(super) fn goes_on_for_ever(&mut self, kind: &'static str) -> bool {
        if !self.open.iter().any(|it| it.kind == kind) {
            return false;
        }
        // While an enum has untried variants, one of them may end the nesting.
        let innermost = self.open.iter().rfind(|it| it.may_be_empty);
        if let Some(innermost) = innermost.filter(|_| !self.is_new) {
            self.empty.push(innermost.kind);
            self.is_new = true;
        }
        true
    }

    pub(super) fn is_to_be_empty(&self, kind: &'static str) -> bool {
        self.empty.contains(&kind) || self.open.iter().any(|it| it.kind == kind)
    }

    /// Returns the number of enums, and of the variants of all of them.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.enums.len(), self.enums.values().map(|it| it.good.len()).sum())
    }

    /// Returns the variant to build: an untried one, or else each in turn. Returns `None` if the nesting
    /// would not end.
    pub(super) fn variant(&mut self, kind: &'static str, names: usize) -> Option<u32> {
        let nested = self.open.iter().filter(|it| it.kind == kind).count();
        let tried = self.enums.entry(kind).or_default();
        let way_out = tried.good.first().copied();
        if nested > 0 && way_out.is_some() {
            return way_out;
        }
        if nested >= DEEPEST {
            return None;
        }
        if !tried.is_complete {
            let index = tried.next;
            tried.next += 1;
            // One index beyond the names shows the number of variants.
            tried.is_complete = index as usize >= names;
            self.is_new = true;
            return Some(index);
        }
        tried.turn += 1;
        Some(tried.good.get(tried.turn % tried.good.len().max(1)).copied().unwrap_or(0))
    }

    /// Records that the enum has no further variants.
    pub(super) fn end(&mut self, kind: &'static str) {
        self.has_ended = true;
        self.enums.entry(kind).or_default().is_complete = true;
    }

    pub(super) fn made(&mut self, kind: &'static str, index: u32) {
        let good = &mut self.enums.entry(kind).or_default().good;
        if !good.contains(&index) {
            good.push(index);
        }
    }
}

//! The keys that a configuration file sets, compared with those of another. Pure.

use super::APPLIED;
use toml::Table;

pub(super) fn table<'a>(keys: &'a Table, name: &str) -> Option<&'a Table> {
    keys.get(name)?.as_table()
}

pub(super) fn of_pool<'a>(keys: &'a Table, name: &str) -> Option<&'a Table> {
    keys.get("pools")?.get(name)?.as_table()
}

/// Returns the keys that have other values, or are in one table only.
pub(super) fn differing(old: Option<&Table>, new: Option<&Table>) -> Vec<String> {
    let all = old.into_iter().chain(new).flat_map(Table::keys);
    let mut differ: Vec<_> = all
        .filter(|key| old.and_then(|it| it.get(*key)) != new.and_then(|it| it.get(*key)))
        .cloned()
        .collect();
    differ.sort_unstable();
    differ.dedup();
    differ
}

/// Returns the `old` keys with the applied ones of the `new`.
pub(super) fn with_applied_of(old: &Table, new: &Table) -> Table {
    let mut keys = old.clone();
    for name in APPLIED {
        keys.remove(name);
        keys.extend(new.get_key_value(name).map(|(name, table)| (name.clone(), table.clone())));
    }
    keys
}

//! `cargo xtask book`: renders the guide by mdBook, and checks every link of the result.
//!
//! mdBook renders docs/ alone and points links to other documents of the repository at pages that it does not make. Those
//! are turned to the repository here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;
use crate::error::Error;
use crate::journal::Journal;

pub(crate) const HELP: &str = "\
Renders the guide in docs/ as a book of HTML pages into target/book/

Usage: cargo xtask book

It needs mdBook: cargo install mdbook --locked --no-default-features
Every link of the book is checked, and links to other documents are turned to
the repository. Open target/book/index.html.";

const STEP: &str = "guide";

const MDBOOK: &str = "mdbook";

const NO_MDBOOK: &str = "`cargo install mdbook --locked --no-default-features` installs it";

/// The folder whose pages become the book.
const DOCS: &str = "docs";

/// Where other documents are read.
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");

pub(crate) fn run() -> Result<(), Error> {
    let book = cargo::root().join("target/book");
    let mut command = Command::new(MDBOOK);
    command.current_dir(cargo::root()).arg("build").arg("--dest-dir").arg(&book).arg(DOCS);
    let status = command.status().map_err(Error::start(&command, NO_MDBOOK))?;
    if !status.success() {
        return Err(Error::Ended { command: crate::error::shown(&command), status });
    }
    let mut pages = BTreeMap::new();
    read(&book, "", &mut pages)?;
    let turned = turn(&pages, |path| cargo::root().join(path).exists()).map_err(|dead| Error::Answer {
        program: MDBOOK.into(),
        expected: "every link of the guide to lead somewhere",
        got: dead.join(", "),
    })?;
    for (name, html) in turned {
        let file = book.join(&name);
        fs::write(&file, html).map_err(Error::file("write", &file))?;
    }
    println!("{}", book.join("index.html").display());
    Ok(())
}

/// The gate of `cargo xtask ci`.
pub(crate) fn in_ci(journal: &mut Journal) {
    let mut probe = Command::new(MDBOOK);
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        journal.attempt(STEP, run);
    } else {
        journal.skip(
            STEP,
            "mdbook is not installed; `cargo install mdbook --locked --no-default-features` installs it",
        );
    }
}

/// Reads the pages below a folder of the book, by their paths in it.
fn read(folder: &Path, prefix: &str, pages: &mut BTreeMap<String, String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let path: PathBuf = entry.map_err(Error::file("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            read(&path, &format!("{prefix}{name}/"), pages)?;
        } else if name.ends_with(".html") && !["404.html", "toc.html"].contains(&name.as_str()) {
            let html = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
            pages.insert(format!("{prefix}{name}"), html);
        }
    }
    Ok(())
}

/// Turns links to other documents to the repository, or returns every link that leads nowhere. `exists` knows the files of
/// the repository.
fn turn(
    pages: &BTreeMap<String, String>,
    exists: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let anchors: BTreeMap<_, BTreeSet<_>> =
        pages.iter().map(|(name, html)| (name.as_str(), values(html, "id=\"").collect())).collect();
    let mut dead = Vec::new();
    let mut turned = BTreeMap::new();
    for (name, html) in pages {
        let mut html = html.clone();
        // Only what authors wrote; the frame around it is mdBook's own.
        let content = html.split_once("<main>").and_then(|(_, rest)| rest.split_once("</main>"));
        let links: BTreeSet<_> = content
            .map(|(content, _)| values(content, "href=\"").map(str::to_owned).collect())
            .unwrap_or_default();
        for link in links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            match target(name, link, &anchors, &exists) {
                Target::Page => {}
                Target::Elsewhere(path) => {
                    let address = format!("href=\"{REPOSITORY}{path}\"");
                    html = html.replace(&format!("href=\"{link}\""), &address);
                }
                Target::Nowhere => dead.push(format!("{link} in {name}")),
            }
        }
        turned.insert(name.clone(), html);
    }
    if dead.is_empty() { Ok(turned) } else { Err(dead) }
}

/// The end of a link of the book.
enum Target {
    Page,
    /// Another file of the repository: its path, and the place in it.
    Elsewhere(String),
    Nowhere,
}

fn target(
    page: &str,
    link: &str,
    anchors: &BTreeMap<&str, BTreeSet<&str>>,
    exists: impl Fn(&str) -> bool,
) -> Target {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let page = format!("{DOCS}/{page}");
    let path = if file.is_empty() { page } else { resolve(&page, file) };
    if let Some(inside) = path.strip_prefix("docs/") {
        return match anchors.get(inside) {
            Some(known) if anchor.is_empty() || known.contains(anchor) => Target::Page,
            None if exists(&path) => Target::Page,
            _ => Target::Nowhere,
        };
    }
    let place = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
    let document = path.strip_suffix(".html").map(|path| format!("{path}.md"));
    match document.into_iter().chain([path]).find(|path| exists(path)) {
        Some(path) => Target::Elsewhere(path + &place),
        None => Target::Nowhere,
    }
}

/// Resolves a link to its path from the root of the repository.
fn resolve(page: &str, link: &str) -> String {
    let mut parts: Vec<_> = page.split('/').collect();
    parts.pop();
    for part in link.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Returns the values of an attribute, of which `mark` is the beginning: `href="`.
fn values<'a>(html: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    html.split(mark).skip(1).filter_map(|rest| rest.split_once('"')).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(content: &str) -> Result<String, Vec<String>> {
        let frame = "<a href=\"missing.css\"></a>";
        let pages = [
            ("a.html".to_owned(), format!("{frame}<main><h1 id=\"top\"></h1>{content}</main>")),
            ("decisions/b.html".to_owned(), "<main><a href=\"../a.html#top\"></a></main>".to_owned()),
        ];
        let exists = |path: &str| ["SURVIVAL.md", "crates/x.rs", "docs/procpool.service"].contains(&path);
        turn(&pages.into(), exists).map(|mut pages| pages.remove("a.html").expect("the page"))
    }

    #[test]
    fn links_between_pages_are_left_alone() {
        let content = "<a href=\"decisions/b.html\"><a href=\"#top\"><a href=\"procpool.service\"><a href=\"https://x.y\">";
        assert!(turned(content).unwrap().contains(content));
    }

    #[test]
    fn links_that_leave_the_book_lead_to_the_repository() {
        let html = turned("<a href=\"../SURVIVAL.html#faults\"><a href=\"../crates/x.rs\">").unwrap();
        assert!(html.contains(&format!("href=\"{REPOSITORY}SURVIVAL.md#faults\"")), "{html}");
        assert!(html.contains(&format!("href=\"{REPOSITORY}crates/x.rs\"")), "{html}");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told_with_its_page() {
        let dead =
            turned("<a href=\"c.html\"><a href=\"a.html#bottom\"><a href=\"../GONE.html\">").unwrap_err();
        assert_eq!(dead, ["../GONE.html in a.html", "a.html#bottom in a.html", "c.html in a.html"]);
    }
}

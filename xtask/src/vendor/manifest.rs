//! The list of vendored files, `vendor.toml`: a package from npm each, with its files. Reads the few forms of TOML that the
//! list has, since a task depends on nothing. Does not: touch the files.

use std::fmt;

/// A package, with those of its files that are committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: String,
    pub(crate) files: Vec<File>,
}

/// A vendored file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its place below the folder of the list.
    pub(crate) path: String,
    /// Its place in the package.
    pub(crate) from: String,
    /// Its SHA-256 in hexadecimal, as the package has it.
    pub(crate) sha256: String,
}

impl File {
    /// Returns whether it is committed compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.path.ends_with(".gz") && !self.from.ends_with(".gz")
    }
}

/// A line that the list does not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.0, self.1)
    }
}

/// Reads a list.
pub(crate) fn read(text: &str) -> Result<Vec<Package>, Unreadable> {
    let mut packages: Vec<Package> = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line == "[[package]]" {
            let [name, version, licence] = [const { String::new() }; 3];
            packages.push(Package { name, version, licence, files: Vec::new() });
            continue;
        }
        if line.is_empty() || line.starts_with('#') || ["files = [", "]"].contains(&line) {
            continue;
        }
        let package = packages.last_mut().ok_or(Unreadable(number, "it stands before any [[package]]"))?;
        if line.starts_with('{') {
            package.files.push(file(line).ok_or(Unreadable(number, "a path, from and sha256 are needed"))?);
        } else if let Some(name) = value(line, "name") {
            package.name = name.to_owned();
        } else if let Some(version) = value(line, "version") {
            package.version = version.to_owned();
        } else if let Some(licence) = value(line, "licence") {
            package.licence = licence.to_owned();
        } else {
            return Err(Unreadable(number, "a name, version, licence or file is needed"));
        }
    }
    Ok(packages)
}

/// Returns the list with another digest of one file.
pub(crate) fn with_digest(text: &str, path: &str, sha256: &str) -> String {
    let line = |line: &str| match file(line.trim()) {
        Some(file) if file.path == path => {
            line.replace(&format!("sha256 = \"{}\"", file.sha256), &format!("sha256 = \"{sha256}\"")) + "\n"
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn file(line: &str) -> Option<File> {
    let members = line.strip_prefix('{')?.trim_end_matches(',').strip_suffix('}')?;
    let member = |name| members.split(", ").find_map(|member| value(member.trim(), name)).map(str::to_owned);
    Some(File { path: member("path")?, from: member("from")?, sha256: member("sha256")? })
}

/// Returns the text of `name = "text"`.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# A list.\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nlicence = \"MIT\"\nfiles = [\n  \
                        { path = \"a/x.js.gz\", from = \"x.js\", sha256 = \"aa\" },\n  \
                        { path = \"a/LICENSE\", from = \"LICENSE\", sha256 = \"bb\" },\n]\n";

    #[test]
    fn packages_have_their_files() {
        let packages = read(LIST).unwrap();
        let [package] = &packages[..] else { panic!("{packages:?}") };
        let Package { name, version, licence, files } = package;
        assert_eq!([name, version, licence], ["a", "1.0.0", "MIT"]);
        assert_eq!([&files[0].path, &files[0].from, &files[0].sha256], ["a/x.js.gz", "x.js", "aa"]);
        assert!(files[0].is_compressed() && !files[1].is_compressed());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (text, number) in
            [("name = \"a\"", 1), ("[[package]]\nnane = \"a\"", 2), ("[[package]]\n{ path = \"a\" },", 2)]
        {
            assert_eq!(read(text).unwrap_err().0, number, "{text}");
        }
    }

    #[test]
    fn only_the_digest_of_one_file_changes() {
        let changed = with_digest(LIST, "a/LICENSE", "cc");
        assert_eq!(changed, LIST.replace("bb", "cc"));
        assert_eq!(with_digest(LIST, "a/other", "cc"), LIST);
    }
}

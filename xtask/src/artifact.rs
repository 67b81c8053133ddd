//! Where cargo put an executable: one line of `cargo build --message-format=json`, read by hand.
//!
//! Only cargo knows this for certain (target folders move by environment, configuration and target
//! triple), and two fields of a machine-written line do not call for a JSON library.

use std::path::PathBuf;

/// An executable that cargo built or found fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Its name, without the suffix that some systems add.
    pub(crate) name: String,
    /// The version of its package.
    pub(crate) version: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

impl Artifact {
    /// Reads one message; `None` for the many that are not about an executable.
    pub(crate) fn parse(message: &str) -> Option<Self> {
        if !message.starts_with(r#"{"reason":"compiler-artifact""#) {
            return None;
        }
        let path = PathBuf::from(string_field(message, "executable")?);
        Some(Self {
            name: path.file_stem()?.to_str()?.to_owned(),
            version: version(&string_field(message, "package_id")?)?.to_owned(),
            path,
        })
    }
}

/// `path+file:///src/ping#procpool-ping@0.1.0` or, where folder and package share a name, `…/ping#0.1.0`.
fn version(package_id: &str) -> Option<&str> {
    let (_, fragment) = package_id.rsplit_once('#')?;
    Some(fragment.rsplit_once('@').map_or(fragment, |(_, version)| version))
}

fn string_field(message: &str, key: &str) -> Option<String> {
    let opening = format!("\"{key}\":\"");
    let start = message.find(&opening)? + opening.len();
    unescape(&message[start..])
}

/// Returns the string up to its closing quote. `\u` is only understood outside the surrogates, which is all
/// that cargo writes: it escapes control characters and leaves the rest as UTF-8.
fn unescape(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                itself => itself,
            }),
            plain => text.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_read_from_a_message() {
        let message = r#"{"reason":"compiler-artifact","package_id":"path+file:///s/crates/server#procpool-server@0.1.0","target":{"name":"procpool"},"executable":"/s/a \"b\"/\u0041\\procpool","fresh":true}"#;
        let expected = Artifact {
            name: r"A\procpool".to_owned(),
            version: "0.1.0".to_owned(),
            path: PathBuf::from(r#"/s/a "b"/A\procpool"#),
        };
        assert_eq!(Artifact::parse(message), Some(expected));
    }

    #[test]
    fn a_package_named_like_its_folder_has_a_version_too() {
        assert_eq!(version("path+file:///s/crates/procpool#0.2.0"), Some("0.2.0"));
    }

    #[test]
    fn libraries_and_other_messages_are_passed_over() {
        let library =
            r#"{"reason":"compiler-artifact","package_id":"path+file:///s#x@1.0.0","executable":null}"#;
        assert_eq!(Artifact::parse(library), None);
        assert_eq!(Artifact::parse(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(Artifact::parse("warning: something"), None);
    }

    #[test]
    fn a_string_without_an_end_is_no_string() {
        assert_eq!(unescape(r"abc\"), None);
        assert_eq!(unescape("abc"), None);
    }
}

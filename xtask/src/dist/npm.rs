//! The npm packages of the SDK for Node: the SDK, and the executable as an optional dependency of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::platform::Platform;
use super::wheels::staged;
use crate::artifact::Artifact;
use crate::cargo;
use crate::error::Error;
use crate::folder;

/// Files and folders of `sdk/node` that the package is built from. Its `files` chooses among them.
const PARTS: &[&str] = &["package.json", "README.md", "bin", "lib"];

/// Writes the tarballs into `into`, and returns their names.
pub(crate) fn pack(
    server: [&Artifact; 2],
    platform: Option<Platform>,
    into: &Path,
) -> Result<Vec<String>, Error> {
    let source = staged("node", PARTS)?;
    if let Some(platform) = platform {
        // Not in the SDK's own package.json: its tests would ask the registry for a package that they do not need.
        let dependency = format!("optionalDependencies.{}=>={}", platform.npm_package(), server[0].version);
        npm(&source, &["pkg", "set", &dependency])?;
        of_executable(server, platform, into)?;
    }
    packed(&source, into)?;
    folder::names(into, ".tgz")
}

fn of_executable(server: [&Artifact; 2], platform: Platform, into: &Path) -> Result<(), Error> {
    let source = staged("executable", &[])?;
    let bin = source.join("bin");
    fs::create_dir(&bin).map_err(Error::file("create", &bin))?;
    for executable in server {
        folder::copy(&executable.path, &bin)?;
    }
    for (name, text) in [("package.json", manifest(server[0], platform)), ("README.md", readme(platform))] {
        let file = source.join(name);
        fs::write(&file, text).map_err(Error::file("write", &file))?;
    }
    packed(&source, into)
}

/// Returns the package.json of the executable's package. npm installs it on its platform only.
fn manifest(server: &Artifact, platform: Platform) -> String {
    let (name, version, cpu) = (platform.npm_package(), &server.version, platform.npm);
    format!(
        r#"{{
  "name": "{name}",
  "version": "{version}",
  "description": "The executable procpool for Linux on {cpu}",
  "license": "MIT OR Apache-2.0",
  "bin": {{ "procpool": "bin/procpool" }},
  "files": ["bin", "LICENSE-*"],
  "os": ["linux"],
  "cpu": ["{cpu}"],
  "libc": ["glibc"],
  "preferUnplugged": true
}}
"#
    )
}

fn readme(platform: Platform) -> String {
    format!(
        "# {}\n\nThe executable `procpool` for Linux on {}. `npm install procpool` installs it.\n",
        platform.npm_package(),
        platform.npm
    )
}

fn packed(source: &Path, into: &Path) -> Result<(), Error> {
    npm(source, &["pack", "--silent", "--ignore-scripts", "--pack-destination", &into.to_string_lossy()])
}

fn npm(folder: &Path, args: &[&str]) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    // It names the tarball there.
    npm.current_dir(folder).args(args).stdout(Stdio::null());
    cargo::run(npm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executables_package_is_for_its_platform_only() {
        let server = Artifact { name: "procpool".into(), version: "0.3.0".into(), path: "/x".into() };
        let text = manifest(&server, Platform::of("aarch64-unknown-linux-gnu").unwrap());
        for line in [r#""name": "@procpool/linux-arm64-gnu""#, r#""version": "0.3.0""#, r#""cpu": ["arm64"]"#]
        {
            assert!(text.contains(line), "{text}");
        }
    }
}

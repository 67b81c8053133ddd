//! The wheels of the SDK for Python: the pure one, and that of the executable, which is a script of its own distribution.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::platform::Platform;
use crate::artifact::Artifact;
use crate::cargo;
use crate::error::Error;
use crate::{folder, sdk};

/// The build backend. pip would take the newest one, from the network, at each build.
const BACKEND: &str = "setuptools==80.9.0";

/// Midnight of 1 January 1980, where the time of a zip begins: the same files make the same wheel.
const EPOCH: &str = "315532800";

/// Files and folders of `sdk/python` that the wheel is built from.
const PARTS: &[&str] = &["pyproject.toml", "README.md", "procpool"];

/// Writes the wheels into `into`, and returns their names.
pub(crate) fn pack(
    server: [&Artifact; 2],
    platform: Option<Platform>,
    into: &Path,
) -> Result<Vec<String>, Error> {
    let venv = sdk::virtual_environment()?;
    let pip = |args: &[&str], path: Option<&Path>| {
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(args).args(path).env("SOURCE_DATE_EPOCH", EPOCH).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        cargo::run(pip)
    };
    // Asks nobody if it is installed.
    pip(&["install", "--quiet", BACKEND], None)?;
    // A copy: setuptools leaves a folder `build` behind, and takes files from it that were deleted since.
    let source = staged("python", PARTS)?;
    let target = into.to_string_lossy();
    pip(&["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", &target], Some(&source))?;
    if let Some(platform) = platform {
        let mut script = Command::new(venv.join("bin/python"));
        script.arg(cargo::root().join("sdk/python/wheels/server_wheel.py"));
        script.args([&server[0].version, platform.wheel]).arg(into);
        script.args(server.map(|executable| &executable.path));
        cargo::run(script)?;
    }
    folder::names(into, ".whl")
}

/// Copies parts of an SDK and the licences into a folder from which it is packed.
pub(super) fn staged(language: &str, parts: &[&str]) -> Result<PathBuf, Error> {
    let source = sdk::place(&format!("packed/{language}"));
    folder::empty(&source)?;
    for part in parts {
        folder::copy(&cargo::root().join("sdk").join(language).join(part), &source)?;
    }
    for licence in super::LICENCES {
        folder::copy(&cargo::root().join(licence), &source)?;
    }
    Ok(source)
}

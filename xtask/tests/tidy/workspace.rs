//! The workspace as the rules see it: its Rust files, its documents, and its packages as cargo describes them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::arrows::{Dependency, Package};
use crate::code;
use crate::documents::Document;
use crate::packages::Manifest;

/// A Rust file.
pub(crate) struct Source {
    /// Its path from the root, with `/` between the parts.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
    /// The same without the contents of comments and literals, line for line.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: code::only(text) }
    }
}

/// Returns every Rust file of the checkout, whether git knows it yet or not. Reads them once for all rules.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> =
        LazyLock::new(|| files("rs").iter().map(|(path, text)| Source::new(path, text)).collect());
    assert!(SOURCES.len() > 10, "only {} Rust files under {}", SOURCES.len(), root().display());
    &SOURCES
}

/// Returns every Markdown file of the checkout.
pub(crate) fn documents() -> Vec<Document> {
    let documents: Vec<_> = files("md").into_iter().map(|(path, text)| Document { path, text }).collect();
    assert!(documents.len() > 10, "only {} documents under {}", documents.len(), root().display());
    documents
}

/// Returns a document of the workspace.
pub(crate) fn document(name: &str) -> String {
    let file = root().join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("failed to read {name}: {error}"))
}

/// Returns whether there is a file or folder at this path from the root.
pub(crate) fn has(path: &str) -> bool {
    root().join(path).exists()
}

/// Reads path and text of every file with this extension.
fn files(extension: &str) -> Vec<(String, String)> {
    let root = root();
    let mut files = Vec::new();
    walk(&root, extension, &mut |file| {
        let path = file.strip_prefix(&root).expect("a file below the root");
        let path = path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("failed to read {path}: {error}"));
        files.push((path, text));
    });
    files.sort();
    files
}

/// Returns the packages of the workspace and what each depends on in normal use; needs no network.
pub(crate) fn packages() -> Vec<Package> {
    list(&metadata()["packages"]).map(package).collect()
}

/// Returns the packages of the workspace as crates.io would show them.
pub(crate) fn manifests() -> Vec<Manifest> {
    let metadata = metadata();
    let packages = &metadata["packages"];
    let is_published = |name: &str| list(packages).any(|it| it["name"] == name && it["publish"].is_null());
    let manifest = |json: &Value| Manifest {
        name: text(&json["name"]),
        is_published: json["publish"].is_null(),
        has_readme: json["readme"].is_string(),
        keywords: list(&json["keywords"]).count(),
        categories: list(&json["categories"]).count(),
        unpublished: list(&json["dependencies"])
            .filter(|it| it["path"].is_string() && it["req"] != "*" && !is_published(&text(&it["name"])))
            .map(|it| text(&it["name"]))
            .collect(),
    };
    list(packages).map(manifest).collect()
}

fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let output = cargo.output().expect("failed to start cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON")
}

fn package(json: &Value) -> Package {
    let manifest = text(&json["manifest_path"]);
    Package {
        name: text(&json["name"]),
        is_worker: Path::new(&manifest).starts_with(root().join("crates/workers")),
        dependencies: list(&json["dependencies"]).filter(|it| it["kind"].is_null()).map(dependency).collect(),
    }
}

fn dependency(json: &Value) -> Dependency {
    Dependency { name: text(&json["name"]), features: list(&json["features"]).map(text).collect() }
}

fn list(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}

fn text(json: &Value) -> String {
    json.as_str().expect("cargo metadata has a string here").to_owned()
}

/// Asked at run time: clones that share a target folder share this test's executable.
fn root() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR").expect("cargo test says where the package is");
    Path::new(&xtask).parent().expect("xtask lies in the workspace").to_owned()
}

fn walk(folder: &Path, extension: &str, found: &mut impl FnMut(&Path)) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("failed to list {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder entry");
        let path = entry.path();
        let is_folder = entry.file_type().expect("a file type").is_dir();
        if is_folder && !is_somebody_elses(&path) {
            walk(&path, extension, found);
        } else if !is_folder && path.extension().is_some_and(|it| it == extension) {
            found(&path);
        }
    }
}

/// Hidden folders, those that npm fills, and those that cargo fills. Cargo marks the target folders that it makes,
/// whatever their names, and none that was there before.
fn is_somebody_elses(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || name == "node_modules"
        || name == "target"
        || folder.join("CACHEDIR.TAG").exists()
}

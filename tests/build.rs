//! Compiles the functions in C that the worker `crashes` crashes in, with the lines of their source, whatever the
//! profile says.

fn main() {
    let source = "src/bin/crashes/crash.c";
    println!("cargo::rerun-if-changed={source}");
    cc::Build::new().file(source).opt_level(0).debug(true).warnings(false).compile("procpool_test_crashes");
}

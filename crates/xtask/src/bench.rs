//! `cargo xtask bench <name>`: measures, on this machine, beside the peers that the goals name.
//!
//! The numbers are for people: no bench fails because a machine is slow or busy.

use std::path::Path;

use crate::failure::Failure;
use crate::shell;

struct Bench {
    name: &'static str,
    about: &'static str,
    /// The crate that holds it.
    package: &'static str,
    /// What the peers need, as Debian calls it.
    packages: &'static [&'static str],
    is_met: fn() -> bool,
}

const BENCHES: &[Bench] = &[Bench {
    name: "registry",
    about: "twins at the store's handle and by REST, beside PostgreSQL (six minutes and more); \
            --devices N, --seconds S, --rounds R, --help for more",
    package: "skerry",
    packages: &["postgresql"],
    is_met: || Path::new("/usr/lib/postgresql").exists(),
}];

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let name = arguments.first().map(String::as_str);
    let Some(bench) = BENCHES.iter().find(|bench| Some(bench.name) == name) else {
        let known: Vec<String> =
            BENCHES.iter().map(|bench| format!("{}: {}", bench.name, bench.about)).collect();
        return Failure::of_findings("name a bench:", &known);
    };
    let peers = !arguments.iter().any(|argument| argument == "--without-peer" || argument == "--help");
    if peers && !(bench.is_met)() {
        crate::test::install(bench.packages)?;
    }
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", bench.package, "--bench", bench.name, "--"]).args(&arguments[1..]);
    shell::run(&mut cargo)
}

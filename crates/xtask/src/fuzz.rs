//! `cargo xtask fuzz [name] [--times N]`: the tests that search at random, for longer than CI does.
//!
//! They are the same tests: what they find they print with its seed or its input, and they pass when
//! they find nothing.

use crate::failure::Failure;
use crate::shell;

struct Target {
    name: &'static str,
    about: &'static str,
    package: &'static str,
    /// Which tests, as cargo's own runner filters them.
    filter: &'static str,
    /// What says how often, and how often once is.
    often: (&'static str, u64),
}

const PROPERTIES: &str = "PROPTEST_CASES";

const TARGETS: &[Target] = &[
    Target {
        name: "mqtt",
        about: "packets, topics and whole sessions of both sides",
        package: "skerry-mqtt",
        filter: "",
        often: (PROPERTIES, 256),
    },
    Target {
        name: "amqp",
        about: "values, frames and messages both ways, and two machines back to back",
        package: "skerry-amqp",
        filter: "",
        often: (PROPERTIES, 256),
    },
    Target {
        name: "amqp-codec",
        about: "mutated values, frames and messages",
        package: "skerry-amqp",
        filter: "codec_fuzz",
        often: ("SKERRY_TEST_FUZZ_RUNS", 30_000),
    },
    Target {
        name: "amqp-machine",
        about: "machines of both sides that hear anything",
        package: "skerry-amqp",
        filter: "machine_fuzz",
        often: ("SKERRY_TEST_FUZZ_RUNS", 1500),
    },
    Target {
        name: "tokens",
        about: "tokens, audiences and connection strings",
        package: "skerry-tokens",
        filter: "",
        often: (PROPERTIES, 256),
    },
    Target {
        name: "query",
        about: "the query language and its routes",
        package: "skerry-query",
        filter: "properties",
        often: (PROPERTIES, 256),
    },
    Target {
        name: "routes",
        about: "mutated conditions and routes",
        package: "skerry-query",
        filter: "route_fuzz",
        often: ("SKERRY_TEST_FUZZ_RUNS", 20_000),
    },
    Target {
        name: "blocks",
        about: "the log's blocks, notes and envelopes, and mutated files",
        package: "skerry-store",
        filter: "journal::fuzz",
        often: ("SKERRY_TEST_FUZZ_RUNS", 1500),
    },
    Target {
        name: "power",
        about: "power cuts at every write of the log, with more workloads",
        package: "skerry-store",
        filter: "journal::power",
        often: ("SKERRY_TEST_POWER_SEEDS", 2),
    },
    Target {
        name: "kills",
        about: "kill -9 of a writer of the log",
        package: "skerry-store",
        filter: "journal::kill",
        often: ("SKERRY_TEST_KILLS", 1000),
    },
    Target {
        name: "lives",
        about: "what races there are between writing, reading, rewriting and removing",
        package: "skerry-store",
        filter: "journal::lives",
        often: ("SKERRY_TEST_LIVES", 60),
    },
];

/// As often as in CI, ten times.
const TIMES: u64 = 10;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let times = match arguments.iter().position(|argument| argument == "--times") {
        None => TIMES,
        Some(at) => {
            let number = arguments.get(at + 1).and_then(|text| text.parse().ok());
            number.ok_or_else(|| Failure::new("--times takes a number: how much longer than in CI"))?
        }
    };
    let name = arguments.first().filter(|name| !name.starts_with("--"));
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| name.is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        let known: Vec<String> =
            TARGETS.iter().map(|target| format!("{}: {}", target.name, target.about)).collect();
        return Failure::of_findings("name one of these, or none for all:", &known);
    }
    for target in chosen {
        let (variable, once) = target.often;
        eprintln!("== {}: {}", target.name, target.about);
        let mut cargo = shell::cargo();
        cargo.args(["test", "--release", "--package", target.package, "--"]).arg(target.filter);
        shell::run(cargo.env(variable, (once * times).to_string()))?;
    }
    Ok(())
}

//! The front doors for developers and CI: `cargo xtask check`, `test`, `bench`, `docs`, `fuzz`, `soak`, `images` and
//! `dist`.
//!
//! CI calls nothing else, so that what passes here passes there. Each verb is one folder; a new one
//! is one line in [`VERBS`].

use std::process::ExitCode;

mod bench;
mod check;
mod dist;
mod docs;
mod failure;
mod fuzz;
mod graph;
mod images;
mod shell;
mod soak;
mod stage;
mod test;

use failure::Failure;

struct Verb {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "check",
        about: "format, lints, dependency rings, crypto, licences, sources, duplicates, tidiness",
        run: check::run,
    },
    Verb {
        name: "test",
        about: "make the machine ready where something is missing, then run every test; \
                further arguments go to the test runner",
        run: test::run,
    },
    Verb {
        name: "bench",
        about: "measure beside what the goals name: registry, log, mqtt, amqp, edge",
        run: bench::run,
    },
    Verb {
        name: "docs",
        about: "write what is made of the code and the tests: docs/metrics.md, docs/sdks.md, a table of the README",
        run: docs::run,
    },
    Verb {
        name: "fuzz",
        about: "search at random for longer than the tests do: mqtt, tokens, query, blocks, power, kills, \
                lives; --times N",
        run: fuzz::run,
    },
    Verb {
        name: "images",
        about: "the images of our modules, as archives for `docker load` below target/images: \
                temperature-sensor, workload-probe, or those that are named",
        run: images::run,
    },
    Verb {
        name: "dist",
        about: "a release: stripped programs, packages for Debian, images, completions, man pages, the list \
                of all files; --profile NAME, --program FILE, --into DIR, --uncompressed",
        run: dist::run,
    },
    Verb {
        name: "soak",
        about: "an edge at 2,000 messages in a second whose uplink fails each minute: its memory, and nothing \
                lost; --minutes N (30)",
        run: soak::run,
    },
];

/// What the shell expects of a program that was called wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        eprint!("{}", usage());
        return ExitCode::from(USAGE);
    };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        eprint!("There is no verb `{name}`.\n{}", usage());
        return ExitCode::from(USAGE);
    };
    let rest: Vec<String> = arguments.collect();
    match (verb.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\ncargo xtask {name} failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask <verb>\n");
    for verb in VERBS {
        text.push_str(&format!("  {:8} {}\n", verb.name, verb.about));
    }
    text
}

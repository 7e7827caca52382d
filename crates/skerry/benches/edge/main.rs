//! `cargo xtask bench edge`: what an edge device costs the machine it runs on: memory, processor time
//! while nothing happens, the size of its program, and the time until it answers.
//!
//! The hub, a container engine and ten modules are real, in namespaces of the bench's own. The program
//! is built as the package of the edge has it, and has the environment of its unit. Nothing is asserted: the numbers are
//! for people.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench edge --profile dist-small`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]
#![allow(clippy::disallowed_methods, reason = "a bench has a clock, and reads its environment")]

#[path = "../../tests/it/containers/device.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod device;
#[path = "../../../runtime/tests/it/containers/engine.rs"]
#[allow(dead_code, reason = "the engine's own tests use the rest")]
mod engine;
mod idle;
mod process;
mod ready;
#[path = "../../tests/it/world.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod world;

use std::path::Path;

use clap::Parser;

/// Measures an edge device: daemon, agent and hub in one process.
#[derive(Parser)]
#[command(name = "edge")]
struct Options {
    /// How long nothing happens while processor time is counted; the goals are for ten minutes.
    #[arg(long, default_value_t = 0.5, value_name = "M")]
    minutes: f64,
    /// Modules that are declared, and run.
    #[arg(long, default_value_t = 10, value_name = "N")]
    modules: usize,
    /// Starts that are timed.
    #[arg(long, default_value_t = 10, value_name = "N")]
    starts: usize,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let program = Path::new(env!("CARGO_BIN_EXE_skerry-edge"));
    let megabytes = |program: &Path| format!("{:.1} MB", program.metadata().unwrap().len() as f64 / 1e6);
    println!("{:48} {:>12}   goal", "", "measured");
    line("the program with the edge alone", &megabytes(program), "≤ 12 MB");
    let (first, later) = ready::measure(program, options.starts);
    line("ready after the first start (keys are made)", &format!("{first:.0} ms"), "≤ 500 ms");
    line("ready after a later start, median", &format!("{later:.0} ms"), "≤ 500 ms");
    let modules = options.modules;
    let (idle, sending) = idle::measure(modules, options.minutes);
    println!("\n{modules} modules that have nothing to say, for {} min", options.minutes);
    show(&idle, "");
    println!("\n{modules} modules that send a message a second each to the hub");
    show(&sending, "≤ 15 MB");
    println!(
        "\nDaemon, agent and the edge's hub are in one process, of the program with the edge alone. Percent are of one\n\
         processor."
    );
}

fn show(used: &idle::Used, goal: &str) {
    line("memory (PSS)", &format!("{:.1} MB", used.pss_mb), goal);
    line("  all that is resident (RSS)", &format!("{:.1} MB", used.resident_mb), "");
    line("  nobody else's", &format!("{:.1} MB", used.private_mb), "");
    line("  heap and stacks: in no file", &format!("{:.1} MB", used.anonymous_mb), "");
    line("processor", &format!("{:.3} %", used.percent), "");
    line("  the engine beside it", &format!("{:.3} %", used.engine_percent), "");
}

fn line(what: &str, measured: &str, goal: &str) {
    println!("{what:48} {measured:>12}   {goal}");
}

//! `cargo xtask check`: everything that can be judged without running the product.
//!
//! The quick judgements of our own come first, so that a wrong arrow between crates is told in a
//! second and not after the lints have compiled everything.

mod crypto;
mod duplicates;
mod licence;
mod rings;
mod sentences;
mod sources;
mod tidy;

use crate::failure::Failure;
use crate::graph::Graph;
use crate::shell;
use crate::stage::Stages;

pub(crate) fn run(_arguments: &[String]) -> Result<(), Failure> {
    let mut stages = Stages::default();
    stages.run("format", || shell::run(shell::cargo().args(["fmt", "--all", "--check"])))?;
    stages.run("tidy", || tidy::check(&shell::root()))?;
    stages.run("log lines", || sentences::check(&shell::root()))?;
    let graph = stages.run("dependency graph", Graph::load)?;
    stages.run("rings", || rings::check(&graph))?;
    stages.run("licences", || licence::check(&graph))?;
    stages.run("sources", || sources::check(&graph))?;
    stages.run("one crypto library", crypto::check)?;
    stages.run("duplicate versions", duplicates::check)?;
    stages.run("clippy", || {
        let mut clippy = shell::cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
        shell::run(&mut clippy)
    })?;
    stages.print();
    Ok(())
}

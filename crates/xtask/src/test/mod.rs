//! `cargo xtask test`: makes a fresh machine ready, then runs every test there is.
//!
//! The SDK environments are laid while cargo compiles. Tests learn where things are from the
//! variables of [`sdk::Environment`]; one that needs an SDK and finds no variable fails and says so,
//! because a skipped test is a test that nobody misses. The same goes for the images of modules.

mod node;
pub(crate) mod python;
mod rights;
mod runner;
mod sdk;
mod system;

pub(crate) use rights::Rights;
pub(crate) use sdk::laid;
pub(crate) use system::{install, make_ready};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::images;
use crate::stage::Stages;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut stages = Stages::default();
    let rights = Rights::find()?;
    stages.run("system packages, where missing", || make_ready(rights))?;
    let graph = stages.run("dependency graph", Graph::load)?;
    let runner = runner::Runner::find();
    let environment = stages.run("build, and SDK environments beside it", || {
        std::thread::scope(|scope| {
            let sdks = scope.spawn(|| sdk::Environment::lay(&graph.target_folder));
            let built = runner.build();
            let sdks = sdks.join().map_err(|_| Failure::new("laying the SDK environments panicked"))?;
            built.and(sdks)
        })
    })?;
    let images = stages.run("images of modules", images::all)?;
    stages.run("examples in documentation", || runner.doc_tests())?;
    stages.print();
    // Last, so that the runner's own summary closes the output.
    runner.test(&environment, &images, &rights.narrow(arguments))?;
    rights.tell();
    Ok(())
}

//! Every package comes from this workspace or from crates.io: a git revision or a foreign registry
//! can vanish, and then an old release cannot be built any more.

use crate::failure::Failure;
use crate::graph::Graph;

/// How cargo names crates.io, whatever mirror serves it.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(graph: &Graph) -> Result<(), Failure> {
    let findings: Vec<String> = graph
        .packages
        .iter()
        .filter_map(|package| {
            let wrong = match package.source.as_deref() {
                Some(CRATES_IO) => return None,
                Some(source) => source,
                None if package.is_member => return None,
                None => "a path outside of the workspace",
            };
            Some(format!("{} comes from {wrong}: use a release on crates.io", package.shown()))
        })
        .collect();
    Failure::of_findings("packages of unknown origin:", &findings)
}

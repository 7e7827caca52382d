//! A peer that comes as source: built by cargo below the target folder.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::shell;
use crate::test::laid;

pub(super) struct Built {
    /// The crate, which is the program's name too.
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The bench's option for it; whoever gives it has the program already.
    pub(super) option: &'static str,
}

impl Built {
    /// Where it is, after it was built if it was not there.
    pub(super) fn lay(&self) -> Result<PathBuf, Failure> {
        let folder = Path::new(&Graph::load()?.target_folder).join("bench");
        let root = laid(&folder, self.name, &[self.version.to_owned()], |folder| {
            eprintln!("   building {} for this bench", self.name);
            // Not `--locked`: the lock of rumqttd 0.20.0 names a `metrics` that compilers of today refuse.
            shell::run(
                shell::cargo().args(["install", self.name, "--version", self.version, "--root"]).arg(folder),
            )
        })?;
        Ok(root.join("bin").join(self.name))
    }
}

//! A peer that comes as a wheel: a program in a virtual environment below the target folder.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::shell;
use crate::test::{laid, python};

pub(super) struct Program {
    pub(super) name: &'static str,
    /// Version and sums of its wheels, from the workspace's root.
    pub(super) requirements: &'static str,
    /// The bench's option for it; whoever gives it has the program already.
    pub(super) option: &'static str,
}

impl Program {
    /// Where it is, after it was installed if it was not there.
    pub(super) fn lay(&self) -> Result<PathBuf, Failure> {
        let target = Graph::load()?.target_folder;
        let requirements = shell::root().join(self.requirements);
        let locked = std::fs::read_to_string(&requirements)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", requirements.display())))?;
        let folder = Path::new(&target).join("bench");
        let environment = laid(&folder, self.name, &[locked], |folder| {
            eprintln!("   installing {} for this bench", self.name);
            python::install_program(folder, &requirements)
        })?;
        Ok(environment.join("bin").join(self.name))
    }
}

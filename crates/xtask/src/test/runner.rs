//! Runs the tests with cargo-nextest where it is installed, else with cargo itself.
//!
//! Both pass: whatever tests compete for is taken across processes or lives in a namespace of its own.

use std::path::Path;

use crate::failure::Failure;
use crate::shell;
use crate::test::sdk::Environment;

pub(super) enum Runner {
    Nextest,
    Cargo,
}

impl Runner {
    pub(super) fn find() -> Self {
        match shell::probe(shell::cargo().args(["nextest", "--version"])) {
            Some(_) => Self::Nextest,
            None => {
                eprintln!(
                    "   cargo-nextest is not installed: cargo runs the tests, one binary after another"
                );
                Self::Cargo
            }
        }
    }

    pub(super) fn build(&self) -> Result<(), Failure> {
        let mut command = self.command();
        command.arg("--no-run");
        shell::run(&mut command)
    }

    pub(super) fn doc_tests(&self) -> Result<(), Failure> {
        shell::run(shell::cargo().args(["test", "--doc", "--workspace", "--locked", "--quiet"]))
    }

    pub(super) fn test(
        &self,
        environment: &Environment,
        images: &Path,
        arguments: &[String],
    ) -> Result<(), Failure> {
        let mut command = self.command();
        if matches!(self, Self::Cargo) {
            command.arg("--no-fail-fast");
        }
        command.args(arguments).envs(environment.variables()).env("SKERRY_TEST_IMAGES", images);
        shell::run(&mut command)
    }

    fn command(&self) -> std::process::Command {
        let mut command = shell::cargo();
        match self {
            Self::Nextest => command.args(["nextest", "run", "--workspace", "--locked"]),
            Self::Cargo => command.args(["test", "--workspace", "--locked", "--lib", "--bins", "--tests"]),
        };
        command
    }
}

//! Libraries that are preloaded into the program, for what a machine does not do by itself while a test runs.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a library into the folder.
pub(crate) fn library(folder: &Path, name: &str, source: &str) -> PathBuf {
    let library = folder.join(format!("{name}.so"));
    let file = folder.join(format!("{name}.c"));
    fs::write(&file, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(&file);
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// The clocks of processes, as far ahead of the machine's as a test wants them.
pub(crate) struct Clocks {
    library: PathBuf,
    ahead: PathBuf,
}

impl Clocks {
    pub(crate) fn new(folder: &Path) -> Self {
        let ahead = folder.join("clocks");
        fs::write(&ahead, [0; 16]).unwrap();
        Self { library: library(folder, "set_clock", include_str!("set_clock.c")), ahead }
    }

    /// What a process needs in its environment.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library.clone()), ("SKERRY_TEST_CLOCKS", self.ahead.clone())]
    }

    /// The clock on the wall.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        self.write(seconds, 0);
    }

    /// Time that passes for whoever measures it, of which the clock on the wall knows nothing.
    pub(crate) fn pass(&self, seconds: i64) {
        self.write(seconds, 8);
    }

    /// In place: the processes have the file mapped.
    fn write(&self, seconds: i64, at: u64) {
        let file = fs::File::options().write(true).open(&self.ahead).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), at).unwrap();
    }
}

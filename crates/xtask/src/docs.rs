//! `cargo xtask docs`: the pages of the manual that are made of the program and of the tests. A test finds those
//! that are stale.

use std::fs;

use crate::failure::Failure;
use crate::shell;

mod sdks;

/// A page, and what prints it.
const PAGES: &[(&str, &[&str])] = &[("docs/metrics.md", &["manual", "metrics"])];

pub(crate) fn run(_arguments: &[String]) -> Result<(), Failure> {
    let (page, readme) = sdks::pages(&shell::root())?;
    write(sdks::PAGE, &page)?;
    write(sdks::README, &readme)?;
    for (page, words) in PAGES {
        let mut program = shell::cargo();
        program.args(["run", "--quiet", "--locked", "--package", "skerry", "--"]).args(*words);
        write(page, &shell::output(&mut program)?)?;
    }
    Ok(())
}

fn write(page: &str, text: &str) -> Result<(), Failure> {
    let path = shell::root().join(page);
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        println!("{page} is as it should be");
        return Ok(());
    }
    fs::write(&path, text).map_err(|error| Failure::new(format!("cannot write {page}: {error}")))?;
    println!("{page} is written anew");
    Ok(())
}

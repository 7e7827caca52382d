//! What is made of the program itself: the pages for `man`, what shells complete, and the list of figures.

mod metrics;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Subcommand};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::iotedge::Iotedge;

#[derive(Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
    /// For the program by its other name.
    #[arg(long)]
    iotedge: bool,
}

#[derive(Args)]
pub struct ManualArgs {
    #[command(subcommand)]
    what: Page,
}

#[derive(Subcommand)]
enum Page {
    /// Write the pages for `man` into a directory.
    Man {
        #[arg(value_name = "DIR")]
        into: PathBuf,
    },
    /// Print the page that lists every figure.
    Metrics,
}

pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    match args.iotedge {
        true => clap_complete::generate(args.shell, &mut Iotedge::command(), "iotedge", &mut text),
        false => clap_complete::generate(args.shell, &mut Cli::command(), "skerry", &mut text),
    }
    print(&text)
}

pub fn run(args: &ManualArgs) -> Result<(), Failure> {
    match &args.what {
        Page::Metrics => print(metrics::page().as_bytes()),
        Page::Man { into } => man(into),
    }
}

/// One page for each command: `skerry-device-create.1`.
fn man(into: &Path) -> Result<(), Failure> {
    let cannot =
        |error: std::io::Error| Failure::failed(format!("cannot write into {}: {error}", into.display()));
    fs::create_dir_all(into).map_err(cannot)?;
    // The other name of the program has pages of its own.
    let own = Cli::command().mut_subcommand("iotedge", |command| command.hide(true));
    for command in [own, Iotedge::command()] {
        clap_mangen::generate_to(command, into).map_err(cannot)?;
    }
    Ok(())
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .lock()
        .write_all(bytes)
        .map_err(|error| Failure::failed(format!("cannot print: {error}")))
}

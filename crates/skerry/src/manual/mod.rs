//! What is made of the program itself: the pages for `man`, what shells complete, and the list of figures.

mod metrics;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Cli;
use crate::edge::alone::SkerryEdge;
use crate::failure::Failure;
use crate::iotedge::Iotedge;

#[derive(Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
    /// For the program by another of its names.
    #[arg(long = "of", value_enum, value_name = "NAME", default_value_t = Program::Skerry)]
    program: Program,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    Skerry,
    SkerryEdge,
    Iotedge,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Skerry => "skerry",
            Self::SkerryEdge => "skerry-edge",
            Self::Iotedge => "iotedge",
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Skerry => Cli::command(),
            Self::SkerryEdge => SkerryEdge::command(),
            Self::Iotedge => Iotedge::command(),
        }
    }

    /// Of the manual: `skerry-edge` is also what the page about `skerry edge` is called, and where there is only the one
    /// it is a daemon.
    fn section(self) -> &'static str {
        match self {
            Self::Skerry | Self::Iotedge => "1",
            Self::SkerryEdge => "8",
        }
    }
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
    clap_complete::generate(args.shell, &mut args.program.command(), args.program.name(), &mut text);
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
    for program in Program::value_variants() {
        let mut command = program.command().disable_help_subcommand(true);
        command.build();
        pages(&command, program.section(), into).map_err(cannot)?;
    }
    Ok(())
}

fn pages(command: &Command, section: &str, into: &Path) -> std::io::Result<()> {
    Man::new(command.clone()).section(section).generate_to(into)?;
    // `iotedge` has pages of its own.
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != Program::Iotedge.name();
    command.get_subcommands().filter(shown).try_for_each(|command| pages(command, section, into))
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .lock()
        .write_all(bytes)
        .map_err(|error| Failure::failed(format!("cannot print: {error}")))
}

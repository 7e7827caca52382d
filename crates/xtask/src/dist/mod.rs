//! `cargo xtask dist`: what a release is made of.
//!
//! ```text
//!  program (stripped) ──► skerry_V_A.deb, skerry-hub_V_all.deb
//!  the edge alone ──────► skerry-edge_V_A.deb
//!  static program ──────► skerry-hub.tar.gz (an image for `docker load`)
//!  the same, small ─────► skerry-dev.tar.gz
//!  all of them ─────────► FILES (names, sizes and sums of everything inside)
//! ```
//!
//! The same sources and the same compiler give the same bytes: times are those of the commit (or
//! `SOURCE_DATE_EPOCH`), owners are root, and no path of the machine is in a program.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::images::Platform;
use crate::shell;
use crate::stage::Stages;

mod build;
mod deb;
mod images;
mod listing;
mod made;
mod notices;
mod packages;

use build::Programs;
use deb::Compression;

/// As releases are built.
const PROFILE: &str = "dist";

struct Options {
    profile: String,
    /// Programs that are there already, in the place of those that are built.
    program: Option<PathBuf>,
    edge_program: Option<PathBuf>,
    into: Option<PathBuf>,
    compression: Compression,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self {
            profile: PROFILE.to_owned(),
            program: None,
            edge_program: None,
            into: None,
            compression: Compression::Small,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if name == "--uncompressed" {
                options.compression = Compression::None;
                continue;
            }
            let value =
                rest.next().ok_or_else(|| Failure::new(format!("{name} needs a value, or is unknown")));
            match name.as_str() {
                "--profile" => value?.clone_into(&mut options.profile),
                "--program" => options.program = Some(PathBuf::from(value?)),
                "--edge-program" => options.edge_program = Some(PathBuf::from(value?)),
                "--into" => options.into = Some(PathBuf::from(value?)),
                _ => {
                    return Err(Failure::new(format!(
                        "{name} is unknown, there are --profile NAME, --program FILE with --edge-program FILE, \
                         --into DIR and --uncompressed"
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// What everything is made with.
struct Release {
    version: String,
    /// Seconds since 1970, of everything that has a time.
    epoch: u64,
    platform: Platform,
    folder: PathBuf,
}

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = Options::read(arguments)?;
    let mut stages = Stages::default();
    let graph = Graph::load()?;
    let version =
        graph.members().find(|package| package.name == "skerry").map(|package| package.version.clone());
    let folder = options.into.unwrap_or_else(|| Path::new(&graph.target_folder).join("dist-packages"));
    let release = Release {
        version: version.ok_or_else(|| Failure::new("the workspace has no package `skerry`"))?,
        epoch: epoch()?,
        platform: Platform::of_this_machine()?,
        folder,
    };
    std::fs::create_dir_all(&release.folder)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", release.folder.display())))?;
    let programs = match (options.program, options.edge_program) {
        (Some(program), Some(edge)) => {
            Programs { dynamic: program.clone(), edge, fixed: program.clone(), small: program }
        }
        (None, None) => Programs::build(&graph, &release.platform, &options.profile, &mut stages)?,
        _ => return Err(Failure::new("--program and --edge-program go together: give both, or neither")),
    };
    let notices = stages.run("notices", || notices::make(&graph, &release))?;
    let made = stages.run("completions and man pages", || made::make(&programs.dynamic, &release))?;
    let debs = stages
        .run("packages", || packages::make(&programs, &made, &notices, &release, options.compression))?;
    let images = stages.run("images", || images::make(&programs, &notices, &release, options.compression))?;
    let files: Vec<PathBuf> = debs.into_iter().chain(images).collect();
    for scratch in [made::FOLDER, deb::FOLDER, notices::FOLDER] {
        let scratch = release.folder.join(scratch);
        std::fs::remove_dir_all(&scratch).map_err(cannot("remove", &scratch))?;
    }
    listing::write(&release, &programs, &files)?;
    stages.print();
    Ok(())
}

/// As everybody's tools for this take it; else when the sources were committed.
fn epoch() -> Result<u64, Failure> {
    let text = match shell::environment("SOURCE_DATE_EPOCH") {
        Some(text) => text,
        None => shell::output(shell::command("git").args(["log", "-1", "--format=%ct"]))?,
    };
    let text = text.trim();
    text.parse()
        .map_err(|_| Failure::new(format!("{text:?} are no seconds since 1970: set SOURCE_DATE_EPOCH")))
}

/// The same name and what failed with it, for whoever writes files.
fn cannot(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let told = format!("cannot {what} {}", path.display());
    move |error| Failure::new(format!("{told}: {error}"))
}

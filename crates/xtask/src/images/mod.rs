//! `cargo xtask images`: the images of our modules, each one static program and nothing else.
//!
//! They are archives as `docker load` reads them, made without an engine, so that they can be made
//! wherever cargo runs, and the same bytes come of the same program.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::shell;

mod archive;

pub(crate) use archive::{Archive, Folder, Platform};

struct Image {
    /// The program, and the last word of the image's name.
    program: &'static str,
    package: &'static str,
}

const IMAGES: &[Image] = &[
    Image { program: "temperature-sensor", package: "skerry-temperature-sensor" },
    Image { program: "workload-probe", package: "skerry-workload-probe" },
];

/// As releases are built.
const PROFILE: &str = "dist";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let unknown = arguments.iter().find(|name| !IMAGES.iter().any(|image| image.program == **name));
    if let Some(unknown) = unknown {
        let known: Vec<String> = IMAGES.iter().map(|image| image.program.to_owned()).collect();
        return Failure::of_findings(&format!("there is no image {unknown}; these are:"), &known);
    }
    let chosen = |image: &&Image| arguments.is_empty() || arguments.iter().any(|name| name == image.program);
    make(IMAGES.iter().filter(chosen)).map(drop)
}

/// Makes all of them; the folder in which they lie.
pub(crate) fn all() -> Result<PathBuf, Failure> {
    make(IMAGES.iter())
}

fn make(images: impl Iterator<Item = &'static Image> + Clone) -> Result<PathBuf, Failure> {
    let graph = Graph::load()?;
    let platform = Platform::of_this_machine()?;
    let mut build = shell::cargo();
    build.args(["build", "--locked", "--profile", PROFILE, "--target", &platform.triple]);
    for image in images.clone() {
        build.args(["--package", image.package]);
    }
    // Nothing of the system is in the image, so the program brings what it needs.
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    shell::run(&mut build)?;
    let target = Path::new(&graph.target_folder);
    let folder = target.join("images");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    for image in images {
        let version = graph.members().find(|package| package.name == image.package);
        let version = version.map_or("0", |package| package.version.as_str());
        let archive = Archive {
            reference: format!("skerry/{}:{version}", image.program),
            program: target.join(&platform.triple).join(PROFILE).join(image.program),
            name: image.program,
            platform: &platform,
            created: "1970-01-01T00:00:00Z",
            arguments: &[],
            environment: &[],
            folders: &[],
            documents: &[],
            ports: &[],
        };
        let path = folder.join(format!("{}.tar", image.program));
        let bytes = archive.write(&path)?;
        println!(
            "{:6.2} MB  {}  {}",
            bytes as f64 / 1e6,
            archive.reference,
            path.strip_prefix(shell::root()).unwrap_or(&path).display()
        );
    }
    Ok(folder)
}

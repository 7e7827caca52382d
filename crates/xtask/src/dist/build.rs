//! The programs: two for machines with the usual libraries, of which one is the edge alone, and two that bring what they
//! need, for images: a fast one, and a small one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::graph::Graph;
use crate::images::Platform;
use crate::shell;
use crate::stage::Stages;

/// What is made for size instead of speed.
const SMALL_PROFILE: &str = "dist-small";
const STATIC: [&str; 2] = ["-C", "target-feature=+crt-static"];
/// Between flags, as cargo reads them.
const SEPARATOR: &str = "\x1f";

pub(super) struct Programs {
    pub(super) dynamic: PathBuf,
    /// The edge alone, made for size.
    pub(super) edge: PathBuf,
    /// Linked with everything.
    pub(super) fixed: PathBuf,
    /// The same, and made for size.
    pub(super) small: PathBuf,
}

impl Programs {
    pub(super) fn build(
        graph: &Graph,
        platform: &Platform,
        profile: &str,
        stages: &mut Stages,
    ) -> Result<Self, Failure> {
        // What is linked differs, so each has a folder of its own.
        let folder = |name: &str| Path::new(&graph.target_folder).join(name);
        let build = |program: &str, name: &str, profile: &str, flags: &[&str]| {
            one(graph, platform, program, profile, &folder(name), flags)
        };
        let (whole, edge) = ("skerry", "skerry-edge");
        // Who asks for another profile wants to see something soon.
        let is_quick = profile != super::PROFILE;
        let small_profile = if is_quick { profile } else { SMALL_PROFILE };
        let dynamic = stages.run("the program", || build(whole, "dist-dynamic", profile, &[]))?;
        let edge = stages.run("the edge alone", || build(edge, "dist-dynamic", small_profile, &[]))?;
        let fixed = stages.run("the static program", || build(whole, "dist-static", profile, &STATIC))?;
        let small = match is_quick {
            false => {
                stages.run("the small program", || build(whole, "dist-static", small_profile, &STATIC))?
            }
            true => fixed.clone(),
        };
        Ok(Self { dynamic, edge, fixed, small })
    }
}

fn one(
    graph: &Graph,
    platform: &Platform,
    program: &str,
    profile: &str,
    folder: &Path,
    flags: &[&str],
) -> Result<PathBuf, Failure> {
    // Sources lie elsewhere on every machine, and where they lie is nobody's business.
    let places = places(graph, folder);
    let mut rust: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    rust.extend(places.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")));
    let c: Vec<String> = places.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    let mut build = shell::cargo();
    build.args(["build", "--locked", "--package", "skerry", "--bin", program]);
    build.args(["--profile", profile, "--target", &platform.triple, "--target-dir"]).arg(folder);
    build.env("CARGO_ENCODED_RUSTFLAGS", rust.join(SEPARATOR)).env("CFLAGS", c.join(" "));
    shell::run(&mut build)?;
    // Cargo's own names for two of its profiles.
    let name = if profile == "dev" { "debug" } else { profile };
    Ok(folder.join(&platform.triple).join(name).join(program))
}

/// Folders with sources, and what they are called instead.
fn places(graph: &Graph, target: &Path) -> Vec<(String, &'static str)> {
    let foreign = graph.packages.iter().filter(|package| package.source.is_some());
    let folders: BTreeSet<String> = foreign
        .filter_map(|package| Some(Path::new(&package.folder).parent()?.display().to_string()))
        .collect();
    let mut places = vec![(shell::root().display().to_string(), "skerry")];
    places.push((target.display().to_string(), "target"));
    places.extend(folders.into_iter().map(|folder| (folder, "crates")));
    places
}

//! What the program writes about itself: what shells complete, and pages for `man`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Release, cannot};
use crate::failure::Failure;
use crate::shell;

/// Where a shell looks, and what it is called there; `NAME` is the program's.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/NAME"),
    ("zsh", "usr/share/zsh/vendor-completions/_NAME"),
    ("fish", "usr/share/fish/vendor_completions.d/NAME.fish"),
];

/// Below that of the release, while it is made.
pub(super) const FOLDER: &str = ".made";

/// Files by their place in a package, for each of the two that have a program.
pub(super) struct Made {
    pub(super) skerry: Vec<(String, PathBuf)>,
    pub(super) edge: Vec<(String, PathBuf)>,
}

/// What the programs are called, and whether the edge's package has it.
const NAMES: [(&str, bool); 3] = [("skerry", false), ("skerry-edge", true), ("iotedge", true)];
/// Of the manual: the edge's daemon is described there, and nothing else.
const EDGES_SECTION: &str = ".8";

pub(super) fn make(program: &Path, release: &Release) -> Result<Made, Failure> {
    let folder = release.folder.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(cannot("remove", &folder))?;
    }
    let man = folder.join("man");
    fs::create_dir_all(&man).map_err(cannot("make", &man))?;
    shell::run(shell::command(program).args(["manual", "man"]).arg(&man))?;
    let mut made = Made { skerry: Vec::new(), edge: Vec::new() };
    let entries = fs::read_dir(&man).map_err(cannot("read", &man))?;
    let mut pages: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    pages.sort();
    // Without a name and a time in it, so that it is the same each time.
    shell::run(shell::command("gzip").arg("-9n").args(&pages))?;
    for page in pages {
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_edges = name.starts_with("iotedge") || name.ends_with(EDGES_SECTION);
        let of = if is_edges { &mut made.edge } else { &mut made.skerry };
        let section = name.rsplit('.').next().unwrap_or_default();
        of.push((format!("usr/share/man/man{section}/{name}.gz"), man.join(format!("{name}.gz"))));
    }
    for (shell_name, place) in SHELLS {
        for (name, is_edges) in NAMES {
            let of = if is_edges { &mut made.edge } else { &mut made.skerry };
            let text =
                shell::output(shell::command(program).args(["completions", shell_name, "--of", name]))?;
            let file = folder.join(format!("{name}.{shell_name}"));
            fs::write(&file, text).map_err(cannot("write", &file))?;
            of.push((place.replace("NAME", name), file));
        }
    }
    Ok(made)
}

//! What the licences of all that is inside ask for: their texts, beside the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Release, cannot};
use crate::failure::Failure;
use crate::graph::{Graph, Package};
use crate::shell;

pub(super) const FILE: &str = "NOTICES.gz";
/// Below that of the release, while it is made.
pub(super) const FOLDER: &str = ".notices";

/// How such files begin, in small letters.
const BEGINNINGS: [&str; 6] = ["licen", "copying", "notice", "unlicense", "copyright", "patents"];
/// Sources that a crate brings along have their texts deeper; nothing that we ship has them as deep as this.
const DEPTH_MAX: usize = 5;

const HEAD: &str = "What Skerry's programs are made of besides Skerry, with the licence of each, and then the texts. Where several\n\
                    are named with OR, each may be chosen. The standard library of Rust is inside of all programs, under\n\
                    MIT OR Apache-2.0; SQLite, in the public domain, inside of those with a hub; and in programs of images\n\
                    there is the GNU C library, under LGPL-2.1-or-later, linked from Debian's libc6-dev.\n\n";

/// The texts of everything that is linked into the programs, packed, in a file.
pub(super) fn make(graph: &Graph, release: &Release) -> Result<PathBuf, Failure> {
    let folder = release.folder.join(FOLDER);
    fs::create_dir_all(&folder).map_err(cannot("make", &folder))?;
    let (file, packed) = (folder.join("NOTICES"), folder.join(FILE));
    fs::write(&file, text(graph, &linked(release)?)?).map_err(cannot("write", &file))?;
    // Without a name and a time in it.
    shell::run(shell::command("gzip").arg("-9nf").arg(&file))?;
    Ok(packed)
}

/// `name version` of each crate that cargo would build into the program for this machine.
fn linked(release: &Release) -> Result<BTreeSet<String>, Failure> {
    let mut tree = shell::cargo();
    tree.args(["tree", "--locked", "--package", "skerry", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p}", "--target", &release.platform.triple]);
    let said = shell::output(&mut tree)?;
    Ok(said.lines().filter_map(shown).collect())
}

/// As cargo says it, `tokio v1.0.0 (*)`, and as [`Package::shown`] does.
fn shown(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?.trim_start_matches('v')))
}

fn text(graph: &Graph, linked: &BTreeSet<String>) -> Result<String, Failure> {
    let foreign: Vec<&Package> =
        graph.packages.iter().filter(|one| one.source.is_some() && linked.contains(&one.shown())).collect();
    let mut out = String::from(HEAD);
    let mut texts: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for package in foreign {
        let mut files = Vec::new();
        find(Path::new(&package.folder), 0, &mut files)?;
        let license = package.license.as_deref().unwrap_or("no licence is named");
        let without = if files.is_empty() { " (it brings no text of its own)" } else { "" };
        out.push_str(&format!("{}: {license}{without}\n", package.shown()));
        for file in files {
            // Nearly all are UTF-8, and names in Latin letters are no reason to stop.
            let text = String::from_utf8_lossy(&fs::read(&file).map_err(cannot("read", &file))?).into_owned();
            // Many differ in nothing but how lines are broken.
            let key = text.split_whitespace().collect::<Vec<_>>().join(" ");
            texts.entry(key).or_insert_with(|| (text, BTreeSet::new())).1.insert(package.shown());
        }
    }
    for (text, packages) in texts.into_values() {
        let packages: Vec<String> = packages.into_iter().collect();
        out.push_str(&format!("\n---- {} ----\n\n{}\n", packages.join(", "), text.trim_end()));
    }
    Ok(out)
}

fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(cannot("read", folder))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(cannot("read", folder))?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_source = path.extension().is_some_and(|extension| extension == "rs" || extension == "toml");
        if path.is_dir() {
            if depth < DEPTH_MAX {
                find(&path, depth + 1, found)?;
            }
        } else if !is_source && BEGINNINGS.iter().any(|begin| name.starts_with(begin)) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tree_name_packages_as_the_graph_does() {
        assert_eq!(shown("tokio v1.0.0 (*)").unwrap(), "tokio 1.0.0");
        assert_eq!(shown("serde_derive v1.0.2 (proc-macro)").unwrap(), "serde_derive 1.0.2");
        assert_eq!(shown(""), None);
    }

    #[test]
    fn every_crate_is_listed_and_equal_texts_stand_once() {
        let graph = Graph::load().unwrap();
        let wanted = ["aws-lc-sys", "serde", "serde_core", "tokio"];
        let is_wanted = |package: &&Package| wanted.contains(&package.name.as_str());
        let crates: BTreeSet<String> = graph.packages.iter().filter(is_wanted).map(Package::shown).collect();
        assert_eq!(crates.len(), wanted.len(), "{crates:?}");
        let text = text(&graph, &crates).unwrap();
        for name in &crates {
            assert!(text.contains(&format!("\n{name}: ")), "{name}");
        }
        // The second is deep in the sources that a crate brings along.
        assert!(text.contains("Tokio Contributors") && text.contains("fiat-crypto"), "{text}");
        let serde = crates.iter().filter(|name| name.starts_with("serde")).cloned().collect::<Vec<_>>();
        let heading = format!("\n---- {} ----\n", serde.join(", "));
        // Under both licences.
        assert_eq!(text.matches(&heading).count(), 2, "{text}");
    }
}

//! A page as its blocks.
//!
//! The first word behind the fence says what a block is:
//!
//! | block | is |
//! |---|---|
//! | `sh` | commands that are run |
//! | `text` | what the commands right above it say |
//! | `python`, `javascript`, `yaml`, `toml`, `json` | a file, by the name behind that word or in a comment on its first line; commands of the page must use it |
//! | `json`, `toml` without a name | an example, which must be one |
//! | any of them with `not run: REASON` behind | neither run nor compared; the reason is listed |
//!
//! A comment `<!-- tested with: a hub -->` says what is there before the first command.

use std::fs;
use std::path::{Path, PathBuf};

use super::place::Place;

pub(super) struct Page {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) blocks: Vec<Block>,
}

pub(super) struct Block {
    /// Where its fence is.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Commands,
    Said,
    File(String),
    /// Shown, and known to be well-formed.
    Example,
    NotRun(String),
}

/// The README and every page of the manual.
pub(super) fn all() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.push(root.join("README.md"));
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

pub(super) fn named(name: &str) -> Page {
    let page = all().into_iter().find(|page| page.name == name);
    page.unwrap_or_else(|| panic!("there is no page {name}"))
}

impl Page {
    fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap();
        Self::parse(name, &fs::read_to_string(path).unwrap())
    }

    pub(super) fn parse(name: &str, text: &str) -> Self {
        let mut place = Place::Bare;
        let mut blocks: Vec<(usize, String, String)> = Vec::new();
        let mut inside = false;
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(with) = line.strip_prefix("<!-- tested with: ") {
                let with = with.strip_suffix(" -->");
                place = with.and_then(Place::named).unwrap_or_else(|| panic!("{name}:{number}: {line}?"));
            }
            match (line.strip_prefix("```"), inside) {
                (Some(info), false) => {
                    blocks.push((number, info.to_owned(), String::new()));
                    inside = true;
                }
                (Some(_), true) => inside = false,
                (None, true) => blocks.last_mut().unwrap().2 += &format!("{line}\n"),
                (None, false) => {
                    assert!(!line.trim_start().starts_with("```"), "{name}:{number}: a fence in a list");
                }
            }
        }
        let blocks = blocks.into_iter().map(|(line, info, text)| {
            let kind = kind(&info, &text).unwrap_or_else(|wrong| panic!("{name}:{line}: {wrong}"));
            Block { line, kind, text }
        });
        Self { name: name.to_owned(), place, blocks: blocks.collect() }
    }

    pub(super) fn runs(&self) -> bool {
        self.blocks.iter().any(|block| block.kind == Kind::Commands)
    }

    /// What of its blocks nobody would look at.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut before = None;
        for block in &self.blocks {
            let fault = match &block.kind {
                Kind::Said if before != Some(&Kind::Commands) => "says what nothing right above it says",
                Kind::File(name) if !self.uses(name) => "is a file that no command uses",
                _ => "",
            };
            if !fault.is_empty() {
                faults.push(format!("{}:{}: the block {fault}", self.name, block.line));
            }
            before = Some(&block.kind);
        }
        faults
    }

    fn uses(&self, file: &str) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|block| block.kind == Kind::Commands && block.text.contains(file))
    }
}

fn kind(info: &str, text: &str) -> Result<Kind, String> {
    if let Some((_, reason)) = info.split_once(" not run: ") {
        return Ok(Kind::NotRun(reason.to_owned()));
    }
    // What runs this test has built the program already.
    if info == "sh" && !text.is_empty() && text.lines().all(|line| line.starts_with("cargo ")) {
        return Ok(Kind::NotRun("builds with cargo, as whoever runs this test has done".to_owned()));
    }
    let (language, name) = info.split_once(' ').unwrap_or((info, ""));
    let well_formed = match (language, name) {
        ("sh", "") => return Ok(Kind::Commands),
        ("text", "") => return Ok(Kind::Said),
        ("python" | "javascript" | "yaml", "") => {
            let first = text.lines().next().unwrap_or_default();
            let name = first.strip_prefix("# ").or(first.strip_prefix("// ")).unwrap_or_default();
            let is_name = name.contains('.') && !name.contains(' ');
            return if is_name { Ok(Kind::File(name.to_owned())) } else { Err(format!("no name: {first}")) };
        }
        ("json", _) => {
            serde_json::from_str::<serde_json::Value>(text).map_err(|error| error.to_string()).err()
        }
        ("toml", _) => toml::from_str::<toml::Table>(text).map_err(|error| error.to_string()).err(),
        _ => return Err(format!("nobody knows what to do with a block of {info:?}")),
    };
    match (well_formed, name) {
        (Some(wrong), _) => Err(wrong),
        (None, "") => Ok(Kind::Example),
        (None, name) => Ok(Kind::File(name.to_owned())),
    }
}

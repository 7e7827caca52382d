//! Pages of the manual that are run as they stand, in a world where the usual ports are free.
//!
//! Blocks of `sh` run in their order, in one folder and by one shell. What is said must be what the block of
//! `text` behind it has, where `…` stands for anything within a line. Blocks whose first line is a comment
//! with the name of a file become that file.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::provided;

/// Stands between what one block says and what the next one does.
const BETWEEN: &str = "--- next block ---";

struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), false) => {
                blocks.push(Block { language: language.to_owned(), text: String::new() });
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            (None, false) => {}
        }
    }
    blocks
}

/// The file that a block is, by the comment on its first line.
fn file_name(block: &Block) -> &str {
    let first = block.text.lines().next().unwrap_or_default();
    let name = first.strip_prefix("# ").or(first.strip_prefix("// "));
    name.unwrap_or_else(|| panic!("a block of {} without a name: {first}", block.language))
}

fn fits(line: &str, pattern: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('…').collect();
    let [first, between @ .., last] = pieces.as_slice() else { return line == pattern };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for piece in between {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Runs a page, and compares.
fn run(page: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (mut script, mut expected) = (String::from("set -e\n"), Vec::new());
    for block in blocks(page) {
        match block.language.as_str() {
            "sh" => {
                script += &format!("{}echo '{BETWEEN}'\n", block.text);
                expected.push(String::new());
            }
            "text" => *expected.last_mut().unwrap() = block.text,
            // What only another program can run is looked at as a file.
            "python" | "javascript" | "yaml" => {
                fs::write(folder.path().join(file_name(&block)), block.text).unwrap();
            }
            other => panic!("nobody knows how to run a block of {other:?}"),
        }
    }
    fs::write(folder.path().join("page.sh"), script).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_skerry")).parent().unwrap();
    let python = provided("SKERRY_TEST_PYTHON");
    let python = Path::new(&python).parent().unwrap();
    let node = provided("SKERRY_TEST_NODE");
    let node = Path::new(&node).parent().unwrap_or(Path::new("/usr/bin"));
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", "ip link set lo up && exec timeout --kill-after=5 120 sh page.sh"])
        .env_clear()
        .env(
            "PATH",
            format!(
                "{}:{}:{}:/usr/sbin:/usr/bin:/sbin:/bin",
                program.display(),
                python.display(),
                node.display()
            ),
        )
        .env("NODE_PATH", provided("SKERRY_TEST_NODE_MODULES"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TMPDIR", &temporary)
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{err}", output.status);
    let said: Vec<&str> = said.split_terminator(&format!("{BETWEEN}\n")).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}\n{err}");
    for (said, expected) in said.iter().zip(&expected) {
        let (lines, patterns): (Vec<&str>, Vec<&str>) = (said.lines().collect(), expected.lines().collect());
        let same = lines.len() == patterns.len()
            && lines.iter().zip(&patterns).all(|(line, pattern)| fits(line, pattern));
        assert!(same, "the page has\n{expected}\nand this was said:\n{said}\n{err}");
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "something was left behind");
}

#[test]
fn the_list_of_figures_is_that_of_the_code() {
    let printed = Command::new(env!("CARGO_BIN_EXE_skerry")).args(["manual", "metrics"]).output().unwrap();
    let page = include_str!("../../../../docs/metrics.md");
    assert!(printed.stdout == page.as_bytes(), "docs/metrics.md is stale: run `cargo xtask docs`");
}

#[test]
fn a_hub_for_tests() {
    run(include_str!("../../../../docs/ci.md"));
}

#[test]
fn a_quickstart() {
    run(include_str!("../../../../docs/quickstart.md"));
}

#[test]
fn holes_stand_for_anything_and_everything_else_for_itself() {
    for (line, pattern) in
        [("abc", "abc"), ("abc", "a…c"), ("abcbc", "a…bc"), ("abxcx", "a…x…x"), ("a", "a…"), ("", "")]
    {
        assert!(fits(line, pattern), "{line} {pattern}");
    }
    for (line, pattern) in
        [("abcd", "abc"), ("abcd", "a…c"), ("bc", "a…c"), ("ac", "a…b…c"), ("ab", "ab…b"), ("x", "")]
    {
        assert!(!fits(line, pattern), "{line} {pattern}");
    }
}

//! Style that a lint cannot see: long files, tests that are switched off, paths of one machine, and
//! lock files that name a mirror.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::shell;

/// Beyond this many lines a file must say why.
const LINES_MAX: usize = 600;

struct Long {
    path: &'static str,
    reason: &'static str,
}

/// Files beyond [`LINES_MAX`] that stay, each with its reason.
const LONG: &[Long] = &[];

/// Written in two halves, so that this file does not find itself.
const REFUSED_IN_RUST: &[(&str, &str)] = &[
    (concat!("todo", "!("), "finish it, or leave the call out"),
    (concat!("dbg", "!("), "take the print out"),
    (concat!("#[igno", "re"), "a test runs or does not exist"),
];

/// The home of one user, as a whole word: a file `root-ca.pem` below some folder is none.
const HOME: &str = concat!("/ro", "ot");
const MACHINE_PATHS: &[&str] = &[HOME, concat!("/tmp/", "wt"), concat!("/wo", "rk/")];

/// Lock files hold versions and checksums; an address would name the mirror of whoever wrote them.
const REFUSED_IN_LOCKS: &[(&str, &str)] = &[
    ("sdk/node/package-lock.json", "\"resolved\""),
    ("sdk/python/requirements.txt", "://"),
    ("sdk/python/requirements.txt", "--index"),
];

pub(super) fn check(root: &Path) -> Result<(), Failure> {
    let listed = shell::output(shell::command("git").args(["ls-files", "-z"]))?;
    let mut findings = Vec::new();
    for path in listed.split_terminator('\0') {
        // A file deleted but not yet committed, or one that is no text.
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        judge(path, &text, &mut findings);
    }
    for long in LONG {
        let lines = fs::read_to_string(root.join(long.path)).map_or(0, |text| text.lines().count());
        if lines <= LINES_MAX {
            findings.push(format!("{}: no longer long ({}): take it off LONG", long.path, long.reason));
        }
    }
    Failure::of_findings("untidy:", &findings)
}

fn judge(path: &str, text: &str, findings: &mut Vec<String>) {
    if path.ends_with(".rs") {
        let lines = text.lines().count();
        if lines > LINES_MAX && !LONG.iter().any(|long| long.path == path) {
            findings.push(format!(
                "{path}: {lines} lines; split it by noun, or give a reason in LONG of check/tidy.rs"
            ));
        }
    }
    for (number, line) in text.lines().enumerate() {
        let here = format!("{path}:{}", number + 1);
        if path.ends_with(".rs") {
            for (refused, advice) in REFUSED_IN_RUST {
                if line.contains(refused) {
                    findings.push(format!("{here}: `{refused}`: {advice}"));
                }
            }
        }
        if let Some(found) = MACHINE_PATHS.iter().find(|place| names_path(line, place)) {
            findings.push(format!("{here}: `{found}` is a path of one machine: make it relative"));
        }
        for (_, refused) in REFUSED_IN_LOCKS.iter().filter(|(lock, _)| *lock == path) {
            if line.contains(refused) {
                findings.push(format!("{here}: `{refused}` names a registry: lock versions only"));
            }
        }
    }
}

/// Whether a line names the path itself, not a longer word around it (`tls/root-ca.pem`).
fn names_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')');
        !before.is_some_and(part_of_word) && (place != HOME || !after.is_some_and(part_of_word))
    })
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, MACHINE_PATHS, REFUSED_IN_RUST, judge, names_path};

    #[test]
    fn each_refused_text_is_found_where_it_stands() {
        for (refused, _) in REFUSED_IN_RUST {
            let mut findings = Vec::new();
            judge("a.rs", &format!("fn a() {{}}\n  {refused}\n"), &mut findings);
            assert_eq!(findings.len(), 1, "{refused}");
            assert!(findings[0].starts_with("a.rs:2: "), "{findings:?}");
        }
    }

    #[test]
    fn machine_paths_are_told_from_longer_words() {
        let [home, tree, place] = MACHINE_PATHS else { panic!("three") };
        for line in
            [format!("cd {home}"), format!("\"{home}/x\""), format!("{tree}-a/b"), format!("={place}a")]
        {
            assert!(MACHINE_PATHS.iter().any(|path| names_path(&line, path)), "{line}");
        }
        for line in [format!("tls{home}-ca.pem"), format!("{home}-ca.pem"), format!("target{place}a")] {
            assert!(!MACHINE_PATHS.iter().any(|path| names_path(&line, path)), "{line}");
        }
    }

    #[test]
    fn a_long_file_needs_a_reason() {
        let mut findings = Vec::new();
        judge("a.rs", &"//\n".repeat(LINES_MAX), &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        judge("a.rs", &"//\n".repeat(LINES_MAX + 1), &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
    }

    #[test]
    fn a_lock_file_that_names_a_mirror_is_refused() {
        let mut findings = Vec::new();
        judge("sdk/node/package-lock.json", "\"resolved\": \"x\"", &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}

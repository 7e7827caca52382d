//! What was said beside what a page has.
//!
//! `…` stands for anything within a line, and alone on a line for any number of lines. `‹name›` stands for one
//! word, and for the same one wherever it comes again on the page.

use std::collections::BTreeMap;

/// What the named holes of a page turned out to be.
pub(super) type Names = BTreeMap<String, String>;

/// Whether all lines fit; the holes that got their names by that, then.
pub(super) fn fits(lines: &[&str], patterns: &[&str], names: &Names) -> Option<Names> {
    let Some((pattern, patterns)) = patterns.split_first() else {
        return lines.is_empty().then(|| names.clone());
    };
    if *pattern == "…" {
        return (0..=lines.len()).find_map(|skipped| fits(&lines[skipped..], patterns, names));
    }
    let (line, lines) = lines.split_first()?;
    fits(lines, patterns, &line_fits(line, pattern, names)?)
}

fn line_fits(line: &str, pattern: &str, names: &Names) -> Option<Names> {
    let Some(hole) = pattern.find(['…', '‹']) else {
        return (line == pattern).then(|| names.clone());
    };
    let line = line.strip_prefix(&pattern[..hole])?;
    let ends = |line: &str| line.char_indices().map(|(at, _)| at).chain([line.len()]).collect::<Vec<_>>();
    if let Some(pattern) = pattern[hole..].strip_prefix('…') {
        return ends(line).into_iter().find_map(|end| line_fits(&line[end..], pattern, names));
    }
    let (name, pattern) = pattern[hole + '‹'.len_utf8()..].split_once('›').expect("a named hole has an end");
    if let Some(known) = names.get(name) {
        return line_fits(line.strip_prefix(known.as_str())?, pattern, names);
    }
    let word = &line[..line.find(char::is_whitespace).unwrap_or(line.len())];
    ends(word).into_iter().skip(1).find_map(|end| {
        let mut names = names.clone();
        names.insert(name.to_owned(), line[..end].to_owned());
        line_fits(&line[end..], pattern, &names)
    })
}

#[test]
fn holes_stand_for_anything_and_everything_else_for_itself() {
    let fits = |line: &str, pattern: &str| {
        let (lines, patterns): (Vec<&str>, Vec<&str>) = (line.lines().collect(), pattern.lines().collect());
        fits(&lines, &patterns, &Names::new()).is_some()
    };
    for (line, pattern) in [
        ("abc", "abc"),
        ("abc", "a…c"),
        ("abcbc", "a…bc"),
        ("abxcx", "a…x…x"),
        ("a", "a…"),
        ("", ""),
        ("", "…"),
        ("a\nb\nc", "a\n…\nc"),
        ("a\nc", "a\n…\nc"),
        ("a-7 b-7", "a-‹n› b-‹n›"),
        ("id 7\nid 7 of 9", "id ‹id›\nid ‹id› of ‹all›"),
        ("77", "‹n›‹n›"),
    ] {
        assert!(fits(line, pattern), "{line} {pattern}");
    }
    for (line, pattern) in [
        ("abcd", "abc"),
        ("abcd", "a…c"),
        ("bc", "a…c"),
        ("ac", "a…b…c"),
        ("ab", "ab…b"),
        ("x", ""),
        ("a\nb", "a"),
        ("a\nb\nc", "a\n…\nb"),
        ("a-7 b-8", "a-‹n› b-‹n›"),
        ("a b", "‹n›"),
        ("", "‹n›"),
    ] {
        assert!(!fits(line, pattern), "{line} {pattern}");
    }
}

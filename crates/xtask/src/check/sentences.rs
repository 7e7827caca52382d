//! Log lines for operators are sentences: a capital letter at the beginning, a stop at the end.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::shell;

/// Those that operators see.
const MACROS: [&str; 3] = ["tracing::error!(", "tracing::warn!(", "tracing::info!("];

pub(super) fn check(root: &Path) -> Result<(), Failure> {
    let listed = shell::output(shell::command("git").args(["ls-files", "-z", "crates", "modules"]))?;
    let mut findings = Vec::new();
    for path in listed.split_terminator('\0') {
        let is_source = path.ends_with(".rs") && path.contains("/src/") && !path.starts_with("crates/xtask/");
        // A file deleted but not yet committed.
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        if is_source {
            let wrong = sentences(&text).filter(|sentence| !is_sentence(sentence));
            findings.extend(wrong.map(|sentence| format!("{path}: {sentence:?}")));
        }
    }
    Failure::of_findings("not sentences, but logged for operators:", &findings)
}

fn is_sentence(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|c| !c.is_lowercase());
    begins && text.ends_with(['.', ':', '!', '?', '}', '`', ')'])
}

/// What is logged: the first text of a call that is no value of a field.
fn sentences(source: &str) -> impl Iterator<Item = &str> {
    let calls = MACROS.iter().flat_map(|name| source.match_indices(name));
    calls.filter_map(|(at, name)| sentence(&source[at + name.len()..]))
}

fn sentence(call: &str) -> Option<&str> {
    let (mut depth, mut is_value) = (0, false);
    let mut bytes = call.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut end = None;
                while let Some((at, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => {
                            end = Some(at);
                            break;
                        }
                        _ => {}
                    }
                }
                if depth == 0 && !is_value {
                    return Some(&call[at + 1..end?]);
                }
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return None,
            b')' | b']' | b'}' => depth -= 1,
            b'=' => is_value = true,
            b',' if depth == 0 => is_value = false,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_found_behind_the_fields() {
        let source = r#"
            tracing::warn!(%error, kind = "a", reason = text("b, c"), "It \"broke\".");
            tracing::info!("it {}", shown(&["x"]));
            tracing::error!(status);
            tracing::debug!("not for operators");
        "#;
        let found: Vec<&str> = sentences(source).collect();
        assert_eq!(found, [r#"It \"broke\"."#, "it {}"]);
    }

    #[test]
    fn sentences_begin_and_end() {
        for (text, is_one) in [
            ("It goes.", true),
            ("{warning}", true),
            ("Cannot {what}: {error}", true),
            ("it goes.", false),
            ("It goes", false),
        ] {
            assert_eq!(is_sentence(text), is_one, "{text}");
        }
    }
}

//! Links between pages lead somewhere: to a file, and to a heading of it.

use std::fs;
use std::path::Path;

use super::page;

/// What stands between `](` and `)`, outside of blocks and without those that leave the repository.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let links = prose.flat_map(|prose| prose.split("](").skip(1));
    let links = links.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    links.filter(|link| !link.contains("://")).collect()
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut lost = Vec::new();
    let mut count = 0;
    for page in page::all() {
        let folder = if page.name == "README.md" { root.clone() } else { root.join("docs") };
        let text = fs::read_to_string(folder.join(&page.name)).unwrap();
        for link in links(&text) {
            count += 1;
            let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { &page.name } else { file };
            let there = match fs::read_to_string(folder.join(file)) {
                Ok(text) if !wanted.is_empty() => {
                    let mut headings = text.lines().filter(|line| line.starts_with('#'));
                    headings.any(|line| anchor(line.trim_start_matches('#')) == wanted)
                }
                found => found.is_ok(),
            };
            if !there {
                lost.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert!(count > 80, "only {count} links: are pages read as they are written?");
}

//! What works with which SDK, over what: `docs/sdks.md`, and a short table of the README. Both are made of the
//! tests of the SDKs, which say above themselves what they show:
//!
//! ```text
//! # shows: PACKAGE | PROTOCOL, PROTOCOL | OPERATION, OPERATION
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::failure::Failure;

pub(super) const PAGE: &str = "docs/sdks.md";
pub(super) const README: &str = "README.md";

const BEGIN: &str = "<!-- made by `cargo xtask docs` -->\n";
const END: &str = "<!-- until here -->\n";
const PROTOCOLS: [&str; 5] = ["MQTT", "MQTT in WebSockets", "AMQP", "AMQP in WebSockets", "HTTPS"];
/// The languages, and where the exact versions of their packages stand.
const LANGUAGES: [(&str, &str, &str); 2] =
    [("Python", "sdk/python", "requirements.txt"), ("Node", "sdk/node", "package.json")];
/// Each begins what is a test.
const TESTS: [&str; 4] = ["def test_", "@pytest.", "it(", "behave("];

/// What one SDK was seen to do: by operation, in the order of the suites, over these protocols.
struct Sdk {
    name: String,
    shown: Vec<(String, Vec<usize>)>,
}

/// The page, and the README as it should be.
pub(super) fn pages(root: &Path) -> Result<(String, String), Failure> {
    let sdks = sdks(root)?;
    let readme = read(&root.join(README))?;
    let parts = readme.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let Some((head, tail)) = parts else {
        return Err(Failure::new(format!("{README} has no place for the table of SDKs: {BEGIN}{END}")));
    };
    Ok((page(&sdks), format!("{head}{BEGIN}{}{END}{tail}", summary(&sdks))))
}

fn page(sdks: &[Sdk]) -> String {
    let mut page = "# SDKs\n\nWhat the tests do with unmodified SDKs of Azure, against the program itself. `cargo xtask docs` \
                    makes this page of the tests; a test fails when it is older than they are. An empty cell was not \
                    tried, or the SDK cannot do it.\n"
        .to_owned();
    for Sdk { name, shown } in sdks {
        let used: Vec<usize> =
            (0..PROTOCOLS.len()).filter(|at| shown.iter().any(|(_, over)| over.contains(at))).collect();
        let names: Vec<&str> = used.iter().map(|at| PROTOCOLS[*at]).collect();
        page += &format!("\n## {name}\n\n| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(used.len()));
        for (operation, over) in shown {
            let cells: Vec<&str> = used.iter().map(|at| if over.contains(at) { "yes" } else { "" }).collect();
            page += &format!("| {operation} | {} |\n", cells.join(" | "));
        }
    }
    page
}

fn summary(sdks: &[Sdk]) -> String {
    let mut table = "| SDK | over | does |\n|---|---|---|\n".to_owned();
    for Sdk { name, shown } in sdks {
        let over = (0..PROTOCOLS.len()).filter(|at| shown.iter().any(|(_, over)| over.contains(at)));
        let over: Vec<&str> = over.map(|at| PROTOCOLS[at]).collect();
        let does: Vec<&str> = shown.iter().map(|(operation, _)| operation.as_str()).collect();
        table += &format!("| {name} | {} | {} |\n", over.join(", "), does.join(", "));
    }
    table
}

fn sdks(root: &Path) -> Result<Vec<Sdk>, Failure> {
    let mut sdks: BTreeMap<(usize, String), Sdk> = BTreeMap::new();
    for (place, (language, folder, versions)) in LANGUAGES.iter().enumerate() {
        let versions = read(&root.join(folder).join(versions))?;
        for (file, text) in suites(&root.join(folder))? {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (number, line) in lines.iter().enumerate() {
                let Some((_, said)) = line.split_once(" shows: ") else { continue };
                let wrong =
                    |why: &str| Failure::new(format!("{folder}/{file}:{}: {why}: {line}", number + 1));
                let next = lines[number..].iter().find(|line| !line.contains(" shows: "));
                if !next.is_some_and(|line| TESTS.iter().any(|test| line.starts_with(test))) {
                    return Err(wrong("no test is below it"));
                }
                let [package, protocols, operations] =
                    said.split(" | ").collect::<Vec<_>>().try_into().map_err(|_| wrong("not three parts"))?;
                let version =
                    version(&versions, package).ok_or_else(|| wrong("the package is not installed"))?;
                let sdk = sdks.entry((place, package.to_owned())).or_insert_with(|| Sdk {
                    name: format!("{language} `{package}` {version}"),
                    shown: Vec::new(),
                });
                for protocol in protocols.split(", ") {
                    let at = PROTOCOLS.iter().position(|known| *known == protocol);
                    let at = at.ok_or_else(|| wrong("nobody knows the protocol"))?;
                    for operation in operations.split(", ") {
                        sdk.add(operation, at);
                    }
                }
            }
        }
    }
    Ok(sdks.into_values().collect())
}

impl Sdk {
    fn add(&mut self, operation: &str, protocol: usize) {
        match self.shown.iter_mut().find(|(known, _)| known == operation) {
            Some((_, over)) => over.push(protocol),
            None => self.shown.push((operation.to_owned(), vec![protocol])),
        }
    }
}

/// `package==1.2` of Python, `"package": "1.2"` of Node.
fn version<'v>(versions: &'v str, package: &str) -> Option<&'v str> {
    let (python, node) = (format!("{package}=="), format!("\"{package}\": \""));
    let rest = versions.lines().find_map(|line| {
        let line = line.trim();
        line.strip_prefix(&python).or_else(|| line.strip_prefix(&node))
    })?;
    Some(rest.trim_end_matches([',', '"']))
}

/// The suites by name, with their text.
fn suites(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let cannot = |error| Failure::new(format!("cannot list {}: {error}", folder.display()));
    let mut suites = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.js") || (name.starts_with("test_") && name.ends_with(".py")) {
            let text = read(&folder.join(&name))?;
            suites.insert(name, text);
        }
    }
    Ok(suites)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_sdks_are_those_of_the_tests() {
        let root = crate::shell::root();
        let (page, readme) = pages(&root).unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(read(&root.join(PAGE)).unwrap() == page, "{PAGE} is stale: run `cargo xtask docs`");
        assert!(read(&root.join(README)).unwrap() == readme, "{README} is stale: run `cargo xtask docs`");
    }
}

//! What to try next: variables for another terminal, and commands that work there as they stand.

use std::path::{Path, PathBuf};

use super::manifest::{DEVICE, SENSOR};
use super::place::Place;
use crate::failure::Failure;

pub struct Hints {
    /// Sets the variables.
    pub first: String,
    pub commands: Vec<(String, &'static str)>,
}

impl Hints {
    /// Writes the file with the variables.
    pub fn write(place: &Place, program: &Path) -> Result<Self, Failure> {
        place.write("env", variables(place, program).as_bytes())?;
        let commands = [
            ("skerry monitor".to_owned(), "what devices send"),
            (format!("skerry edge show-modules {DEVICE}"), "what is wanted, and what the device reports"),
            ("skerry iotedge list".to_owned(), "the same on the device"),
            (format!("skerry iotedge logs {SENSOR} --tail 5"), "what the module writes"),
            (
                format!("skerry twin update {DEVICE} --module {SENSOR} --desired '{{\"SendInterval\":1}}'"),
                "faster",
            ),
            (format!("skerry method invoke {DEVICE} reset --module {SENSOR}"), "cool again"),
        ];
        Ok(Self { first: format!(". {}", quoted(&place.path("env"))), commands: commands.into() })
    }

    pub fn lines(&self) -> Vec<String> {
        let width = self.commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
        let shown = |command: &str, what: &str| format!("  {command:width$}  # {what}");
        let first = shown(&self.first, "variables for the shell");
        let others = self.commands.iter().map(|(command, what)| shown(command, what));
        std::iter::once("In another terminal:".to_owned()).chain([first]).chain(others).collect()
    }
}

fn variables(place: &Place, program: &Path) -> String {
    let edge = place.edge();
    let path = |path: Option<PathBuf>| quoted(&path.unwrap_or_default());
    let is_named = program.file_name().is_some_and(|name| name == "skerry");
    let command = match program.parent().filter(|_| is_named) {
        Some(folder) => format!("export PATH={}:\"$PATH\"\n", quoted(folder)),
        None => format!("skerry() {{ {} \"$@\"; }}\n", quoted(program)),
    };
    format!(
        "# Written by `skerry quickstart` at each start.\n\
         {command}\
         unset SKERRY_LOGIN SKERRY_CA IOTEDGE_HOST\n\
         export SKERRY_DATA={}\n\
         export SKERRY_EDGE_CONFIG={} SKERRY_EDGE_DATA={} SKERRY_EDGE_SOCKETS={}\n",
        quoted(&place.hub()),
        path(edge.config),
        path(edge.data),
        path(edge.sockets),
    )
}

/// One word for every shell, whatever is in it; as it is where that is a word already.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',');
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        for (path, word) in [("/a/b-1", "/a/b-1"), ("/a b", "'/a b'"), ("/it's", r"'/it'\''s'"), ("", "''")] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}

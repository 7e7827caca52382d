//! What to try next: variables for another terminal, and commands that work there as they stand.

use std::path::{Path, PathBuf};

use super::manifest::{DEVICE, SENSOR};
use super::place::Place;
use crate::failure::Failure;

pub struct Hints {
    /// The first sets the variables. No comments beside them: some shells take those for arguments.
    commands: Vec<String>,
}

impl Hints {
    /// Writes the file with the variables.
    pub fn write(place: &Place, program: &Path) -> Result<Self, Failure> {
        place.write("env", variables(place, program).as_bytes())?;
        let commands = [
            format!(". {}", quoted(&place.path("env"))),
            "skerry monitor".to_owned(),
            format!("skerry edge show-modules {DEVICE}"),
            "skerry iotedge list".to_owned(),
            format!("skerry iotedge logs {SENSOR} --tail 5"),
            format!("skerry twin update {DEVICE} --module {SENSOR} --desired '{{\"SendInterval\":1}}'"),
            format!("skerry method invoke {DEVICE} reset --module {SENSOR}"),
        ];
        Ok(Self { commands: commands.into() })
    }

    pub fn lines(&self) -> Vec<String> {
        let shown = self.commands.iter().map(|command| format!("  {command}"));
        std::iter::once("In another terminal:".to_owned()).chain(shown).collect()
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

//! The workspace as `cargo metadata` tells it: who depends on whom, and where each package comes from.

use serde_json::Value;

use crate::failure::Failure;
use crate::shell;

pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_folder: String,
}

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Absent for a package of this workspace, or of any other path.
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    /// Where its sources are.
    pub(crate) folder: String,
    pub(crate) is_member: bool,
    /// Names of direct dependencies, normal and build, without those of tests.
    pub(crate) dependencies: Vec<String>,
}

impl Graph {
    pub(crate) fn load() -> Result<Self, Failure> {
        let text = shell::output(shell::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("`cargo metadata` printed no JSON: {error}")))?;
        Ok(Self::read(&json))
    }

    fn read(json: &Value) -> Self {
        let members: Vec<&str> = list(json, "workspace_members").filter_map(Value::as_str).collect();
        let packages = list(json, "packages").map(|package| Package::read(package, &members)).collect();
        Self {
            packages,
            target_folder: text(json, "target_directory").unwrap_or_else(|| "target".to_owned()),
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_member)
    }
}

impl Package {
    fn read(package: &Value, members: &[&str]) -> Self {
        let dependencies = list(package, "dependencies")
            .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
            .filter_map(|dependency| text(dependency, "name"))
            .collect();
        Self {
            name: text(package, "name").unwrap_or_default(),
            version: text(package, "version").unwrap_or_default(),
            source: text(package, "source"),
            license: text(package, "license"),
            folder: text(package, "manifest_path")
                .and_then(|path| Some(std::path::Path::new(&path).parent()?.display().to_string()))
                .unwrap_or_default(),
            is_member: package["id"].as_str().is_some_and(|id| members.contains(&id)),
            dependencies,
        }
    }

    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

fn list<'a>(json: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    json[key].as_array().into_iter().flatten()
}

fn text(json: &Value, key: &str) -> Option<String> {
    json[key].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of several programs in a package cargo runs none, unless the package says which.
    #[test]
    fn what_the_readme_runs_is_one_program() {
        let words = ["metadata", "--format-version", "1", "--locked", "--no-deps"];
        let json: Value = serde_json::from_str(&shell::output(shell::cargo().args(words)).unwrap()).unwrap();
        let readme = std::fs::read_to_string(shell::root().join("README.md")).unwrap();
        let commands: Vec<&str> = readme.lines().filter(|line| line.starts_with("cargo run ")).collect();
        assert!(commands.iter().any(|command| command.ends_with("-- quickstart")), "{commands:?}");
        for command in commands {
            let name = command.split_whitespace().skip_while(|word| *word != "-p").nth(1).unwrap();
            let package = list(&json, "packages").find(|package| package["name"] == name).unwrap();
            let is_program = |target: &&Value| list(target, "kind").any(|kind| kind == "bin");
            let programs = list(package, "targets").filter(is_program).count();
            assert!(programs == 1 || package["default_run"] == "skerry", "`{command}`: {programs} programs");
        }
    }
}

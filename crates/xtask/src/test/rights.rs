//! What an ordinary user cannot run: tests with a container engine, worlds in which there are several users, and a machine that is booted.
//!
//! Everything else makes namespaces in which it is root itself. Whoever is not root gets all of that, and is told what
//! was left; CI is root.

use crate::failure::Failure;
use crate::shell;

/// How the names of such tests begin, or what stands in them.
const OF_ROOT: [&str; 4] = ["containers::", "quickstart::", "docs::with_an_engine::", "packages::services::"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    Root,
    Ordinary,
}

impl Rights {
    pub(crate) fn find() -> Result<Self, Failure> {
        let user = shell::output(shell::command("id").arg("-u"))?;
        Ok(if user.trim() == "0" { Self::Root } else { Self::Ordinary })
    }

    /// Arguments of a run, after which none of `OF_ROOT` is in it.
    pub(super) fn narrow(self, arguments: &[String]) -> Vec<String> {
        let mut narrowed = arguments.to_vec();
        if self == Self::Ordinary {
            // What stands behind this is for the tests, and only that can leave names out.
            if !narrowed.iter().any(|argument| argument == "--") {
                narrowed.push("--".to_owned());
            }
            for name in OF_ROOT {
                narrowed.extend(["--skip".to_owned(), name.to_owned()]);
            }
        }
        narrowed
    }

    pub(super) fn tell(self) {
        if self == Self::Ordinary {
            eprintln!(
                "   not run: tests with a container engine, several users, or a machine that is booted ({}), which need root",
                OF_ROOT.join(", ")
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_runs_what_needs_no_rights() {
        let said = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(Rights::Root.narrow(&said(&["sdk::"])), ["sdk::"]);
        let narrowed = Rights::Ordinary.narrow(&said(&["sdk::"]));
        assert_eq!(narrowed[..4], ["sdk::", "--", "--skip", "containers::"]);
        let narrowed = Rights::Ordinary.narrow(&said(&["--", "--exact", "one"]));
        assert_eq!(narrowed[..4], ["--", "--exact", "one", "--skip"]);
        assert_eq!(narrowed.iter().filter(|word| *word == "--").count(), 1);
    }
}

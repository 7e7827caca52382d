//! Images of the program, each nothing but the static program and the few files that it needs.

use std::path::{Path, PathBuf};

use super::Release;
use super::build::Programs;
use super::deb::Compression;
use crate::failure::Failure;
use crate::images::{Archive, Folder};
use crate::shell;

/// Everything that is written: data that stays, and what goes with the process.
const FOLDERS: [Folder; 2] = [
    Folder { path: "var/lib/skerry/", mode: 0o700, is_users: true },
    Folder { path: "tmp/", mode: 0o1777, is_users: false },
];
const ENVIRONMENT: [&str; 1] = ["HOME=/var/lib/skerry"];
const NOTICES: &str = "usr/share/doc/skerry/NOTICES.gz";
const PORTS: [u16; 3] = [443, 5671, 8883];

/// What the program is always told; what follows the image's name on the command line comes behind it.
const HUB: [&str; 4] = ["hub", "run", "--data", "/var/lib/skerry/hub"];
const DEV: [&str; 7] = ["dev", "--https", "0.0.0.0:443", "--mqtt", "0.0.0.0:8883", "--amqp", "0.0.0.0:5671"];

pub(super) fn make(
    programs: &Programs,
    notices: &Path,
    release: &Release,
    compression: Compression,
) -> Result<Vec<PathBuf>, Failure> {
    let images: [(&str, &[&str], &PathBuf); 2] =
        [("skerry-hub", &HUB, &programs.fixed), ("skerry-dev", &DEV, &programs.small)];
    let created = format!("--date=@{}", release.epoch);
    let created = shell::output(shell::command("date").args(["-u", &created, "+%Y-%m-%dT%H:%M:%SZ"]))?;
    let mut made = Vec::new();
    for (name, arguments, program) in images {
        let archive = Archive {
            reference: format!("skerry/{}:{}", name.trim_start_matches("skerry-"), release.version),
            program: program.clone(),
            name: "skerry",
            platform: &release.platform,
            created: created.trim(),
            arguments,
            environment: &ENVIRONMENT,
            folders: &FOLDERS,
            documents: &[(NOTICES, notices)],
            ports: &PORTS,
        };
        let path = release.folder.join(format!("{name}.tar"));
        archive.write(&path)?;
        made.push(match compression {
            Compression::None => path,
            // As engines load it, too; without a name and a time in it.
            Compression::Small => {
                shell::run(shell::command("gzip").arg("-9nf").arg(&path))?;
                path.with_extension("tar.gz")
            }
        });
    }
    Ok(made)
}

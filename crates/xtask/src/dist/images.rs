//! Images of the program, each nothing but the static program and the few files that it needs.

use std::path::{Path, PathBuf};

use super::Release;
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
const PORTS: [u16; 3] = [443, 5671, 8883];

/// Name and first arguments: what follows the image's name on the command line takes the place of the last ones.
const IMAGES: [(&str, &[&str], &[&str]); 2] = [
    ("skerry-hub", &["hub", "run", "--data", "/var/lib/skerry/hub"], &[]),
    (
        "skerry-dev",
        &["dev", "--https", "0.0.0.0:443", "--mqtt", "0.0.0.0:8883", "--amqp", "0.0.0.0:5671"],
        &[],
    ),
];

pub(super) fn make(
    program: &Path,
    release: &Release,
    compression: Compression,
) -> Result<Vec<PathBuf>, Failure> {
    let mut made = Vec::new();
    for (name, arguments, command) in IMAGES {
        let archive = Archive {
            reference: format!("skerry/{}:{}", name.trim_start_matches("skerry-"), release.version),
            program: program.to_owned(),
            name: "skerry",
            platform: &release.platform,
            arguments,
            command,
            environment: &ENVIRONMENT,
            folders: &FOLDERS,
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

//! `skerry hub restore`: a backup becomes a data directory.
//!
//! Everything is unpacked and looked at beside the place where it will be; then one rename puts it
//! there. What was there before is kept beside it.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use super::archive::{Manifest, unpack};
use super::data::DataDirectory;
use crate::args::RestoreOptions;
use crate::failure::Failure;
use crate::world;

/// Old directories that are kept beside a restored one.
const KEPT_MAX: u32 = 100;

pub fn restore(options: &RestoreOptions) -> Result<(), Failure> {
    let target = options.data.clone().unwrap_or_else(world::default_data);
    let cannot =
        |what: &str, error: &dyn std::fmt::Display| Failure::failed(format!("cannot {what}: {error}"));
    let occupied = fs::read_dir(&target).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !options.force {
        return Err(Failure::Conflict(format!(
            "{} holds data already. Restore into another directory with --data, or replace it with --force",
            target.display()
        )));
    }
    let archive = File::open(&options.file)
        .map_err(|error| cannot(&format!("open {}", options.file.display()), &error))?;
    let beside = with_ending(&target, ".restoring");
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(cannot("clear what an earlier try left", &error));
        }
        _ => {}
    }
    let staging = DataDirectory::new(beside.clone());
    staging.create()?;
    let outcome = unpack(BufReader::new(archive), &beside).map_err(Failure::failed).and_then(|manifest| {
        check(&staging)?;
        Ok(manifest)
    });
    let manifest = match outcome {
        Ok(manifest) if !options.dry_run => manifest,
        other => {
            drop(fs::remove_dir_all(&beside));
            let manifest = other?;
            eprintln!("Would restore {} into {}.", described(&manifest), target.display());
            return Ok(());
        }
    };
    if occupied {
        let running = DataDirectory::new(target.clone());
        let _held = running.hold()?;
        let kept = free_name(&target)?;
        fs::rename(&target, &kept).map_err(|error| cannot("move the old data away", &error))?;
        eprintln!("The data that was there is in {}.", kept.display());
    } else if target.exists() {
        fs::remove_dir(&target).map_err(|error| cannot("replace the empty directory", &error))?;
    }
    fs::rename(&beside, &target).map_err(|error| cannot("put the restored data in place", &error))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| cannot("sync", &error))?;
    eprintln!("Restored {} into {}.", described(&manifest), target.display());
    if manifest.device_key_elsewhere {
        eprintln!(
            "Its device key file was kept elsewhere: name it with --device-key-file when you start the hub."
        );
    }
    Ok(())
}

/// Opens what was unpacked as a hub would.
fn check(staging: &DataDirectory) -> Result<(), Failure> {
    staging.hub_file()?;
    let documents = EmbeddedDocuments::open(EmbeddedOptions::new(staging.file("documents.db")))
        .map_err(Failure::failed)?;
    documents.close();
    Ok(())
}

fn described(manifest: &Manifest) -> String {
    format!("hub {} as of {}", manifest.hub_name, manifest.made_at)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn free_name(target: &Path) -> Result<PathBuf, Failure> {
    (0..KEPT_MAX)
        .map(|n| {
            with_ending(
                target,
                &if n == 0 { ".before-restore".to_owned() } else { format!(".before-restore-{n}") },
            )
        })
        .find(|path| !path.exists())
        .ok_or_else(|| Failure::failed("too many old directories are kept beside the data, remove some"))
}

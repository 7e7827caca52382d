//! An image as `docker load` and `docker save` have it: a list, a configuration, and one layer.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::failure::Failure;
use crate::shell;

/// What the programs were built for.
pub(crate) struct Platform {
    pub(crate) triple: String,
    pub(crate) architecture: &'static str,
}

impl Platform {
    pub(crate) fn of_this_machine() -> Result<Self, Failure> {
        let said = shell::output(shell::command("rustc").arg("-vV"))?;
        let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
        let triple = triple.ok_or_else(|| Failure::new("`rustc -vV` names no host"))?.to_owned();
        // Engines have names of their own for machines.
        let architecture = match triple.split('-').next() {
            Some("x86_64") => "amd64",
            Some("aarch64") => "arm64",
            Some("armv7" | "arm") => "arm",
            _ => return Err(Failure::new(format!("nobody has said how engines call {triple}"))),
        };
        Ok(Self { triple, architecture })
    }
}

pub(crate) struct Archive<'a> {
    pub(crate) reference: String,
    pub(crate) program: PathBuf,
    /// What the program is called inside.
    pub(crate) name: &'a str,
    pub(crate) platform: &'a Platform,
    /// The same program gives the same image, so this is not the time of its making.
    pub(crate) created: &'a str,
    /// What the program is always told.
    pub(crate) arguments: &'a [&'a str],
    /// `NAME=VALUE`.
    pub(crate) environment: &'a [&'a str],
    pub(crate) folders: &'a [Folder],
    /// By their places inside.
    pub(crate) documents: &'a [(&'a str, &'a Path)],
    /// Over TCP.
    pub(crate) ports: &'a [u16],
}

/// A folder that is there, and empty.
pub(crate) struct Folder {
    /// With a slash at its end.
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    /// It belongs to the user that the program runs as.
    pub(crate) is_users: bool,
}

/// Programs need no rights on the machine.
const USER: &str = "1000:1000";
const USER_ID: u64 = 1000;
/// Static programs ask for names as this file says; without it nobody looks into the hosts file.
const NAMES: &[u8] = b"hosts: files dns\n";

impl Archive<'_> {
    /// Its size.
    pub(crate) fn write(&self, path: &Path) -> Result<u64, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot write the image {}: {error}", path.display()))
        };
        let layer_path = path.with_extension("layer");
        self.layer(&layer_path).map_err(failed)?;
        let sum = sum(&layer_path)?;
        let entry: Vec<String> = std::iter::once(format!("/{}", self.name))
            .chain(self.arguments.iter().map(|word| (*word).to_owned()))
            .collect();
        let ports: serde_json::Map<String, serde_json::Value> =
            self.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
        let config = json!({
            "architecture": self.platform.architecture,
            "os": "linux",
            "created": self.created,
            "config": {
                "Entrypoint": entry,
                "User": USER,
                "Env": self.environment,
                "ExposedPorts": ports,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
            "history": [{"created": self.created, "created_by": "cargo xtask"}],
        });
        let list = json!([{"Config": "config.json", "RepoTags": [self.reference], "Layers": ["layer.tar"]}]);
        let whole = path.with_extension("part");
        let mut builder = Builder::new(File::create(&whole).map_err(failed)?);
        add(&mut builder, "manifest.json", 0o644, list.to_string().as_bytes()).map_err(failed)?;
        add(&mut builder, "config.json", 0o644, config.to_string().as_bytes()).map_err(failed)?;
        let mut layer = Vec::new();
        File::open(&layer_path).and_then(|mut file| file.read_to_end(&mut layer)).map_err(failed)?;
        add(&mut builder, "layer.tar", 0o644, &layer).map_err(failed)?;
        builder.into_inner().and_then(|mut file| file.flush()).map_err(failed)?;
        std::fs::remove_file(&layer_path).map_err(failed)?;
        // Whole or not at all, whoever reads it meanwhile.
        std::fs::rename(&whole, path).map_err(failed)?;
        path.metadata().map(|file| file.len()).map_err(failed)
    }

    fn layer(&self, path: &Path) -> std::io::Result<()> {
        let mut builder = Builder::new(File::create(path)?);
        add(&mut builder, self.name, 0o755, &std::fs::read(&self.program)?)?;
        add(&mut builder, "etc/nsswitch.conf", 0o644, NAMES)?;
        for (place, document) in self.documents {
            add(&mut builder, place, 0o644, &std::fs::read(document)?)?;
        }
        for folder in self.folders {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Directory);
            header.set_size(0);
            header.set_mode(folder.mode);
            let owner = if folder.is_users { USER_ID } else { 0 };
            header.set_uid(owner);
            header.set_gid(owner);
            header.set_mtime(0);
            builder.append_data(&mut header, folder.path, std::io::empty())?;
        }
        builder.into_inner()?.flush()
    }
}

fn add(builder: &mut Builder<File>, name: &str, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, name, bytes)
}

/// By which engines name layers.
fn sum(path: &Path) -> Result<String, Failure> {
    let said = shell::output(shell::command("sha256sum").arg(path))?;
    let sum = said.split_whitespace().next().map(str::to_owned);
    sum.ok_or_else(|| Failure::new("`sha256sum` printed nothing"))
}

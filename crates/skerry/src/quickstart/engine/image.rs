//! An image of this program, made without an engine and without a registry: the program, the libraries that the
//! system's loader finds for it, and what it is called with.

use std::io::{self, Write as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::program::{Library, libraries, own_path, without_debris};
use crate::quickstart::manifest::IMAGE;
use crate::quickstart::{SENSOR_COMMAND, hex};

/// Modules need no rights on the machine.
const USER: &str = "1000:1000";
/// Small systems have no file that says where names are looked up, and then some do not look into the hosts file.
const NAMES: &[u8] = b"hosts: files dns\n";
const MOMENT: &str = "1970-01-01T00:00:00Z";

pub(super) struct Made {
    /// As the engine will call it.
    pub(super) id: String,
    /// For `docker load`.
    pub(super) archive: Bytes,
}

/// The same program gives the same image.
pub(super) fn make() -> io::Result<Made> {
    let program = own_path().map_err(io::Error::other)?;
    let layer = layer(&program, &libraries(&program)?)?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "created": MOMENT,
        "config": {
            "Entrypoint": ["/skerry", SENSOR_COMMAND],
            "Env": ["LD_LIBRARY_PATH=/lib"],
            "User": USER,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sum(&layer))]},
        "history": [{"created": MOMENT, "created_by": "skerry quickstart"}],
    })
    .to_string();
    let list = json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).to_string();
    let mut archive = Builder::new(Vec::new());
    for (name, bytes) in
        [("manifest.json", list.as_bytes()), ("config.json", config.as_bytes()), ("layer.tar", &layer)]
    {
        add(&mut archive, name, 0o644, bytes)?;
    }
    Ok(Made { id: format!("sha256:{}", sum(config.as_bytes())), archive: Bytes::from(archive.into_inner()?) })
}

fn layer(program: &Path, libraries: &[Library]) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    add(&mut layer, "skerry", 0o755, &without_debris(std::fs::read(program)?))?;
    add(&mut layer, "etc/nsswitch.conf", 0o644, NAMES)?;
    for Library { place, file } in libraries {
        add(&mut layer, place.trim_start_matches('/'), 0o755, &std::fs::read(file)?)?;
    }
    let mut layer = layer.into_inner()?;
    layer.flush()?;
    Ok(layer)
}

fn add(builder: &mut Builder<Vec<u8>>, name: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, name, bytes)
}

fn sum(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Engines have names of their own for machines.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

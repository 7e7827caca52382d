//! One package for Debian and its kin, put together in a folder and packed by `dpkg-deb`.
//!
//! `dpkg-deb` is on every Debian, checks what it packs, and packs the same bytes from the same tree: an archiver of our
//! own would be more code and know less of the format.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{Release, cannot};
use crate::failure::Failure;
use crate::shell;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Small,
    /// For those who look inside at once.
    None,
}

/// What stands at a place of the package.
pub(super) enum Content {
    File(PathBuf),
    Program(PathBuf),
    Text(String),
    Link(&'static str),
    Folder,
}

pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) architecture: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// By their places, without the slash at the beginning.
    pub(super) contents: Vec<(String, Content)>,
    /// Whoever changed them keeps them.
    pub(super) configuration: &'static [&'static str],
    /// By the names that dpkg knows.
    pub(super) scripts: Vec<(&'static str, PathBuf)>,
}

/// Below that of the release, while it is made.
pub(super) const FOLDER: &str = ".tree";

const MAINTAINER: &str = "The Skerry authors <skerry@skerry.invalid>";

impl Package {
    pub(super) fn write(&self, release: &Release, compression: Compression) -> Result<PathBuf, Failure> {
        let tree = release.folder.join(FOLDER).join(self.name);
        if tree.exists() {
            fs::remove_dir_all(&tree).map_err(cannot("remove", &tree))?;
        }
        folder(&tree)?;
        for (place, content) in &self.contents {
            put(&tree, place, content)?;
        }
        let size = size(&tree)?;
        let control = tree.join("DEBIAN");
        folder(&control)?;
        text(&control.join("control"), &self.control(release, size), 0o644)?;
        if !self.configuration.is_empty() {
            let list: String = self.configuration.iter().map(|path| format!("/{path}\n")).collect();
            text(&control.join("conffiles"), &list, 0o644)?;
        }
        for (name, source) in &self.scripts {
            let script = fs::read_to_string(source).map_err(cannot("read", source))?;
            text(&control.join(name), &script, 0o755)?;
        }
        let file =
            release.folder.join(format!("{}_{}_{}.deb", self.name, release.version, self.architecture));
        let mut pack = shell::command("dpkg-deb");
        match compression {
            // One thread, for the result depends on how many there are.
            Compression::Small => pack.args(["-Zxz", "-z9", "--threads-max=1"]),
            Compression::None => pack.arg("-Znone"),
        };
        pack.args(["--root-owner-group", "--build"]).arg(&tree).arg(&file);
        pack.env("SOURCE_DATE_EPOCH", release.epoch.to_string());
        shell::output(&mut pack)?;
        fs::remove_dir_all(&tree).map_err(cannot("remove", &tree))?;
        Ok(file)
    }

    fn control(&self, release: &Release, bytes: u64) -> String {
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: {MAINTAINER}\nInstalled-Size: {}\nSection: net\nPriority: optional\n",
            self.name,
            release.version,
            self.architecture,
            bytes.div_ceil(1024),
        );
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push_str(&format!("Description: {}\n", self.summary));
        self.description.lines().for_each(|line| text.push_str(&format!(" {line}\n")));
        text
    }
}

fn put(tree: &Path, place: &str, content: &Content) -> Result<(), Failure> {
    let path = tree.join(place);
    let mut above = tree.to_owned();
    let parent = Path::new(place).parent().unwrap_or(Path::new(""));
    for part in parent {
        above.push(part);
        folder(&above)?;
    }
    match content {
        Content::File(source) => copy(source, &path, 0o644),
        Content::Program(source) => copy(source, &path, 0o755),
        Content::Text(words) => text(&path, words, 0o644),
        Content::Link(target) => symlink(target, &path).map_err(cannot("link", &path)),
        Content::Folder => folder(&path),
    }
}

/// Whatever the umask is.
fn mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(cannot("change", path))
}

fn folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(cannot("make", path))?;
    mode(path, 0o755)
}

fn copy(source: &Path, path: &Path, bits: u32) -> Result<(), Failure> {
    fs::copy(source, path).map_err(cannot("copy", source))?;
    mode(path, bits)
}

fn text(path: &Path, words: &str, bits: u32) -> Result<(), Failure> {
    fs::write(path, words).map_err(cannot("write", path))?;
    mode(path, bits)
}

/// Bytes of all files below.
fn size(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(cannot("read", folder))? {
        let path = entry.map_err(cannot("read", folder))?.path();
        let found = path.symlink_metadata().map_err(cannot("read", &path))?;
        bytes += if found.is_dir() { size(&path)? } else { found.len() };
    }
    Ok(bytes)
}

//! This program as a file, and what the system's loader needs beside it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Even when its file was replaced meanwhile.
pub(super) fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program does not find its own file: {error}")))
}

/// A file that has to be at a place for the program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Library {
    pub(super) place: String,
    pub(super) file: PathBuf,
}

/// The loader says itself what it finds. A static program does not ask it, and has none.
pub(super) fn libraries(program: &Path) -> io::Result<Vec<Library>> {
    let mut command = Command::new(program);
    // A static program runs, so it is given something harmless to do.
    command.arg("--version").env_clear().env("LD_TRACE_LOADED_OBJECTS", "1");
    let told = command.stdin(Stdio::null()).output()?;
    let mut found = listed(&String::from_utf8_lossy(&told.stdout));
    // Older systems look up names with libraries that are loaded only then.
    let beside = found.iter().find(|library| library.place == "/lib/libc.so.6");
    if let Some(folder) = beside.and_then(|library| library.file.parent()).map(Path::to_owned) {
        for name in ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"] {
            let (place, file) = (format!("/lib/{name}"), folder.join(name));
            if file.exists() && found.iter().all(|library| library.place != place) {
                found.push(Library { place, file });
            }
        }
    }
    Ok(found)
}

/// `NAME => FILE (ADDRESS)` for libraries, which are looked for by name, and `FILE (ADDRESS)` for the loader, which
/// has to be where it is.
fn listed(told: &str) -> Vec<Library> {
    let lines = told.lines().filter_map(|line| line.trim().rsplit_once(" (0x").map(|(named, _)| named));
    lines
        .filter_map(|named| match named.split_once(" => ") {
            Some((name, file)) if file.starts_with('/') => {
                // A loader that is named in full stays where it is.
                let place = if name.starts_with('/') { name.to_owned() } else { format!("/lib/{name}") };
                Some(Library { place, file: PathBuf::from(file) })
            }
            None if named.starts_with('/') => {
                Some(Library { place: named.to_owned(), file: PathBuf::from(named) })
            }
            _ => None,
        })
        .collect()
}

/// Leaves out what only debuggers read, which is several times the program: everything behind the last byte that
/// is loaded. What is no ELF file of 64 bits, the small end first, stays as it is.
pub(super) fn without_debris(mut file: Vec<u8>) -> Vec<u8> {
    if let Some(end) = loaded_end(&file).filter(|end| *end < file.len()) {
        file.truncate(end);
        // The table of sections was behind it.
        file[SECTIONS_AT..SECTIONS_AT + 8].fill(0);
        file[SECTION_COUNT_AT..SECTION_COUNT_AT + 4].fill(0);
    }
    file
}

const SECTIONS_AT: usize = 0x28;
const SECTION_COUNT_AT: usize = 0x3c;

/// By the table of segments, which is what the kernel and the loader go by.
fn loaded_end(file: &[u8]) -> Option<usize> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(file.get(at..at.checked_add(bytes)?)?);
        usize::try_from(u64::from_le_bytes(value)).ok()
    };
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let mut end = table.checked_add(size.checked_mul(count)?)?;
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        let (offset, length) = (number(at.checked_add(8)?, 8)?, number(at.checked_add(0x20)?, 8)?);
        end = end.max(offset.checked_add(length)?);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_list_is_read() {
        let told = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \tlibodd.so => not found\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let library = |place: &str, file: &str| Library { place: place.to_owned(), file: file.into() };
        let expected = [
            library("/lib/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
            library("/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"),
        ];
        assert_eq!(listed(told), expected);
        assert_eq!(listed("skerry 0.1.0\n"), []);
    }

    #[test]
    fn what_is_left_of_a_program_still_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let whole = std::fs::read(own_path().unwrap()).unwrap();
        let size = whole.len();
        let left = without_debris(whole);
        assert!(left.len() < size, "this has lines for debuggers");
        std::fs::write(&path, &left).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert!(Command::new(&path).arg("--list").stdout(Stdio::null()).status().unwrap().success());
        for other in [b"#!/bin/sh".to_vec(), b"\x7fELF\x02\x01".to_vec(), Vec::new()] {
            assert_eq!(without_debris(other.clone()), other);
        }
    }
}

//! Where the unmodified SDKs live: one folder per lock file below `target/sdk`.
//!
//! The folder's name is a hash of what is locked, so a changed lock makes a new folder and an
//! unchanged one costs nothing. A mark is written last: a folder without it was interrupted and is
//! laid again. Two runs at once wait for each other on a file lock.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::test::{node, python};

/// What tests need to know, as variables.
pub(crate) struct Environment {
    python: PathBuf,
    node: PathBuf,
    node_modules: PathBuf,
}

impl Environment {
    pub(super) fn lay(target: &str) -> Result<Self, Failure> {
        let folder = Path::new(target).join("sdk");
        let python = python::lay(&folder)?;
        let (node, node_modules) = node::lay(&folder)?;
        Ok(Self { python, node, node_modules })
    }

    pub(super) fn variables(&self) -> [(&'static str, &Path); 3] {
        [
            ("SKERRY_TEST_PYTHON", &self.python),
            ("SKERRY_TEST_NODE", &self.node),
            ("SKERRY_TEST_NODE_MODULES", &self.node_modules),
        ]
    }
}

const MARK: &str = "complete";

/// Gives the folder for these locked texts, after `install` has filled it where it was missing.
pub(crate) fn laid(
    sdk: &Path,
    name: &str,
    locked: &[String],
    install: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let folder = sdk.join(format!("{name}-{:016x}", hash(locked)));
    fs::create_dir_all(sdk).map_err(|error| failed("create", sdk, &error))?;
    let guard_path = folder.with_extension("lock");
    let guard = fs::File::create(&guard_path).map_err(|error| failed("create", &guard_path, &error))?;
    guard.lock().map_err(|error| failed("lock", &guard_path, &error))?;
    let mark = folder.join(MARK);
    if mark.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| failed("remove", &folder, &error))?;
    }
    fs::create_dir_all(&folder).map_err(|error| failed("create", &folder, &error))?;
    install(&folder)?;
    fs::write(&mark, "").map_err(|error| failed("write", &mark, &error))?;
    Ok(folder)
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| failed("read", path, &error))
}

pub(super) fn failed(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", path.display()))
}

/// FNV-1a: stable over Rust versions, and nothing here is secret.
fn hash(texts: &[String]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{hash, laid};
    use crate::failure::Failure;

    #[test]
    fn another_lock_is_another_folder() {
        assert_eq!(hash(&["a".to_owned()]), hash(&["a".to_owned()]));
        assert_ne!(hash(&["ab".to_owned()]), hash(&["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn an_interrupted_folder_is_laid_again_and_a_complete_one_is_kept() {
        let sdk = std::env::temp_dir().join(format!("skerry-xtask-sdk-{}", std::process::id()));
        let lock = ["six==1.17.0".to_owned()];
        let broken = laid(&sdk, "python", &lock, |folder| {
            fs::write(folder.join("half"), "").unwrap();
            Err(Failure::new("the network went away"))
        });
        assert!(broken.is_err());
        let folder = laid(&sdk, "python", &lock, |folder| {
            assert!(!folder.join("half").exists());
            Ok(())
        });
        let again = laid(&sdk, "python", &lock, |_| panic!("it was complete"));
        assert_eq!(folder.unwrap(), again.unwrap());
        fs::remove_dir_all(&sdk).unwrap();
    }
}

//! Files in one folder: written aside, made durable, and put in place whole.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use skerry_runtime::Answer;

use crate::ports::{Shelf, ShelfError};

pub struct FolderShelf {
    folder: PathBuf,
}

impl FolderShelf {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    async fn run<R: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
    ) -> Result<R, ShelfError> {
        let path = self.folder.join(name);
        let file = path.display().to_string();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| ShelfError { file, reason: error.to_string() })
    }
}

impl Shelf for FolderShelf {
    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>, ShelfError> {
        Box::pin(self.run(name, |path| match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }))
    }

    fn save<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> Answer<'a, (), ShelfError> {
        Box::pin(self.run(name, move |path| write(path, &bytes)))
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let aside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    // What lies there was not finished.
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_saved_is_there_and_nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let shelf = FolderShelf::new(folder.path());
        assert_eq!(shelf.load("a").await.unwrap(), None);
        for bytes in [b"one".to_vec(), b"two and more".to_vec(), Vec::new()] {
            shelf.save("a", bytes.clone()).await.unwrap();
            assert_eq!(shelf.load("a").await.unwrap(), Some(bytes));
        }
        let mode = fs::metadata(folder.path().join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let gone = FolderShelf::new(folder.path().join("gone"));
        assert!(gone.save("a", Vec::new()).await.unwrap_err().to_string().contains("gone/a"));
    }
}

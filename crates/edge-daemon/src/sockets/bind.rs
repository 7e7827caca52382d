//! A socket at a path, in place of what a daemon before this one has left there.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Listens at `path` with these permissions. A socket that is left over goes, and so does the empty
/// directory that a container engine makes where it finds nothing to mount; a file that is anything else
/// stays, and is an error.
pub(crate) fn bind(path: &Path, mode: u32) -> Result<UnixListener, SocketError> {
    let failed = |source| SocketError::Bind { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(found) if found.is_dir() => fs::remove_dir(path).map_err(failed)?,
        Ok(_) => return Err(SocketError::InTheWay { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("cannot listen at {}: {source}; make its directory writable for this user", .path.display())]
    Bind { path: PathBuf, source: io::Error },
    #[error("{} is no socket: move it away, or name another path in [listen]", .path.display())]
    InTheWay { path: PathBuf },
    #[error("{name:?} cannot be the name of a container: use letters, digits, '_', '.' and '-'")]
    Name { name: String },
}

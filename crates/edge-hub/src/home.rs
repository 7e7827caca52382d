//! What the edge hub leans on besides its own files: the daemon's keys, and a way to ask the hub.

use bytes::Bytes;
use skerry_front::device::Soon;
use skerry_model::Timestamp;

/// Somebody else implements it: in one process the daemon, in a container the daemon's workload API.
pub trait Home: Send + Sync + 'static {
    /// A token of `$edgeHub` for the hub, good until then. It is signed where the key is.
    fn token(&self, until: Timestamp) -> Soon<Result<String, HomeError>>;

    /// Asks the hub over HTTPS as `$edgeHub`: the path below the hub, whether it replaces something (`If-Match: *`),
    /// and a body in JSON. One try.
    fn ask(&self, path: String, replaces: bool, body: Bytes) -> Soon<Result<Reply, HomeError>>;

    /// Encrypts for `$edgeHub`, so that it can be opened without a hub.
    fn seal(&self, plain: Vec<u8>) -> Soon<Result<Vec<u8>, HomeError>>;

    fn open(&self, sealed: Vec<u8>) -> Soon<Result<Vec<u8>, HomeError>>;

    /// The certificates that leaf devices' chains may end in.
    fn roots(&self) -> Soon<Result<Vec<Vec<u8>>, HomeError>>;
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct HomeError {
    pub what: String,
}

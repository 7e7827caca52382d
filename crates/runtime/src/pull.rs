//! What is asked of a registry.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// With a tag or a digest; without either, the engine takes `latest`.
    pub image: String,
    pub credentials: Option<Credentials>,
}

/// For one registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub address: String,
    pub username: String,
    pub password: String,
    pub email: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} at {}, ***)", self.username, self.address)
    }
}

/// How far a pull has come. Sizes are known of the layers that have begun only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    pub layers: u32,
    pub layers_done: u32,
    pub bytes: u64,
    pub bytes_done: u64,
}

//! TLS: who we are towards clients, and how that stays true for years without anybody's help.

mod authority;
mod client;
mod config;
pub(crate) mod der;
mod files;
mod material;
mod own;
mod server;
mod stream;

pub use authority::{Authority, AuthorityError, Issued, SERVER_LIFETIME};
pub use config::Alpn;
pub use files::FileError;
pub use material::{Check, TlsError, TlsMaterial, TlsOptions};
pub use own::OperatorFiles;
pub use server::CertificateError;
pub(crate) use stream::TlsStream;

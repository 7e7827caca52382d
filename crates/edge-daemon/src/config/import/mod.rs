//! `config import`: `config.yaml` of the versions 1.0 and 1.1 becomes `config.toml`. Text in, text out; what is
//! left out is told.

mod convert;
mod yaml;

use super::{Config, ConfigError};

/// The key with which those versions encrypted for modules, below their home directory.
const MASTER_KEY: &str = "hsm/enc_keys/edgelet-masterWt5mT2xpO72EPKlt2Tt0Sq4uJCrMvfl2rzzKRB3pnyo_.enc.key";
const HOME: &str = "/var/lib/iotedge";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What `config.toml` is to hold.
    pub text: String,
    /// What is not in it.
    pub left_out: Vec<String>,
}

/// `exists` tells whether a file is there.
pub fn import(old: &str, exists: &dyn Fn(&str) -> bool) -> Result<Imported, ImportError> {
    let mut old = convert::Old::new(yaml::parse(old)?);
    let home = old.text("homedir")?.unwrap_or_else(|| HOME.to_owned());
    let master_key = format!("{}/{MASTER_KEY}", home.trim_end_matches('/'));
    let new = convert::config(&mut old, Some(master_key).filter(|path| exists(path)))?;
    let body = toml::to_string_pretty(&new).expect("a table of texts and numbers is TOML");
    let text =
        format!("# Written by `iotedge config import`. `iotedge config apply` makes it count.\n\n{body}");
    // Whatever was wrong in the old file is told by the new one's rules.
    Config::parse(&text, false).map_err(ImportError::Config)?;
    Ok(Imported { text, left_out: old.left_out() })
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("line {line} {text}")]
    Line { line: usize, text: String },
    #[error("{key} {text}")]
    Key { key: String, text: String },
    #[error("it would become a configuration that cannot be used:\n{0}")]
    Config(ConfigError),
}

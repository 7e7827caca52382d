//! Links: what a storage client calls a shared access signature, for one blob or for everything below a device's id,
//! and for a while.
//!
//! To the client it is opaque text that it appends to the blob's address; it has the fields that storage clients look at
//! (`sv`, `sr`, `sp`, `se`, `sig`). The signature is ours: HMAC-SHA256 with a key that only this hub has, over everything
//! that the link says and the blob's name.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use skerry_model::{DeviceId, Timestamp};

use super::{BlobName, CONTAINER};
use crate::rest::query_value;

/// The version of the storage service whose form it has.
const VERSION: &str = "2021-08-06";

/// Signs links. Whoever has it writes any blob.
pub struct LinkKey(hmac::Key);

/// What a link lets its holder do, in the letters of storage clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    pub read: bool,
    /// New blobs, and other bytes for old ones.
    pub write: bool,
    pub delete: bool,
}

/// Why an address lets nobody do anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("the address has no signature; ask the hub for a link to the blob")]
    Missing,
    #[error("the signature does not match the address; use the link as the hub gave it")]
    Signature,
    #[error("the link ended at {at}; ask the hub for another one")]
    Expired { at: Timestamp },
    #[error("{what}")]
    Name { what: String },
}

impl Permissions {
    /// What a device gets for the file that it uploads.
    pub const UPLOAD: Permissions = Permissions { read: true, write: true, delete: false };
    /// Everything else may be read by who asks the hub.
    pub const DROP: Permissions = Permissions { read: false, write: true, delete: false };
    pub const ALL: Permissions = Permissions { read: true, write: true, delete: true };

    fn parse(text: &str) -> Self {
        Self { read: text.contains('r'), write: text.contains(['w', 'c']), delete: text.contains('d') }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.read, "r"), (self.write, "w"), (self.delete, "d")];
        letters.into_iter().filter(|(held, _)| *held).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl LinkKey {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// `?sv=…&sig=…`, for after the blob's address.
    pub(super) fn sign(&self, blob: &BlobName, permissions: Permissions, ends: Timestamp) -> String {
        self.signed(blob.as_str(), "sr=b", permissions, ends)
    }

    /// The same for all blobs of a device, of any name.
    pub(super) fn sign_folder(&self, device: &DeviceId, permissions: Permissions, ends: Timestamp) -> String {
        self.signed(device.as_str(), "sr=d&sdd=1", permissions, ends)
    }

    fn signed(&self, name: &str, resource: &str, permissions: Permissions, ends: Timestamp) -> String {
        let ends = Timestamp::from_unix_seconds(ends.unix_seconds()).to_string();
        let permissions = permissions.to_string();
        let kind = if resource == "sr=b" { "b" } else { "d" };
        let tag = hmac::sign(&self.0, text(name, &permissions, &ends, VERSION, kind).as_bytes());
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (ends, tag) = (encoded(&ends), encoded(&STANDARD.encode(tag)));
        format!("?sv={VERSION}&spr=https&se={ends}&{resource}&sp={permissions}&sig={tag}")
    }

    pub(super) fn verify(
        &self,
        blob: &str,
        query: Option<&str>,
        now: Timestamp,
    ) -> Result<Permissions, LinkError> {
        let field = |name| query_value(query, name).ok_or(LinkError::Missing);
        let signature = STANDARD.decode(field("sig")?).map_err(|_| LinkError::Signature)?;
        let (version, permissions, ends) = (field("sv")?, field("sp")?, field("se")?);
        let kind = field("sr")?;
        let folder = BlobName::parts(blob);
        let name = match (kind.as_str(), folder) {
            ("b", _) => blob,
            ("d", Some((device, _))) if field("sdd")? == "1" => device,
            _ => return Err(LinkError::Signature),
        };
        let text = text(name, &permissions, &ends, &version, &kind);
        hmac::verify(&self.0, text.as_bytes(), &signature).map_err(|_| LinkError::Signature)?;
        let at: Timestamp = ends.parse().map_err(|_| LinkError::Signature)?;
        if now >= at {
            return Err(LinkError::Expired { at });
        }
        // Nobody has looked at the rest of the name before.
        if let Some((device, file)) = folder.filter(|_| kind == "d") {
            let device: DeviceId = device.parse().map_err(|_| LinkError::Signature)?;
            BlobName::new(&device, file).map_err(|error| LinkError::Name { what: error.to_string() })?;
        }
        Ok(Permissions::parse(&permissions))
    }
}

/// Names of blobs have no line ends, so no field can pass for another.
fn text(name: &str, permissions: &str, ends: &str, version: &str, kind: &str) -> String {
    format!("{permissions}\n{ends}\n/{CONTAINER}/{name}\nhttps\n{version}\n{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_one_blob_for_a_while_and_for_what_it_says() {
        let key = LinkKey::new(&[7; 32]);
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let ends = Timestamp::from_unix_seconds(1_800_003_600);
        let blob = BlobName::new(&"d1".parse().unwrap(), "a/ü.txt").unwrap();
        let link = key.sign(&blob, Permissions::UPLOAD, ends);
        assert!(link.starts_with("?sv=2021-08-06&spr=https&se=2027%2D01%2D15T09%3A00%3A00Z&sr=b&sp=rw&sig="));
        let query = link.strip_prefix('?');
        assert_eq!(key.verify(blob.as_str(), query, now), Ok(Permissions::UPLOAD));
        assert_eq!(key.verify(blob.as_str(), query, ends), Err(LinkError::Expired { at: ends }));
        assert_eq!(key.verify("d1/a", query, now), Err(LinkError::Signature));
        assert_eq!(LinkKey::new(&[8; 32]).verify(blob.as_str(), query, now), Err(LinkError::Signature));
        for (from, to) in
            [("sp=rw", "sp=rwd"), ("27%2D01", "28%2D01"), ("sv=2021", "sv=2022"), ("sr=b", "sr=c")]
        {
            let forged = query.unwrap().replace(from, to);
            assert_eq!(key.verify(blob.as_str(), Some(&forged), now), Err(LinkError::Signature), "{to}");
        }
        for absent in [None, Some(""), Some("comp=block"), Some("sig=AAAA")] {
            assert_eq!(key.verify(blob.as_str(), absent, now), Err(LinkError::Missing));
        }
    }
    #[test]
    fn a_link_to_a_device_is_for_all_of_its_blobs_and_for_no_others() {
        let key = LinkKey::new(&[7; 32]);
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let ends = Timestamp::from_unix_seconds(1_800_003_600);
        let link = key.sign_folder(&"d1".parse().unwrap(), Permissions::DROP, ends);
        let query = link.strip_prefix('?');
        for blob in ["d1/a", "d1/hub1/d1/sensor-1.log"] {
            assert_eq!(key.verify(blob, query, now), Ok(Permissions::DROP), "{blob}");
            assert_eq!(key.verify(blob, query, ends), Err(LinkError::Expired { at: ends }));
        }
        for blob in ["d1", "d2/a", "d11/a", "D1/a", "/d1/a", ""] {
            assert_eq!(key.verify(blob, query, now), Err(LinkError::Signature), "{blob}");
        }
        for blob in ["d1/", "d1/../d2/a", "d1/a\nb"] {
            assert!(matches!(key.verify(blob, query, now), Err(LinkError::Name { .. })), "{blob:?}");
        }
        for (from, to) in [("sr=d", "sr=b"), ("sdd=1", "sdd=2"), ("&sdd=1", ""), ("sp=w", "sp=rwd")] {
            let forged = query.unwrap().replace(from, to);
            assert!(key.verify("d1/a", Some(&forged), now).is_err(), "{to}");
        }
    }
}

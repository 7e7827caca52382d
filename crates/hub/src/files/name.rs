//! Names of blobs: the device's id, a slash, and what the device calls the file.

use std::fmt;

use skerry_model::DeviceId;
use skerry_store::blobs::NAME_CHARS_MAX;

use super::FileError;

/// The whole name of a device's blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobName(String);

impl BlobName {
    /// Refuses what a client or its URL parser would turn into another name on the way.
    pub fn new(device: &DeviceId, file: &str) -> Result<Self, FileError> {
        let refused = |what: &'static str| Err(FileError::Name { what });
        let name = format!("{device}/{file}");
        if file.is_empty() {
            return refused("it is empty");
        }
        if name.chars().count() > NAME_CHARS_MAX {
            return refused("with the device's id it has more than 1024 characters");
        }
        if name.chars().any(char::is_control) {
            return refused("it has control characters");
        }
        if file.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            return refused("it has a segment . or ..");
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The device's id and what follows; `None` where there is no slash.
    pub fn parts(name: &str) -> Option<(&str, &str)> {
        name.split_once('/')
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_survives_an_address() {
        let device: DeviceId = "d1".parse().unwrap();
        for good in ["a", "a/b.txt", "ü ä/…", "a//b", "..a", "a%2e", "?#&"] {
            assert_eq!(BlobName::new(&device, good).unwrap().as_str(), format!("d1/{good}"));
        }
        let longest = "x".repeat(1021);
        assert!(BlobName::new(&device, &longest).is_ok());
        for bad in ["", "..", "a/../b", "./a", "a\\..\\b", "a\nb", &format!("{longest}x")] {
            assert!(BlobName::new(&device, bad).is_err(), "{bad}");
        }
        assert_eq!(BlobName::parts("d1/a/b"), Some(("d1", "a/b")));
    }
}

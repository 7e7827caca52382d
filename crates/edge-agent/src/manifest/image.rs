//! References to images: `[registry/][path/]name[:tag]`.

use std::fmt;

/// A reference with its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no reference to an image, write one such as registry:5000/name:1.0")]
pub struct ImageError {
    pub text: String,
}

/// How the engine calls the registry that is meant where none is named.
const HUB_ADDRESS: &str = concat!("https://index.docker.io", "/v1/");

impl Image {
    /// Spaces around it are cut off; what has no tag gets `latest`.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let text = text.trim();
        let last = text.rsplit('/').next().unwrap_or_default();
        let mut parts = last.split(':');
        let name = parts.next().unwrap_or_default();
        let tag = parts.next();
        if name.is_empty() || tag.is_some_and(str::is_empty) || parts.next().is_some() {
            return Err(ImageError { text: text.chars().take(256).collect() });
        }
        Ok(Self(if tag.is_some() { text.to_owned() } else { format!("{text}:latest") }))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address that a credential must have to be used for an image.
pub fn registry_of(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    Some(if first.contains(['.', ':']) { first } else { HUB_ADDRESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        for (text, whole) in [
            (" sensor ", "sensor:latest"),
            ("sensor:1.0", "sensor:1.0"),
            ("host:5000/a/b", "host:5000/a/b:latest"),
            ("$upstream:443/a:1", "$upstream:443/a:1"),
            ("host/a@sha256:00ff", "host/a@sha256:00ff"),
            ("/a", "/a:latest"),
        ] {
            assert_eq!(Image::parse(text).unwrap().as_str(), whole);
        }
        for text in ["", "  ", "a/", "a:", "a:1:2", ":1"] {
            assert!(Image::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_registry_is_the_first_part() {
        assert_eq!(registry_of("sensor:1"), None);
        assert_eq!(registry_of("me/sensor:1"), Some(HUB_ADDRESS));
        assert_eq!(registry_of("example.com/sensor:1"), Some("example.com"));
        assert_eq!(registry_of("localhost:5000/sensor:1"), Some("localhost:5000"));
    }
}

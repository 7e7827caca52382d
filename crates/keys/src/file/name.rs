//! Names of files after ids, exactly as the original makes them.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use crate::error::KeyError;

/// So that name, digest, extension and the mark of a file in the making fit into 255 bytes.
const ID_CHARS_MAX: usize = 180;

/// `<letters and digits of the id>-<sha256 of the id in hex>.<extension>`.
pub fn file_name(id: &str, extension: &str) -> Result<String, KeyError> {
    let mut name: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    if id.len() > 4 * ID_CHARS_MAX || name.len() > ID_CHARS_MAX || id.is_empty() {
        return Err(KeyError::Id { id: id.chars().take(ID_CHARS_MAX).collect(), max: ID_CHARS_MAX });
    }
    name.push('-');
    for byte in digest(&SHA256, id.as_bytes()).as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    if !extension.is_empty() {
        name.push('.');
        name.push_str(extension);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_are_those_of_the_original() {
        for (id, extension, name) in [
            (
                "device-id",
                "key",
                "deviceid-bd732105ef89cf8edd2606a5309c8a26b7b5599a4e124a0fe6199b6b2f60e655.key",
            ),
            ("_", "key", "-d2e2adf7177b7a8afddbc12d1634cf23ea1a71020f6a1308070a16400fb68fde.key"),
            ("$edgeAgent", "", "edgeAgent-5ba97f29eeaf1ede50f792fcb138819f78bcd25e146340ba8ffdfcb9bb2d73e7"),
        ] {
            assert_eq!(file_name(id, extension).unwrap(), name);
        }
    }

    #[test]
    fn two_ids_with_the_same_letters_have_two_names() {
        assert_ne!(file_name("a.b", "key").unwrap(), file_name("ab", "key").unwrap());
    }

    #[test]
    fn ids_that_make_no_name_are_refused() {
        for id in ["", &"x".repeat(181), &"é".repeat(500)] {
            assert!(file_name(id, "key").is_err(), "{id}");
        }
    }
}

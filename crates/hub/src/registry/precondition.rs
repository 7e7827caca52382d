//! What a client demands of the document that it changes.

use super::RegistryError;

/// From the `If-Match` header, or the import mode of a bulk item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing was said.
    #[default]
    None,
    /// It exists, whatever its etag.
    Exists,
    /// It exists and has this etag (without quotes).
    Etag(String),
}

impl Precondition {
    /// Reads `If-Match`: tools send the star and etags with and without quotes, and weak forms.
    pub fn from_header(value: Option<&str>) -> Self {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
            return Self::None;
        };
        let value = value.strip_prefix("W/").unwrap_or(value);
        let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        if bare == "*" { Self::Exists } else { Self::Etag(bare.to_owned()) }
    }

    pub(super) fn check(&self, etag: &str) -> Result<(), RegistryError> {
        match self {
            Self::Etag(sent) if sent != etag => {
                Err(RegistryError::Stale { sent: sent.chars().take(128).collect() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_s_spelling_of_if_match_is_understood() {
        let etag = Precondition::Etag("MQ==".into());
        let table = [
            (None, Precondition::None),
            (Some(""), Precondition::None),
            (Some("*"), Precondition::Exists),
            (Some("\"*\""), Precondition::Exists),
            (Some("\"MQ==\""), etag.clone()),
            (Some("MQ=="), etag.clone()),
            (Some("W/\"MQ==\""), etag),
        ];
        for (header, wanted) in table {
            assert_eq!(Precondition::from_header(header), wanted, "{header:?}");
        }
    }
}

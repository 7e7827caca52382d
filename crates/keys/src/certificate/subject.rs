//! Whom a certificate is about, in the words of the configuration.

use rcgen::{DistinguishedName, DnType};

/// X.509's bound for a common name.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// An attribute of a name that the configuration may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    CommonName,
    Country,
    Locality,
    Organization,
    OrganizationalUnit,
    StateOrProvince,
}

impl Attribute {
    pub const KNOWN: &'static str = "C, CN, L, O, OU and ST";

    /// By its short or long name, without regard to case.
    pub fn from_name(name: &str) -> Result<Self, AttributeError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "cn" | "commonname" => Self::CommonName,
            "c" | "countryname" => Self::Country,
            "l" | "localityname" => Self::Locality,
            "o" | "organizationname" => Self::Organization,
            "ou" | "organizationalunitname" => Self::OrganizationalUnit,
            "st" | "stateorprovincename" => Self::StateOrProvince,
            _ => return Err(AttributeError { name: name.to_owned() }),
        })
    }

    fn kind(self) -> DnType {
        match self {
            Self::CommonName => DnType::CommonName,
            Self::Country => DnType::CountryName,
            Self::Locality => DnType::LocalityName,
            Self::Organization => DnType::OrganizationName,
            Self::OrganizationalUnit => DnType::OrganizationalUnitName,
            Self::StateOrProvince => DnType::StateOrProvinceName,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no attribute of a certificate's name: known are {}", Attribute::KNOWN)]
pub struct AttributeError {
    pub name: String,
}

/// Attributes in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(pub Vec<(Attribute, String)>);

impl Subject {
    pub fn common_name(name: &str) -> Self {
        Self(vec![(Attribute::CommonName, name.to_owned())])
    }

    pub(super) fn name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        for (attribute, value) in &self.0 {
            let most = if *attribute == Attribute::CommonName { COMMON_NAME_CHARS_MAX } else { usize::MAX };
            name.push(attribute.kind(), value.chars().take(most).collect::<String>());
        }
        name
    }
}

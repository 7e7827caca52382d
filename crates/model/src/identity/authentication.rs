//! The ways in which an identity proves itself.

use std::fmt;

use base64::Engine as _;

/// How an identity proves itself, with what the hub must know for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Authentication {
    /// Tokens signed with one of two shared keys.
    Sas(SymmetricKeys),
    /// A certificate known by its thumbprint.
    SelfSigned(Thumbprints),
    /// A certificate below a registered authority, with the device id as its subject.
    CertificateAuthority,
    /// Nothing yet: modules of the edge runtime before it has set keys.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationKind {
    Sas,
    SelfSigned,
    CertificateAuthority,
    None,
}

impl AuthenticationKind {
    pub const ALL: [AuthenticationKind; 4] = [
        AuthenticationKind::Sas,
        AuthenticationKind::SelfSigned,
        AuthenticationKind::CertificateAuthority,
        AuthenticationKind::None,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            AuthenticationKind::Sas => "sas",
            AuthenticationKind::SelfSigned => "selfSigned",
            AuthenticationKind::CertificateAuthority => "certificateAuthority",
            AuthenticationKind::None => "none",
        }
    }

    /// Reads the wire's word in any case.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.as_str()))
    }
}

impl Authentication {
    pub fn kind(&self) -> AuthenticationKind {
        match self {
            Authentication::Sas(_) => AuthenticationKind::Sas,
            Authentication::SelfSigned(_) => AuthenticationKind::SelfSigned,
            Authentication::CertificateAuthority => AuthenticationKind::CertificateAuthority,
            Authentication::None => AuthenticationKind::None,
        }
    }
}

/// Two keys, so that one can be changed while the other is in use. Base64 of 16 to 64 bytes.
#[derive(Clone, PartialEq)]
pub struct SymmetricKeys {
    primary: String,
    secondary: String,
}

/// What is wrong with keys or thumbprints that a client sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    #[error("the {which} key is not base64 of 16 to 64 bytes")]
    Key { which: &'static str },
    #[error("the {which} thumbprint is not 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")]
    Thumbprint { which: &'static str },
    #[error("authentication by a self-signed certificate needs at least one thumbprint")]
    NoThumbprint,
    #[error("{found:?} is not an authentication type, use sas, selfSigned, certificateAuthority or none")]
    Kind { found: String },
}

impl SymmetricKeys {
    pub fn new(primary: String, secondary: String) -> Result<Self, AuthenticationError> {
        for (which, key) in [("primary", &primary), ("secondary", &secondary)] {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(key)
                .map_err(|_| AuthenticationError::Key { which })?;
            if !(16..=64).contains(&bytes.len()) {
                return Err(AuthenticationError::Key { which });
            }
        }
        Ok(Self { primary, secondary })
    }

    pub fn primary(&self) -> &str {
        &self.primary
    }

    pub fn secondary(&self) -> &str {
        &self.secondary
    }
}

impl fmt::Debug for SymmetricKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKeys(not shown)")
    }
}

/// The digest of a certificate in upper-case hexadecimal: SHA-1 or SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprint(String);

impl Thumbprint {
    pub fn parse(which: &'static str, text: &str) -> Result<Self, AuthenticationError> {
        let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| Self(text.to_ascii_uppercase())).ok_or(AuthenticationError::Thumbprint { which })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// At least one of the two is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprints {
    primary: Option<Thumbprint>,
    secondary: Option<Thumbprint>,
}

impl Thumbprints {
    pub fn new(
        primary: Option<Thumbprint>,
        secondary: Option<Thumbprint>,
    ) -> Result<Self, AuthenticationError> {
        if primary.is_none() && secondary.is_none() {
            return Err(AuthenticationError::NoThumbprint);
        }
        Ok(Self { primary, secondary })
    }

    pub fn primary(&self) -> Option<&Thumbprint> {
        self.primary.as_ref()
    }

    pub fn secondary(&self) -> Option<&Thumbprint> {
        self.secondary.as_ref()
    }
}

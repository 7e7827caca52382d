//! SAS tokens: `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`, read and issued.
//!
//! What is signed is `sr` and `se` exactly as they stand in the token, so both are kept as text and never
//! re-encoded: SDKs encode `sr` in at least four ways. `sig` is percent-decoded without turning `+` into a
//! space, because some clients send base64 with a bare `+`. Field names and the scheme word are read without
//! regard to case; an empty `skn` (one SDK sends it) means that no policy is named.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use skerry_model::Timestamp;

use crate::host::clip;
use crate::{KeyUse, SharedKey};

/// Longest token that is looked at: two ids of 128 characters, doubly encoded, need less than half of it.
pub const TOKEN_BYTES_MAX: usize = 4096;

const SCHEME: &str = "SharedAccessSignature";
pub(crate) const SIGNATURE_BYTES: usize = 32;

/// All but the unreserved characters of RFC 3986, as the SDKs encode.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Takes a signature with or without its padding: one explorer loses it.
const PADDING_OPTIONAL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A token that is well-formed; nothing is said yet about whether it is genuine.
#[derive(Clone, PartialEq, Eq)]
pub struct SasToken {
    pub(crate) resource: String,
    pub(crate) expiry_text: String,
    expiry: Timestamp,
    pub(crate) signature: [u8; SIGNATURE_BYTES],
    policy: Option<String>,
}

impl SasToken {
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong { bytes: text.len() });
        }
        let text = text.trim();
        let fields = match text.split_once(' ') {
            Some((scheme, fields)) if scheme.eq_ignore_ascii_case(SCHEME) => fields.trim_start(),
            _ => return Err(TokenError::Scheme),
        };
        let fields = Fields::split(fields)?;
        let resource = required("sr", fields.resource)?;
        let signature = decode_signature(required("sig", fields.signature)?)?;
        let expiry_text = required("se", fields.expiry)?;
        let expiry = parse_expiry(expiry_text)?;
        let policy = match fields.policy.filter(|policy| !policy.is_empty()) {
            None => None,
            Some(name) => Some(decode(name).ok_or(TokenError::Policy)?.into_owned()),
        };
        Ok(Self {
            resource: resource.to_owned(),
            expiry_text: expiry_text.to_owned(),
            expiry,
            signature,
            policy,
        })
    }

    /// `sr` exactly as it stands in the token; give it to [`crate::covers`].
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// `se`.
    pub fn expiry(&self) -> Timestamp {
        self.expiry
    }

    /// `skn`: the policy whose key signed, or `None` for the key of the identity itself.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// The token as it is sent; the name is there to be noticed in a review.
    pub fn reveal(&self) -> String {
        let signature = STANDARD.encode(self.signature);
        let signature = utf8_percent_encode(&signature, ENCODED);
        let mut text = format!("{SCHEME} sr={}&sig={signature}&se={}", self.resource, self.expiry_text);
        if let Some(policy) = &self.policy {
            text.push_str("&skn=");
            text.extend(utf8_percent_encode(policy, ENCODED));
        }
        text
    }
}

impl FromStr for SasToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::parse(text)
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SasToken(sr={}, se={}, skn={:?}, sig=***)", self.resource, self.expiry_text, self.policy)
    }
}

/// Issues tokens with one key.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SharedKey,
    usage: KeyUse,
    policy: Option<String>,
}

impl Signer {
    /// Signs with the key of a device or module.
    pub fn identity(key: SharedKey) -> Self {
        Self { key, usage: KeyUse::Hub, policy: None }
    }

    /// Signs with the key of a shared access policy.
    pub fn policy(name: impl Into<String>, key: SharedKey, usage: KeyUse) -> Self {
        Self { key, usage, policy: Some(name.into()) }
    }

    /// A token for `resource`, given unencoded as [`crate::resource`] makes it. `expiry` counts in whole
    /// seconds.
    pub fn issue(&self, resource: &str, expiry: Timestamp) -> SasToken {
        let draft = Draft::new(resource, expiry);
        let tag = self.key.sign(self.usage, &[draft.text().as_bytes()]);
        let signature = tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes");
        draft.finish(signature, self.policy.clone())
    }
}

/// A token that lacks its signature only, for keys that somebody else holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    resource: String,
    expiry: Timestamp,
}

impl Draft {
    /// As [`Signer::issue`] takes them.
    pub fn new(resource: &str, expiry: Timestamp) -> Self {
        let resource = utf8_percent_encode(resource, ENCODED).to_string();
        Self { resource, expiry: Timestamp::from_unix_seconds(expiry.unix_seconds().max(0)) }
    }

    /// What is to be signed, by HMAC-SHA256.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.resource, self.expiry.unix_seconds())
    }

    /// `None`: the digest is none of HMAC-SHA256.
    pub fn signed(self, digest: &[u8]) -> Option<SasToken> {
        Some(self.finish(digest.try_into().ok()?, None))
    }

    fn finish(self, signature: [u8; SIGNATURE_BYTES], policy: Option<String>) -> SasToken {
        let Self { resource, expiry } = self;
        SasToken { resource, expiry_text: expiry.unix_seconds().to_string(), expiry, signature, policy }
    }
}

#[derive(Default)]
struct Fields<'a> {
    resource: Option<&'a str>,
    signature: Option<&'a str>,
    expiry: Option<&'a str>,
    policy: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn split(text: &'a str) -> Result<Self, TokenError> {
        let mut fields = Self::default();
        for field in text.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let (slot, name) = match name.to_ascii_lowercase().as_str() {
                "sr" => (&mut fields.resource, "sr"),
                "sig" => (&mut fields.signature, "sig"),
                "se" => (&mut fields.expiry, "se"),
                "skn" => (&mut fields.policy, "skn"),
                _ => return Err(TokenError::Unknown { name: clip(name) }),
            };
            if slot.replace(value).is_some() {
                return Err(TokenError::Duplicate { name });
            }
        }
        Ok(fields)
    }
}

fn required<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, TokenError> {
    value.filter(|value| !value.is_empty()).ok_or(TokenError::Missing { name })
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

fn decode_signature(text: &str) -> Result<[u8; SIGNATURE_BYTES], TokenError> {
    // Base64 of 32 bytes is 44 characters, three times that when each is percent-encoded.
    let text = (text.len() <= 3 * 44).then(|| decode(text)).flatten().ok_or(TokenError::Signature)?;
    let bytes = PADDING_OPTIONAL.decode(text.as_bytes()).map_err(|_| TokenError::Signature)?;
    bytes.try_into().map_err(|_| TokenError::Signature)
}

fn parse_expiry(text: &str) -> Result<Timestamp, TokenError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| text.parse::<i64>().ok()).flatten();
    seconds.map(Timestamp::from_unix_seconds).ok_or_else(|| TokenError::Expiry { text: clip(text) })
}

/// The text is not a SAS token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token has {bytes} bytes, more than {TOKEN_BYTES_MAX}: shorten its `sr`")]
    TooLong { bytes: usize },
    #[error(
        "the token does not begin with `SharedAccessSignature `: send `SharedAccessSignature sr=…&sig=…&se=…`"
    )]
    Scheme,
    #[error("the token has no `{name}`: a token needs `sr`, `sig` and `se`")]
    Missing { name: &'static str },
    #[error("the token has `{name}` twice: give each field once")]
    Duplicate { name: &'static str },
    #[error("the token has an unknown field {name:?}: only `sr`, `sig`, `se` and `skn` are known")]
    Unknown { name: String },
    #[error("`sig` is not 32 bytes in base64: percent-encode the base64 of the HMAC-SHA256")]
    Signature,
    #[error("`se` is {text:?}, not a number: give the expiry in whole seconds since 1970")]
    Expiry { text: String },
    #[error("`skn` is not UTF-8 after percent-decoding: give the name of a policy")]
    Policy,
}

//! What a token speaks for: `sr` against the identity that is claimed.
//!
//! SDKs write the same resource in several ways: not encoded at all (C), encoded once as a whole (Python,
//! Node), with ids encoded inside a text that is encoded again (C#), with ids alone encoded (C over HTTP).
//! So `sr` is split into segments where its slashes are (raw, or after one decoding when it has none), and an
//! id is accepted when the segment equals it as it stands, decoded once more, or twice: never more than two
//! decodings in all.
//!
//! Ids may themselves contain `%`, so one `sr` can read as two different ids, say `a%2Bb` and `a+b`. That is
//! safe because the text of `sr` opens nothing by itself: the caller claims one id, and the signature is
//! verified with the keys of *that* id. Whoever holds the key of `a%2Bb` can write whatever `sr` he likes and
//! still cannot sign for `a+b`.
//!
//! The same holds for case: ids differ by it, `sr` does not. The original's identity service signs the resource in
//! lower case, whatever the id.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::host::{clip, name_of};

/// Who wants to use the token, as the connection or request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// A policy token (`skn` is set): only the host has to match. Azure does not enforce the path either;
    /// older tools send the path of another operation.
    Hub,
    Device(&'a str),
    /// Device id, module id.
    Module(&'a str, &'a str),
}

/// Whether a token for a device also speaks for the device's modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleRule {
    /// The hub: a module signs for itself, with its own key.
    OwnTokenOnly,
    /// The edge: the device's own token is accepted for its modules.
    DeviceTokenToo,
}

/// Whether `sr`, exactly as it stands in a token, covers what `claim` wants.
///
/// `hosts` are all names under which this server is known: host names and the gateway's. Ports are ignored on
/// both sides; case does not matter.
pub fn covers<S: AsRef<str>>(
    sr: &str,
    hosts: &[S],
    claim: Claim<'_>,
    rule: ModuleRule,
) -> Result<(), AudienceError> {
    let path = Path::split(sr);
    let mut segments = path.segments();
    let host = segments.next().unwrap_or_default();
    if !hosts.iter().any(|own| path.is_host(host, name_of(own.as_ref()))) {
        let own = hosts.first().map(|own| own.as_ref().to_owned()).unwrap_or_default();
        return Err(AudienceError::Host { found: clip(&String::from_utf8_lossy(host)), expected: own });
    }
    let (device, module) = match claim {
        Claim::Hub => return Ok(()),
        Claim::Device(device) => (device, None),
        Claim::Module(device, module) => (device, Some(module)),
    };
    let wrong = || AudienceError::Identity { found: clip(sr), expected: path_of(claim) };
    let names_device = segments.next().is_some_and(|word| path.is_word(word, "devices"))
        && segments.next().is_some_and(|id| path.is_id(id, device));
    if !names_device {
        return Err(wrong());
    }
    let names_modules = segments.next().is_some_and(|word| path.is_word(word, "modules"));
    match (module, names_modules) {
        // Further path below the device (an old tool appends its query) is still the device.
        (None, false) => Ok(()),
        (None, true) => Err(wrong()),
        (Some(_), false) if rule == ModuleRule::DeviceTokenToo => Ok(()),
        (Some(_), false) => Err(AudienceError::DeviceTokenForModule { expected: path_of(claim) }),
        (Some(module), true) if segments.next().is_some_and(|id| path.is_id(id, module)) => Ok(()),
        (Some(_), true) => Err(wrong()),
    }
}

/// Whom a text such as `host/devices/{id}/modules/{id}` names, in every way in which it can be read: device ids,
/// with module ids. Clients that show a token for a connection say so; which reading is meant, the key tells.
pub fn identities(audience: &str) -> Vec<(String, Option<String>)> {
    let path = Path::split(audience);
    let mut segments = path.segments().skip(1);
    let mut next = || segments.next().filter(|segment| !segment.is_empty());
    let Some(device) = next().filter(|word| path.is_word(word, "devices")).and_then(|_| next()) else {
        return Vec::new();
    };
    let module = next().filter(|word| path.is_word(word, "modules")).and_then(|_| next());
    let mut forms = (Cow::Borrowed(device), module.map(Cow::Borrowed));
    let mut found = Vec::new();
    for _ in 0..=path.decodings_left {
        let text = |form: &[u8]| String::from_utf8_lossy(form).into_owned();
        let reading = (text(&forms.0), forms.1.as_deref().map(text));
        if !found.contains(&reading) {
            found.push(reading);
        }
        let decoded = |form: &[u8]| Cow::Owned(percent_decode(form).collect());
        forms = (decoded(&forms.0), forms.1.as_deref().map(decoded));
    }
    found
}

/// The resource to sign for `claim`, unencoded: `host/devices/{id}/modules/{id}`.
pub fn resource(host: &str, claim: Claim<'_>) -> String {
    format!("{host}{}", path_of(claim))
}

fn path_of(claim: Claim<'_>) -> String {
    match claim {
        Claim::Hub => String::new(),
        Claim::Device(device) => format!("/devices/{device}"),
        Claim::Module(device, module) => format!("/devices/{device}/modules/{module}"),
    }
}

/// `sr` with its slashes visible, and how often a segment may still be decoded.
struct Path<'a> {
    text: Cow<'a, [u8]>,
    decodings_left: u8,
}

impl<'a> Path<'a> {
    fn split(sr: &'a str) -> Self {
        let sr = sr.as_bytes();
        let (text, decodings_left) =
            if sr.contains(&b'/') { (Cow::Borrowed(sr), 2) } else { (Cow::from(percent_decode(sr)), 1) };
        Self { text: without_scheme(text), decodings_left }
    }

    fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|b| *b == b'/')
    }

    fn is_host(&self, segment: &[u8], name: &str) -> bool {
        self.matches(segment, |form| {
            std::str::from_utf8(form).is_ok_and(|text| name_of(text).eq_ignore_ascii_case(name))
        })
    }

    fn is_word(&self, segment: &[u8], word: &str) -> bool {
        segment.eq_ignore_ascii_case(word.as_bytes())
    }

    fn is_id(&self, segment: &[u8], id: &str) -> bool {
        !id.is_empty() && self.matches(segment, |form| form.eq_ignore_ascii_case(id.as_bytes()))
    }

    /// Whether any reading of the segment passes.
    fn matches(&self, segment: &[u8], test: impl Fn(&[u8]) -> bool) -> bool {
        let mut form = Cow::Borrowed(segment);
        for _ in 0..self.decodings_left {
            if test(&form) {
                return true;
            }
            form = Cow::Owned(percent_decode(&form).collect());
        }
        test(&form)
    }
}

/// Event Hubs clients sign `sb://host/entity`, some tools `https://host/…`.
fn without_scheme(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    const SCHEMES: [&[u8]; 5] = [b"sb://", b"amqps://", b"amqp://", b"https://", b"http://"];
    let length = SCHEMES.iter().find_map(|scheme| {
        let start = text.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(scheme.len())
    });
    match (length, text) {
        (None, text) => text,
        (Some(length), Cow::Borrowed(text)) => Cow::Borrowed(text.get(length..).unwrap_or_default()),
        (Some(length), Cow::Owned(mut text)) => {
            text.drain(..length);
            Cow::Owned(text)
        }
    }
}

/// The token is for something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    #[error(
        "the token's `sr` is for host {found:?}, this is {expected:?}: sign for the host name of the connection string"
    )]
    Host { found: String, expected: String },
    #[error("the token's `sr` is {found:?}, which does not cover `{expected}`: sign for host{expected}")]
    Identity { found: String, expected: String },
    #[error(
        "the token is for the device, not for its module: sign for host{expected} with the module's own key"
    )]
    DeviceTokenForModule { expected: String },
}

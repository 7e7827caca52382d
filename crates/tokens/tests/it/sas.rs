use std::time::Duration;

use base64::Engine as _;
use proptest::prelude::*;
use skerry_model::Timestamp;
use skerry_tokens::{
    CLOCK_SKEW, Draft, KeyError, KeyPair, KeyUse, MatchedKey, SasToken, SharedKey, Signer, TOKEN_BYTES_MAX,
    TokenError, VerifyError,
};

use crate::{Counting, KEY, OTHER_KEY, key};

/// 2026-01-01T00:00:00Z.
const EXPIRY: i64 = 1_767_225_600;

/// `printf '%s\n%s' "$sr" 1767225600 | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64`
const VECTORS: [(&str, KeyUse, &str); 3] = [
    ("hub1.iot.test", KeyUse::Hub, "l7e6l2SBMwUGstzFKYA7SOpKrVuTKT7e/g161NUWS/0="),
    ("hub1.iot.test%2Fdevices%2Fdev-1", KeyUse::Hub, "aHVQlgu3ROqrMKoSxmm4K91ybHYvnY65ubzNVFcy9Qw="),
    // Signed with `openssl dgst -hmac "$text_of_the_key"`; the lower-case escape must stay as it is.
    ("hub1.iot.test%2fhub1", KeyUse::EventHubs, "l1RirMASRsjGD2KAt5xWTIUK8M4UKgtef1OUafRkZcQ="),
];

fn before_expiry() -> Timestamp {
    Timestamp::from_unix_seconds(EXPIRY - 60)
}

fn verify(token: &SasToken, usage: KeyUse) -> Result<MatchedKey, VerifyError> {
    let (primary, secondary) = (key(KEY), key(OTHER_KEY));
    let keys = KeyPair { primary: &primary, secondary: &secondary };
    token.verify(keys, usage, before_expiry(), CLOCK_SKEW)
}

#[test]
fn tokens_signed_by_openssl_verify_in_every_spelling() {
    for (sr, usage, sig) in VECTORS {
        let escaped = sig.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let bare = sig.trim_end_matches('=');
        let spellings = [
            format!("SharedAccessSignature sr={sr}&sig={escaped}&se={EXPIRY}"),
            format!("SharedAccessSignature sig={escaped}&se={EXPIRY}&sr={sr}"),
            format!("sharedaccesssignature  SE={EXPIRY}&Sig={escaped}&SR={sr}&"),
            format!("SharedAccessSignature sr={sr}&sig={sig}&se={EXPIRY}&skn="),
            format!(" SharedAccessSignature sr={sr}&sig={bare}&skn=&se={EXPIRY} "),
        ];
        for text in spellings {
            let token = SasToken::parse(&text).unwrap();
            assert_eq!(verify(&token, usage), Ok(MatchedKey::Primary), "{text}");
            assert_eq!((token.resource(), token.policy()), (sr, None), "{text}");
            let other = if usage == KeyUse::Hub { KeyUse::EventHubs } else { KeyUse::Hub };
            assert_eq!(verify(&token, other), Err(VerifyError::Signature), "{text}");
        }
    }
}

#[test]
fn an_issued_token_has_the_bytes_that_openssl_computes() {
    let signer = Signer::policy("service", key(KEY), KeyUse::Hub);
    let token = signer.issue("hub1.iot.test", Timestamp::from_unix_seconds(EXPIRY));
    assert_eq!(
        token.reveal(),
        "SharedAccessSignature sr=hub1.iot.test&sig=l7e6l2SBMwUGstzFKYA7SOpKrVuTKT7e%2Fg161NUWS%2F0%3D\
         &se=1767225600&skn=service"
    );
    let token = Signer::identity(key(KEY)).issue("hub1.iot.test/devices/dev-1", token.expiry());
    assert!(
        token.reveal().starts_with("SharedAccessSignature sr=hub1.iot.test%2Fdevices%2Fdev-1&sig=aHVQlgu3")
    );
}

#[test]
fn a_device_key_is_derived_as_openssl_derives_it() {
    assert_eq!(key(KEY).derive_for("sn-007").reveal(), "quDjFc/jTkzRTi2x7w6l/YPO+GU6V+F0970Oi1KQW/g=");
}

#[test]
fn either_key_may_sign_and_no_other() {
    let (a, b, c) = (key(KEY), key(OTHER_KEY), SharedKey::generate(&Counting));
    let token = Signer::identity(b.clone()).issue("h/devices/d", Timestamp::from_unix_seconds(EXPIRY));
    let check = |primary: &SharedKey, secondary: &SharedKey| {
        token.verify(KeyPair { primary, secondary }, KeyUse::Hub, before_expiry(), CLOCK_SKEW)
    };
    assert_eq!(check(&b, &a), Ok(MatchedKey::Primary));
    assert_eq!(check(&a, &b), Ok(MatchedKey::Secondary));
    assert_eq!(check(&a, &c), Err(VerifyError::Signature));
}

#[test]
fn a_token_is_good_until_its_expiry_plus_the_skew() {
    let signing = key(KEY);
    let keys = KeyPair { primary: &signing, secondary: &signing };
    let token = Signer::identity(signing.clone()).issue("h", Timestamp::from_unix_seconds(EXPIRY));
    let at = |seconds: i64| {
        token.verify(keys, KeyUse::Hub, Timestamp::from_unix_seconds(EXPIRY + seconds), CLOCK_SKEW)
    };
    assert!(at(-1).is_ok() && at(0).is_ok() && at(300).is_ok());
    assert_eq!(
        at(301).unwrap_err().to_string(),
        "the token expired at 2026-01-01T00:00:00Z and it is 2026-01-01T00:05:01Z now: issue a new one, \
         and check the clock of the client"
    );
    let now = Timestamp::from_unix_seconds(EXPIRY + 1);
    assert!(token.verify(keys, KeyUse::Hub, now, Duration::ZERO).is_err());
    assert_eq!(token.ends_at(CLOCK_SKEW), Timestamp::from_unix_seconds(EXPIRY + 300));
}

#[test]
fn an_expiry_far_in_the_future_is_fine() {
    let text =
        "SharedAccessSignature sr=h&sig=l7e6l2SBMwUGstzFKYA7SOpKrVuTKT7e/g161NUWS/0=&se=9223372036854775807";
    assert_eq!(SasToken::parse(text).unwrap().expiry().to_string(), "9999-12-31T23:59:59.9999999Z");
}

#[test]
fn every_malformed_token_is_told_what_to_do() {
    let sig = "l7e6l2SBMwUGstzFKYA7SOpKrVuTKT7e/g161NUWS/0=";
    let long = format!("SharedAccessSignature sr={}", "x".repeat(TOKEN_BYTES_MAX));
    let scheme = "the token does not begin with `SharedAccessSignature `: send `SharedAccessSignature sr=…&sig=…&se=…`";
    let signature = "`sig` is not 32 bytes in base64: percent-encode the base64 of the HMAC-SHA256";
    let table = [
        (long, "the token has 4121 bytes, more than 4096: shorten its `sr`"),
        (String::new(), scheme),
        ("Bearer eyJ".to_owned(), scheme),
        (format!("SharedAccessSignaturesr=h&sig={sig}&se=1"), scheme),
        ("SharedAccessSignature ".to_owned(), scheme),
        (
            format!("SharedAccessSignature sig={sig}&se=1"),
            "the token has no `sr`: a token needs `sr`, `sig` and `se`",
        ),
        (
            format!("SharedAccessSignature sr=&sig={sig}&se=1"),
            "the token has no `sr`: a token needs `sr`, `sig` and `se`",
        ),
        (
            "SharedAccessSignature sr=h&se=1".to_owned(),
            "the token has no `sig`: a token needs `sr`, `sig` and `se`",
        ),
        (
            format!("SharedAccessSignature sr=h&sig={sig}"),
            "the token has no `se`: a token needs `sr`, `sig` and `se`",
        ),
        (
            format!("SharedAccessSignature sr=h&sig={sig}&se=1&SE=2"),
            "the token has `se` twice: give each field once",
        ),
        (
            format!("SharedAccessSignature sr=h&sig={sig}&se=1&exp=2"),
            "the token has an unknown field \"exp\": only `sr`, `sig`, `se` and `skn` are known",
        ),
        ("SharedAccessSignature sr=h&sig=abcd&se=1".to_owned(), signature),
        ("SharedAccessSignature sr=h&sig=%ff&se=1".to_owned(), signature),
        (format!("SharedAccessSignature sr=h&sig={}&se=1", sig.replace('/', "_")), signature),
        // The last digit before the padding has two bits that no byte needs; they must be zero.
        (format!("SharedAccessSignature sr=h&sig={}&se=1", sig.replace("0=", "1=")), signature),
        (
            format!("SharedAccessSignature sr=h&sig={sig}&se=-1"),
            "`se` is \"-1\", not a number: give the expiry in whole seconds since 1970",
        ),
        (
            format!("SharedAccessSignature sr=h&sig={sig}&se=99999999999999999999"),
            "`se` is \"99999999999999999999\", not a number: give the expiry in whole seconds since 1970",
        ),
        (
            format!("SharedAccessSignature sr=h&sig={sig}&se=1&skn=%ff"),
            "`skn` is not UTF-8 after percent-decoding: give the name of a policy",
        ),
    ];
    for (text, message) in table {
        let error: TokenError = SasToken::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
    assert_eq!(
        VerifyError::Signature.to_string(),
        "the signature matches neither the primary nor the secondary key: check that the key is the current \
         one of this identity, and that `sr` and `se` are signed exactly as they are sent"
    );
}

#[test]
fn keys_have_16_to_64_bytes_of_strict_base64() {
    for bytes in [16, 32, 64] {
        let made = SharedKey::from_bytes(&vec![7; bytes]).unwrap();
        assert_eq!(key(&made.reveal()), made);
    }
    for bytes in [0, 15, 65, 66] {
        assert_eq!(SharedKey::from_bytes(&vec![7; bytes]).unwrap_err(), KeyError::Length { bytes });
    }
    let table = [
        ("AAAA", "the key has 3 bytes: use one of 16 to 64 bytes, written as base64"),
        (&KEY[..43], "the key is not base64: copy it whole, with the `=` at its end"),
        ("not base64 at all, really not==", "the key is not base64: copy it whole, with the `=` at its end"),
        (&"A".repeat(400), "the key has 300 bytes: use one of 16 to 64 bytes, written as base64"),
    ];
    for (text, message) in table {
        assert_eq!(text.parse::<SharedKey>().unwrap_err().to_string(), message);
    }
    assert_eq!(SharedKey::generate(&Counting).reveal(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

#[test]
fn nothing_secret_is_printed() {
    let token = Signer::identity(key(KEY)).issue("h", before_expiry());
    let signature = token.reveal().split("sig=").nth(1).unwrap()[..20].to_owned();
    let printed = format!("{token:?} {:?} {:?}", key(KEY), Signer::identity(key(KEY)));
    assert!(!printed.contains(KEY) && !printed.contains(&signature), "{printed}");
}

proptest! {
    #[test]
    fn what_is_issued_verifies_and_survives_its_text(
        resource in "[ -~]{1,60}", policy in proptest::option::of("[a-zA-Z0-9 $%&=]{1,20}"),
        bytes in proptest::collection::vec(any::<u8>(), 16..=64), event_hubs in any::<bool>(),
    ) {
        let signing = SharedKey::from_bytes(&bytes).unwrap();
        let usage = if event_hubs { KeyUse::EventHubs } else { KeyUse::Hub };
        let signer = match &policy {
            Some(name) => Signer::policy(name, signing.clone(), usage),
            None => Signer::identity(signing.clone()),
        };
        let usage = if policy.is_some() { usage } else { KeyUse::Hub };
        let token = signer.issue(&resource, Timestamp::from_unix_seconds(EXPIRY));
        let read = SasToken::parse(&token.reveal()).unwrap();
        prop_assert_eq!(&read, &token);
        prop_assert_eq!(read.policy(), policy.as_deref());
        let keys = KeyPair { primary: &signing, secondary: &signing };
        prop_assert_eq!(read.verify(keys, usage, before_expiry(), CLOCK_SKEW), Ok(MatchedKey::Primary));
    }

    /// `skn` and the scheme word are not signed and are left out; a hexadecimal digit of an escape in `sig`
    /// may change its case without changing the signature.
    #[test]
    fn any_flipped_bit_of_resource_signature_or_expiry_is_refused(at in 0_usize..400, bit in 0_u8..7) {
        let token = Signer::identity(key(KEY)).issue("hub1.iot.test/devices/dev+1", Timestamp::from_unix_seconds(EXPIRY));
        let text = token.reveal();
        let start = "SharedAccessSignature sr=".len();
        let at = start + at % (text.len() - start);
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        let Ok(flipped) = String::from_utf8(bytes) else { return Ok(()) };
        let sig = |text: &str| text.split("sig=").nth(1).map(|rest| rest.split('&').next().unwrap().to_lowercase());
        let name_case = flipped.to_lowercase() == text.to_lowercase()
            && [&b"&sig="[..], b"&se="].iter().any(|name| {
                let found = text.as_bytes().windows(name.len()).position(|window| window == *name).unwrap();
                (found..found + name.len()).contains(&at)
            });
        let escape_case = sig(&flipped) == sig(&text) && text.as_bytes()[at - 2..=at].contains(&b'%')
            && flipped.to_lowercase() == text.to_lowercase() && text.find("sig=").is_some_and(|sig| sig < at);
        if let Ok(read) = SasToken::parse(&flipped) && !name_case && !escape_case {
            prop_assert_eq!(verify(&read, KeyUse::Hub), Err(VerifyError::Signature), "{}", flipped);
        }
    }
}

#[test]
fn a_draft_with_somebody_elses_signature_is_the_token() {
    let expiry = Timestamp::from_unix_seconds(1_900_000_000);
    let issued = Signer::identity(key(KEY)).issue("hub.example.com/devices/d 1", expiry);
    let draft = Draft::new("hub.example.com/devices/d 1", expiry);
    assert_eq!(draft.text(), "hub.example.com%2Fdevices%2Fd%201\n1900000000");
    assert_eq!(draft.clone().signed(&[0; 31]), None);
    let text = issued.reveal();
    let signature = text.split("sig=").nth(1).unwrap().split('&').next().unwrap();
    let signature = signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let digest = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
    assert_eq!(draft.signed(&digest).unwrap().reveal(), text);
}

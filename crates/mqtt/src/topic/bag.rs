//! The property bag at the end of a topic: `name=value&name=value`, percent-encoded.
//!
//! Clients differ in what they encode, so reading takes raw characters as they are; a plus is a
//! plus. Writing encodes all but the unreserved characters: some clients look for the encoded
//! dollar of system properties, and none minds.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use skerry_model::Timestamp;
use skerry_model::message::{Ack, System};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a bag says of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bag {
    pub system: System,
    pub application: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BagError {
    #[error("a property is not UTF-8 when decoded")]
    Text,
    #[error("{name} must be a time such as 2026-01-02T03:04:05.1234567Z")]
    Time { name: &'static str },
    #[error("iothub-ack must be none, positive, negative or full")]
    Ack,
}

/// Reads a bag with an optional leading question mark or closing slash.
pub fn read_bag(text: &str) -> Result<Bag, BagError> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let text = text.strip_prefix('?').unwrap_or(text);
    let mut bag = Bag::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| BagError::Text);
        bag.set(&decode(name)?, decode(value)?.into_owned())?;
    }
    if bag.application.len() > 1 {
        keep_last(&mut bag.application);
    }
    Ok(bag)
}

/// Of a property that is said twice the last one counts, as for the original.
fn keep_last(application: &mut Vec<(String, String)>) {
    let mut names = HashSet::with_capacity(application.len());
    let mut counts: Vec<bool> =
        application.iter().rev().map(|(name, _)| names.insert(name.as_str())).collect();
    if application.len() > names.len() {
        application.retain(|_| counts.pop().unwrap_or(true));
    }
}

impl Bag {
    fn set(&mut self, name: &str, value: String) -> Result<(), BagError> {
        let system = &mut self.system;
        match name {
            "$.mid" => system.message_id = Some(value),
            "$.cid" => system.correlation_id = Some(value),
            "$.uid" => system.user_id = Some(value),
            "$.to" => system.to = Some(value),
            "$.ct" => system.content_type = Some(value),
            "$.ce" => system.content_encoding = Some(value),
            "$.on" => system.output = Some(value),
            "$.schema" => system.schema = Some(value),
            "$.ifid" => system.interface_id = Some(value),
            "$.sub" => system.component = Some(value),
            "$.exp" => system.expiry = Some(time("$.exp", &value)?),
            "$.ctime" => system.creation_time = Some(time("$.ctime", &value)?),
            "iothub-ack" => system.ack = Some(Ack::from_wire(&value).ok_or(BagError::Ack)?),
            _ => self.application.push((name.to_owned(), value)),
        }
        Ok(())
    }
}

/// Some clients write no zone, and mean UTC.
fn time(name: &'static str, value: &str) -> Result<Timestamp, BagError> {
    value.parse().map_err(|_| BagError::Time { name })
}

/// Appends a bag: system properties first. Times have seven digits of the second, for some clients
/// take no other form.
pub fn write_bag(into: &mut String, bag: &Bag) {
    let system = &bag.system;
    let texts = [
        ("$.mid", system.message_id.as_deref()),
        ("$.cid", system.correlation_id.as_deref()),
        ("$.uid", system.user_id.as_deref()),
        ("$.to", system.to.as_deref()),
        ("$.ct", system.content_type.as_deref()),
        ("$.ce", system.content_encoding.as_deref()),
        ("$.on", system.output.as_deref()),
        ("$.schema", system.schema.as_deref()),
        ("$.ifid", system.interface_id.as_deref()),
        ("$.sub", system.component.as_deref()),
    ];
    let mut is_first = true;
    let mut put = |name: &str, value: &str| {
        if !std::mem::take(&mut is_first) {
            into.push('&');
        }
        into.extend(utf8_percent_encode(name, ENCODED));
        into.push('=');
        into.extend(utf8_percent_encode(value, ENCODED));
    };
    for (name, text) in texts {
        text.into_iter().for_each(|text| put(name, text));
    }
    for (name, time) in [("$.exp", system.expiry), ("$.ctime", system.creation_time)] {
        time.into_iter().for_each(|time| put(name, &seven_digits(time)));
    }
    system.ack.into_iter().for_each(|ack| put("iothub-ack", ack.as_str()));
    bag.application.iter().for_each(|(name, value)| put(name, value));
}

fn seven_digits(time: Timestamp) -> String {
    let text = time.to_string();
    let whole = text.trim_end_matches('Z');
    let (seconds, digits) = whole.split_once('.').unwrap_or((whole, ""));
    format!("{seconds}.{digits:0<7}Z")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skerry_model::message::SystemProperties;

    use super::*;

    #[test]
    fn every_clients_spelling_is_read() {
        // Encoded or raw dollars, a leading question mark, a closing slash, no value, a plus.
        for text in ["%24.mid=m1&a=b%20c&d=", "$.mid=m1&a=b c&d", "?%24.mid=m1&a=b%20c&d=/"] {
            let bag = read_bag(text).unwrap();
            assert_eq!(bag.system.message_id.as_deref(), Some("m1"), "{text}");
            assert_eq!(bag.application, [("a".into(), "b c".into()), ("d".into(), String::new())], "{text}");
        }
        assert_eq!(read_bag("a=1+1%3D2:x").unwrap().application, [("a".into(), "1+1=2:x".into())]);
        let twice = read_bag("a=1&b=2&a=3&$.mid=m1&$.mid=m2").unwrap();
        assert_eq!(twice.application, [("b".into(), "2".into()), ("a".into(), "3".into())]);
        assert_eq!(twice.system.message_id.as_deref(), Some("m2"));
        assert_eq!(read_bag("").unwrap(), Bag::default());
        assert_eq!(read_bag("/").unwrap(), Bag::default());
        assert_eq!(read_bag("a=%ff"), Err(BagError::Text));
        assert_eq!(read_bag("$.exp=soon"), Err(BagError::Time { name: "$.exp" }));
        assert_eq!(read_bag("iothub-ack=perhaps"), Err(BagError::Ack));
        for time in ["2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05"] {
            assert!(read_bag(&format!("%24.exp={time}")).unwrap().system.expiry.is_some(), "{time}");
        }
    }

    #[test]
    fn what_is_written_is_what_clients_parse() {
        let mut text = String::new();
        let system = SystemProperties {
            message_id: Some("f618".into()),
            to: Some("/devices/dev1/messages/devicebound".into()),
            expiry: Some("2026-01-02T03:04:05Z".parse().unwrap()),
            ack: Some(Ack::Full),
            ..SystemProperties::default()
        };
        write_bag(
            &mut text,
            &Bag { system: system.into(), application: vec![("key 1".into(), "a+b/ü".into())] },
        );
        assert_eq!(
            text,
            "%24.mid=f618&%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound\
             &%24.exp=2026-01-02T03%3A04%3A05.0000000Z&iothub-ack=full&key%201=a%2Bb%2F%C3%BC"
        );
    }

    proptest! {
        #[test]
        fn bags_come_back(pairs in prop::collection::btree_map("[a-z&=/%?+ü]{1,9}", "\\PC{0,20}", 0..6), id in prop::option::of("\\PC{0,20}")) {
            let system = SystemProperties { message_id: id, ..SystemProperties::default() }.into();
            let bag = Bag { system, application: pairs.into_iter().collect() };
            let mut text = String::new();
            write_bag(&mut text, &bag);
            prop_assert!(!text.contains(['/', '#', '+', ' ']));
            prop_assert_eq!(read_bag(&text), Ok(bag));
        }

        #[test]
        fn nonsense_is_read_or_refused(text in "\\PC{0,60}") {
            drop(read_bag(&text));
        }
    }
}

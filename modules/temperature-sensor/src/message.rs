//! One message: what is in it, and what stands on it.

use serde_json::json;
use skerry_model::Timestamp;
use skerry_mqtt::topic::Bag;

use crate::Readings;

pub(crate) const OUTPUT: &str = "temperatureOutput";

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// From 1.
    pub number: u64,
    /// The same for everything that this process sends.
    pub batch: String,
    pub readings: Readings,
    pub made: Timestamp,
}

impl Message {
    pub fn body(&self) -> String {
        let Readings { temperature, pressure, ambient, humidity } = self.readings;
        json!({
            "machine": {"temperature": temperature, "pressure": pressure},
            "ambient": {"temperature": ambient, "humidity": humidity},
            "timeCreated": seven_digits(self.made),
        })
        .to_string()
    }

    pub fn bag(&self) -> Bag {
        let mut bag = Bag::default();
        bag.system.output = Some(OUTPUT.to_owned());
        bag.system.content_type = Some("application/json".to_owned());
        bag.system.content_encoding = Some("utf-8".to_owned());
        bag.application = vec![
            ("sequenceNumber".to_owned(), self.number.to_string()),
            ("batchId".to_owned(), self.batch.clone()),
        ];
        bag
    }
}

/// As .NET writes a moment.
fn seven_digits(moment: Timestamp) -> String {
    let text = moment.to_string();
    let text = text.trim_end_matches('Z');
    let (seconds, digits) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{digits:0<7}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_form_of_the_original() {
        let message = Message {
            number: 7,
            batch: "b".to_owned(),
            readings: Readings { temperature: 21.5, pressure: 1.25, ambient: 20.75, humidity: 25 },
            made: "2024-05-01T12:00:00.5Z".parse().unwrap(),
        };
        assert_eq!(
            message.body(),
            r#"{"machine":{"temperature":21.5,"pressure":1.25},"ambient":{"temperature":20.75,"humidity":25},"timeCreated":"2024-05-01T12:00:00.5000000Z"}"#
        );
        let bag = message.bag();
        assert_eq!(bag.system.output.as_deref(), Some("temperatureOutput"));
        assert_eq!(bag.application[0], ("sequenceNumber".to_owned(), "7".to_owned()));
    }
}

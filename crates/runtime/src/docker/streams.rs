//! Answers that go on: what containers write, and what happens to them.

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::json;
use skerry_model::Timestamp;

use super::DockerOptions;
use super::call::{Call, Open, segment, told};
use crate::{Answer, Changes, EngineError, Events, LogQuery, LogStream, Pieces};

pub(super) async fn logs(
    options: &DockerOptions,
    name: &str,
    query: &LogQuery,
) -> Result<LogStream, EngineError> {
    let mut path = format!("/containers/{}/logs?stdout=true&stderr=true", segment(name));
    let tail = query.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    path += &format!("&tail={tail}&follow={}&timestamps={}", query.follow, query.timestamps);
    for (key, moment) in [("since", query.since), ("until", query.until)] {
        if let Some(moment) = moment {
            path += &format!("&{key}={}", seconds(moment));
        }
    }
    let open = Call::new(options, "logs", Method::GET, path).open().await?;
    Ok(Box::new(Body::new(options, open)))
}

/// Seconds since 1970 with a fraction, as the engine reads them.
fn seconds(moment: Timestamp) -> String {
    let whole = moment.unix_seconds();
    let fraction = moment.since(Timestamp::from_unix_seconds(whole));
    format!("{whole}.{:09}", fraction.subsec_nanos())
}

pub(super) async fn events(options: &DockerOptions) -> Result<Events, EngineError> {
    let filters = json!({
        "type": ["container"],
        "event": ["start", "die", "oom", "destroy", "health_status"],
        "label": options.labels(),
    });
    let path = format!("/events?filters={}", segment(&filters.to_string()));
    let open = Call::new(options, "events", Method::GET, path).open().await?;
    Ok(Box::new(Body::new(options, open)))
}

struct Body {
    open: Open,
    place: String,
}

impl Body {
    fn new(options: &DockerOptions, open: Open) -> Self {
        Self { open, place: options.socket.display().to_string() }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, EngineError> {
        loop {
            match self.open.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(EngineError::Down { place: self.place.clone(), reason: told(&error) });
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

impl Pieces for Body {
    fn next(&mut self) -> Answer<'_, Option<Bytes>, EngineError> {
        Box::pin(self.piece())
    }
}

impl Changes for Body {
    fn next(&mut self) -> Answer<'_, (), EngineError> {
        Box::pin(async {
            let reason = "it ended its events".to_owned();
            let place = self.place.clone();
            self.piece().await?.map(drop).ok_or(EngineError::Down { place, reason })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn moments_are_written_for_the_engine() {
        for (moment, text) in
            [("1970-01-01T00:00:01Z", "1.000000000"), ("2001-09-09T01:46:40.25Z", "1000000000.250000000")]
        {
            assert_eq!(seconds(moment.parse().unwrap()), text);
        }
    }
}

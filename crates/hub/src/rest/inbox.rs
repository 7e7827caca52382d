//! Commands as devices without a connection get them: `GET /devices/{id}/messages/devicebound`, and
//! how they settle them.

use std::time::Duration;

use http::Method;
use skerry_model::message::Ack;

use super::route::{check_version, not_allowed, unknown};
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::commands::{Holder, Leased, LockToken, LockTokenError, Recipient};

/// How long a device may hold a command.
const LOCK_SECONDS: std::ops::RangeInclusive<u64> = 1..=300;

/// A path below `/devices/{id}/messages/deviceBound` or the same of a module.
pub(super) struct DeviceBound<'a> {
    pub(super) device: &'a str,
    pub(super) module: Option<&'a str>,
    rest: &'a [&'a str],
}

impl<'a> DeviceBound<'a> {
    /// Clients spell the fixed words in several cases.
    pub(super) fn find(segments: &'a [&'a str]) -> Option<Self> {
        let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
        let (device, module, rest) = match segments {
            [devices, device, messages, bound, rest @ ..]
                if is(devices, "devices") && is(messages, "messages") && is(bound, "devicebound") =>
            {
                (device, None, rest)
            }
            [devices, device, modules, module, messages, bound, rest @ ..]
                if is(devices, "devices")
                    && is(modules, "modules")
                    && is(messages, "messages")
                    && is(bound, "devicebound") =>
            {
                (device, Some(*module), rest)
            }
            _ => return None,
        };
        Some(Self { device, module, rest })
    }

    /// Whether it is where applications send to; everything else is the device's.
    pub(super) fn is_sent_to(&self, method: &Method) -> bool {
        self.rest.is_empty() && *method == Method::POST
    }
}

impl Hub {
    pub(super) async fn inbox(&self, request: &Request, bound: &DeviceBound<'_>) -> Result<Reply, Problem> {
        check_version(request)?;
        let (device, module) = (bound.device.parse()?, bound.module.map(str::parse).transpose()?);
        let sender = self.authorizer.sender(&request.proof(), device, module).await?;
        let owner = Recipient::new(sender.device, sender.module, sender.generation);
        let method = &request.head.method;
        match (bound.rest, method) {
            ([], &Method::GET) => {
                let lock = self.lock_time(request)?;
                let leased = self.commands.lease(&owner, Holder::Timed(lock)).await?;
                return Ok(leased.map_or_else(Reply::empty, |leased| reply(&leased)));
            }
            ([lock], &Method::DELETE) => {
                let token: LockToken = lock.parse()?;
                match request.query("reject") {
                    Some(_) => self.commands.reject(&owner, token).await?,
                    None => self.commands.complete(&owner, token).await?,
                }
            }
            ([lock, abandon], &Method::POST) if abandon.eq_ignore_ascii_case("abandon") => {
                self.commands.abandon(&owner, lock.parse()?).await?;
            }
            ([], _) => return Err(not_allowed(method, "GET, POST")),
            ([_], _) => return Err(not_allowed(method, "DELETE")),
            _ => return Err(unknown(request)),
        }
        Ok(Reply::empty())
    }

    fn lock_time(&self, request: &Request) -> Result<Duration, Problem> {
        let Some(text) = request.query("iothub-messagelocktimeout") else {
            return Ok(self.commands.limits().lock);
        };
        let seconds = text.trim().parse().ok().filter(|seconds| LOCK_SECONDS.contains(seconds));
        seconds.map(Duration::from_secs).ok_or_else(|| {
            let (least, most) = (LOCK_SECONDS.start(), LOCK_SECONDS.end());
            Problem::argument(format!("iothub-messagelocktimeout must be {least} to {most} seconds"))
        })
    }
}

/// The message, with what is known of it in headers.
fn reply(leased: &Leased) -> Reply {
    let Leased { token, message, sequence, enqueued, deliveries, .. } = leased;
    let system = &message.system;
    let mut reply = Reply { status: 200, body: message.body.to_vec(), ..Reply::default() };
    reply.header("content-type", "application/octet-stream");
    let mut put = |name: &'static str, text: Option<&str>| {
        if let Some(text) = text {
            reply.header(name, text);
        }
    };
    put("iothub-messageid", system.message_id.as_deref());
    put("iothub-correlationid", system.correlation_id.as_deref());
    put("iothub-userid", system.user_id.as_deref());
    put("iothub-to", system.to.as_deref());
    put("iothub-expiry", system.expiry.map(|time| time.to_string()).as_deref());
    put("iothub-ack", system.ack.map(Ack::as_str));
    // Clients look under one of two names.
    for name in ["iothub-contenttype", "contenttype"] {
        put(name, system.content_type.as_deref());
    }
    for name in ["iothub-contentencoding", "contentencoding"] {
        put(name, system.content_encoding.as_deref());
    }
    put("iothub-enqueuedtime", Some(&enqueued.to_string()));
    put("iothub-deliverycount", Some(&deliveries.to_string()));
    put("iothub-sequencenumber", Some(&sequence.to_string()));
    for (name, value) in &message.application {
        reply.headers.push((format!("iothub-app-{name}").into(), value.clone()));
    }
    reply.with_etag(&token.to_string())
}

impl From<LockTokenError> for Problem {
    fn from(error: LockTokenError) -> Self {
        Self::argument(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_words_are_found_in_any_case() {
        for (path, rest) in [
            (&["devices", "Dev", "messages", "devicebound"][..], 0),
            (&["Devices", "Dev", "Messages", "DeviceBound", "lock", "abandon"], 2),
        ] {
            let found = DeviceBound::find(path).unwrap();
            assert_eq!((found.device, found.module, found.rest.len()), ("Dev", None, rest));
        }
        let module = DeviceBound::find(&["devices", "d", "modules", "m", "messages", "deviceBound"]).unwrap();
        assert_eq!((module.module, module.is_sent_to(&Method::POST)), (Some("m"), true));
        assert!(DeviceBound::find(&["devices", "d", "messages", "events"]).is_none());
    }
}

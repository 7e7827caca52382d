//! Twins: requests with an operation and a resource, answers, and changes that are told.

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::connection::LinkId;
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_mqtt::topic::Subscription;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::asked::Answer;
use crate::device::{Desired, TwinRefused};

const REPORTED: &str = "/properties/reported";
const NOTIFICATIONS: &str = "/notifications/twin/properties/desired";

/// What answers name.
pub(super) struct TwinRequest {
    link: LinkId,
    reply_to: Option<String>,
    correlation: Value,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn take_twin_request(&mut self, link: LinkId, key: u32, sections: &Sections) {
        let text = |name| sections.annotation(name).and_then(Value::as_text).unwrap_or_default();
        let (operation, resource) = (text("operation"), text("resource").trim_end_matches('/'));
        let request = TwinRequest {
            link,
            reply_to: sections.properties.reply_to.as_text().map(str::to_owned),
            correlation: sections.properties.correlation_id.clone(),
        };
        let Some(identity) = self.identities.get_mut(&key) else { return };
        let Some(session) = identity.session() else { return };
        match operation {
            "GET" if resource.is_empty() => {
                let twin = session.twin();
                let soon = Box::pin(async move { Answer::Twin { request, outcome: twin.await } });
                self.asked.push(&self.bells, soon);
            }
            "PATCH" if resource.eq_ignore_ascii_case(REPORTED) => {
                let version = sections.annotation("version").and_then(Value::as_integer);
                let version = version.and_then(|version| u64::try_from(version).ok());
                // A slice of what was read would keep the whole block.
                let patch = sections.body_bytes().unwrap_or_default();
                let report = session.report(Bytes::copy_from_slice(&patch), version);
                let soon = Box::pin(async move { Answer::Reported { request, outcome: report.await } });
                self.asked.push(&self.bells, soon);
            }
            "PUT" | "DELETE" if resource.eq_ignore_ascii_case(NOTIFICATIONS) => {
                identity.subscribe(Subscription::Desired, operation == "PUT");
                let subscriptions = identity.subscriptions();
                let Some(session) = identity.session() else { return };
                let subscribed = session.subscribe(subscriptions);
                let soon = Box::pin(async move {
                    drop(subscribed.await);
                    Answer::Notified { request }
                });
                self.asked.push(&self.bells, soon);
            }
            _ => {
                let body = Bytes::from_static(
                    b"{\"errorCode\":400004,\"message\":\"there is no such operation on a twin\"}",
                );
                self.tell_twin(&request, Err(TwinRefused { status: 400, body }));
            }
        }
    }

    pub(super) fn tell_twin(&mut self, request: &TwinRequest, outcome: Result<Bytes, TwinRefused>) {
        match outcome {
            Ok(twin) => self.answer_twin(request, 200, None, &twin),
            Err(refused) => self.answer_twin(request, refused.status, None, &refused.body),
        }
    }

    pub(super) fn tell_reported(&mut self, request: &TwinRequest, outcome: Result<Option<u64>, TwinRefused>) {
        match outcome {
            Ok(version) => self.answer_twin(request, 204, version, b""),
            Err(refused) => self.answer_twin(request, refused.status, None, &refused.body),
        }
    }

    pub(super) fn tell_notified(&mut self, request: &TwinRequest) {
        self.answer_twin(request, 200, None, b"");
    }

    fn answer_twin(&mut self, request: &TwinRequest, status: u16, version: Option<u64>, body: &[u8]) {
        let Some(to) = self.answers_of(request.link, request.reply_to.as_deref()) else { return };
        let mut out = Vec::with_capacity(96 + body.len());
        let mut writer = Writer::new(&mut out);
        {
            let mut annotations = writer.annotations();
            annotations.symbol("status", &Value::Int(status.into()));
            if let Some(version) = version {
                annotations.symbol("version", &Value::Long(i64::try_from(version).unwrap_or(i64::MAX)));
            }
        }
        let correlation_id = request.correlation.clone();
        writer.properties(&Properties { correlation_id, ..Properties::default() });
        writer.data(body);
        self.mail(to, out);
    }

    /// Desired properties changed. Clients know it by the missing correlation id.
    pub(super) fn deliver_desired(&mut self, key: u32, desired: &Desired) {
        let Some(link) = self.identities.get(&key).and_then(|identity| identity.twin) else { return };
        let mut out = Vec::with_capacity(96 + desired.patch.len());
        let mut writer = Writer::new(&mut out);
        writer.annotations().symbol_text("resource", NOTIFICATIONS);
        writer.data(&desired.patch);
        self.mail(link, out);
    }
}

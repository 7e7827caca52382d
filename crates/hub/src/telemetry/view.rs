//! A stamp where it lies: texts are slices of the headers, for whoever only passes them on.

use skerry_model::Timestamp;
use skerry_model::message::packed::{tag, take};
use skerry_model::message::{Ack, SystemProperties};

use super::stamp::{self, Source, Stamp, StampError, VERSION};

/// Everything about a message but its body, without copies.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StampView<'a> {
    pub(crate) device: &'a str,
    pub(crate) module: Option<&'a str>,
    pub(crate) generation: &'a str,
    pub(crate) method: &'a str,
    pub(crate) source: Source,
    pub(crate) model: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) to: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) content_encoding: Option<&'a str>,
    pub(crate) expiry: Option<Timestamp>,
    pub(crate) creation_time: Option<Timestamp>,
    pub(crate) ack: Option<Ack>,
    pub(crate) schema: Option<&'a str>,
    pub(crate) interface_id: Option<&'a str>,
    pub(crate) component: Option<&'a str>,
    pub(crate) output: Option<&'a str>,
    pub(crate) input: Option<&'a str>,
    pub(crate) application: Vec<(&'a str, &'a str)>,
}

impl<'a> StampView<'a> {
    pub(crate) fn decode(headers: &'a [u8]) -> Result<Self, StampError> {
        let (version, mut rest) = match headers.split_first() {
            Some((&VERSION, rest)) => (VERSION, rest),
            other => return Err(StampError { version: other.map(|(version, _)| *version) }),
        };
        let malformed = StampError { version: Some(version) };
        let mut view = Self::default();
        while !rest.is_empty() {
            let (tag, bytes) = take(&mut rest).ok_or(malformed)?;
            let text = || std::str::from_utf8(bytes).map_err(|_| malformed);
            let time = || text()?.parse::<Timestamp>().map_err(|_| malformed);
            match tag {
                stamp::tag::DEVICE => view.device = text()?,
                stamp::tag::MODULE => view.module = Some(text()?),
                stamp::tag::GENERATION => view.generation = text()?,
                stamp::tag::METHOD => view.method = text()?,
                stamp::tag::SOURCE => view.source = Source::from_wire(text()?).unwrap_or_default(),
                stamp::tag::MODEL => view.model = Some(text()?),
                tag::MESSAGE_ID => view.message_id = Some(text()?),
                tag::CORRELATION_ID => view.correlation_id = Some(text()?),
                tag::USER_ID => view.user_id = Some(text()?),
                tag::TO => view.to = Some(text()?),
                tag::CONTENT_TYPE => view.content_type = Some(text()?),
                tag::CONTENT_ENCODING => view.content_encoding = Some(text()?),
                tag::EXPIRY => view.expiry = Some(time()?),
                tag::CREATION_TIME => view.creation_time = Some(time()?),
                tag::ACK => view.ack = Ack::from_wire(text()?),
                tag::SCHEMA => view.schema = Some(text()?),
                tag::INTERFACE_ID => view.interface_id = Some(text()?),
                tag::COMPONENT => view.component = Some(text()?),
                tag::OUTPUT => view.output = Some(text()?),
                tag::INPUT => view.input = Some(text()?),
                tag::NAME => view.application.push((text()?, "")),
                tag::VALUE => view.application.last_mut().ok_or(malformed)?.1 = text()?,
                _ => {}
            }
        }
        Ok(view)
    }

    /// With texts of its own.
    pub(super) fn to_stamp(&self) -> Stamp {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let system = SystemProperties {
            message_id: own(self.message_id),
            correlation_id: own(self.correlation_id),
            user_id: own(self.user_id),
            to: own(self.to),
            content_type: own(self.content_type),
            content_encoding: own(self.content_encoding),
            expiry: self.expiry,
            creation_time: self.creation_time,
            ack: self.ack,
            schema: own(self.schema),
            interface_id: own(self.interface_id),
            component: own(self.component),
            output: own(self.output),
            input: own(self.input),
        };
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Stamp {
            device: self.device.to_owned(),
            module: own(self.module),
            generation: self.generation.to_owned(),
            method: self.method.to_owned(),
            source: self.source,
            model: own(self.model),
            system,
            application: self.application.iter().map(pair).collect(),
        }
    }
}

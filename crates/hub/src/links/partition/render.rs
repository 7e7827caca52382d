//! A record as readers of events get it.
//!
//! | section | what |
//! |---|---|
//! | delivery annotations | what the partition held when it was read, for who wants to know |
//! | annotations | place and time; who sent it, and how it proved that; model and component |
//! | properties | as the sender set them |
//! | application properties | the sender's own, and those of the system that are sent so |
//! | data | the body |

use bytes::Bytes;
use skerry_amqp::codec::{Symbol, Text, Value};
use skerry_amqp::message::{Properties, Writer, milliseconds};
use skerry_model::Timestamp;
use skerry_model::message::Ack;
use skerry_store::log::{Extent, Record};

use crate::telemetry::{StampError, StampView};

/// `metric`: what the partition held, and when that is told.
pub(super) fn render(record: &Record, metric: Option<(Extent, Timestamp)>) -> Result<Bytes, StampError> {
    let stamp = StampView::decode(&record.headers)?;
    let mut out = Vec::with_capacity(record.headers.len() + record.payload.len() + 512);
    let mut writer = Writer::new(&mut out);
    if let Some((extent, now)) = metric {
        put_metric(&mut writer, record, extent, now);
    }
    put_annotations(&mut writer, record, &stamp);
    let properties = properties(&record.headers, &stamp);
    if !properties.is_empty() {
        writer.properties(&properties);
    }
    put_application(&mut writer, &stamp);
    writer.data(&record.payload);
    Ok(out.into())
}

/// Their texts stay in the headers.
fn properties(headers: &Bytes, stamp: &StampView<'_>) -> Properties {
    let bytes = |text: Option<&str>| text.map(|text| headers.slice_ref(text.as_bytes()));
    let string = |text| bytes(text).and_then(Text::new).map_or(Value::Null, Value::String);
    let symbol = |text| bytes(text).and_then(Symbol::new);
    Properties {
        message_id: string(stamp.message_id),
        user_id: bytes(stamp.user_id),
        to: string(stamp.to),
        correlation_id: string(stamp.correlation_id),
        content_type: symbol(stamp.content_type),
        content_encoding: symbol(stamp.content_encoding),
        expiry: stamp.expiry.map(milliseconds),
        creation: stamp.creation_time.map(milliseconds),
        ..Properties::default()
    }
}

fn put_metric(writer: &mut Writer<'_>, record: &Record, extent: Extent, now: Timestamp) {
    // What is given out is there, whatever a late view says.
    let last = extent.next.number().saturating_sub(1).max(record.sequence.number());
    writer
        .delivery_annotations()
        .symbol("last_enqueued_sequence_number", &long(last))
        .symbol_text("last_enqueued_offset", &last.to_string())
        .symbol("last_enqueued_time_utc", &time(extent.newest.max(record.time)))
        .symbol("runtime_info_retrieval_time_utc", &time(now));
}

fn put_annotations(writer: &mut Writer<'_>, record: &Record, stamp: &StampView<'_>) {
    let mut map = writer.annotations();
    let sequence = record.sequence.number();
    map.symbol("x-opt-sequence-number", &long(sequence))
        .symbol_text("x-opt-offset", &sequence.to_string())
        .symbol("x-opt-enqueued-time", &time(record.time))
        .symbol_text("iothub-connection-device-id", stamp.device);
    for (name, text) in [
        ("iothub-connection-module-id", stamp.module),
        ("iothub-connection-auth-generation-id", Some(stamp.generation)),
        ("iothub-connection-auth-method", Some(stamp.method)),
        ("iothub-message-source", Some(stamp.source.wire())),
        ("iothub-interface-id", stamp.interface_id),
        ("dt-dataschema", stamp.model),
        ("dt-subject", stamp.component),
    ] {
        if let Some(text) = text {
            map.symbol_text(name, text);
        }
    }
    map.symbol("iothub-enqueuedtime", &time(record.time));
}

fn put_application(writer: &mut Writer<'_>, stamp: &StampView<'_>) {
    let creation = stamp.creation_time.map(|time| time.to_string());
    let system = [
        ("iothub-outputname", stamp.output),
        ("iothub-message-schema", stamp.schema),
        ("iothub-ack", stamp.ack.map(Ack::as_str)),
        ("iothub-creation-time-utc", creation.as_deref()),
    ];
    if stamp.application.is_empty() && system.iter().all(|(_, text)| text.is_none()) {
        return;
    }
    let mut map = writer.application();
    for (name, value) in &stamp.application {
        map.string_text(name, value);
    }
    for (name, text) in system {
        if let Some(text) = text {
            map.string_text(name, text);
        }
    }
}

fn long(number: u64) -> Value {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(time: Timestamp) -> Value {
    Value::Timestamp(milliseconds(time))
}

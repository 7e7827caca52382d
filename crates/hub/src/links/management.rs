//! What readers ask before they read: which partitions there are, and what lies in them.

use std::sync::Arc;

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::message::{Properties, Sections, Writer, milliseconds};
use skerry_amqp::performative::{Role, condition};
use skerry_front::device::Soon;
use skerry_front::link::{LinkEnd, Requests, Wanted};
use skerry_model::ErrorCode;
use skerry_store::log::Partition;

use super::Shared;
use super::fault::Refusal;
use super::figures::count;
use super::partition::unreadable;

const EVENT_HUB: &str = "com.microsoft:eventhub";
const PARTITION: &str = "com.microsoft:partition";

/// Requests on one link.
struct Management {
    shared: Arc<Shared>,
    /// What the connection showed; looked at again with each request that shows nothing itself.
    tokens: Vec<Arc<str>>,
}

struct Refused {
    status: i32,
    condition: &'static str,
    text: String,
}

impl Shared {
    pub(super) fn management(
        self: &Arc<Self>,
        entity: Option<&str>,
        wanted: &Wanted,
    ) -> Result<LinkEnd, Refusal> {
        entity.map_or(Ok(()), |entity| self.check_entity(entity))?;
        Ok(match wanted.attach.role {
            Role::Receiver => LinkEnd::Answers,
            Role::Sender => LinkEnd::Requests(Arc::new(Management {
                shared: Arc::clone(self),
                tokens: wanted.tokens.clone(),
            })),
        })
    }

    async fn describe_hub(&self) -> Result<Value, Refusal> {
        let since = self.groups.since().await;
        let since = since.map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        let ids: Vec<String> = (0..self.telemetry.partitions()).map(|number| number.to_string()).collect();
        Ok(map([
            ("name", Value::string(&self.hub_name)),
            ("type", Value::string(EVENT_HUB)),
            ("created_at", Value::Timestamp(milliseconds(since))),
            ("partition_count", Value::Int(i32::try_from(ids.len()).unwrap_or(i32::MAX))),
            ("partition_ids", Value::strings(ids.iter().map(String::as_str))),
        ]))
    }

    async fn describe_partition(&self, partition: Partition) -> Result<Value, Refusal> {
        let extent = self.telemetry.extent(partition).await.map_err(|error| unreadable(&error))?;
        let long = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // -1 before the first one.
        let last = long(extent.next.number()) - 1;
        Ok(map([
            ("name", Value::string(&self.hub_name)),
            ("type", Value::string(PARTITION)),
            ("partition", Value::string(&partition.number().to_string())),
            ("begin_sequence_number", Value::Long(long(extent.first.number()))),
            ("last_enqueued_sequence_number", Value::Long(last)),
            ("last_enqueued_offset", Value::string(&last.to_string())),
            ("last_enqueued_time_utc", Value::Timestamp(milliseconds(extent.newest))),
            ("is_partition_empty", Value::Bool(extent.is_empty())),
        ]))
    }
}

impl Management {
    async fn answer(&self, request: &Sections) -> Result<Value, Refused> {
        let shared = &self.shared;
        let text = |name: &str| request.property(name).and_then(Value::as_text);
        let shown: Option<[Arc<str>; 1]> = text("security_token").map(|token| [token.into()]);
        let tokens = shown.as_ref().map_or(self.tokens.as_slice(), |shown| shown.as_slice());
        shared.allow(tokens).map_err(|error| Refused::from(Refusal::from(error)))?;
        let operation = text("operation").unwrap_or_default();
        if !operation.eq_ignore_ascii_case("READ") {
            let operation: String = operation.chars().take(40).collect();
            let text = format!("the operation {operation:?} is not possible here, only READ is");
            return Err(Refused { status: 501, condition: condition::NOT_IMPLEMENTED, text });
        }
        shared.check_entity(text("name").unwrap_or_default())?;
        match text("type").unwrap_or_default() {
            kind if kind.eq_ignore_ascii_case(EVENT_HUB) => Ok(shared.describe_hub().await?),
            kind if kind.eq_ignore_ascii_case(PARTITION) => {
                let id = request.property("partition").map(text_of).unwrap_or_default();
                let partition = shared.partition(&id);
                let partition = partition.map_err(|refusal| Refused {
                    status: 404,
                    condition: condition::NOT_FOUND,
                    text: refusal.text,
                })?;
                Ok(shared.describe_partition(partition).await?)
            }
            kind => {
                let kind: String = kind.chars().take(40).collect();
                let text =
                    format!("there is nothing of the type {kind:?}, ask for {EVENT_HUB} or {PARTITION}");
                Err(Refusal::new(ErrorCode::ArgumentInvalid, text).into())
            }
        }
    }
}

impl Requests for Management {
    fn ask(&self, request: Sections) -> Soon<Bytes> {
        count(&self.shared.counters.requests, 1);
        let this = Self { shared: Arc::clone(&self.shared), tokens: self.tokens.clone() };
        Box::pin(async move {
            let answer = this.answer(&request).await;
            encode(&request.properties, answer)
        })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let Refusal { condition, code, text } = refusal;
        Self { status: code.status().into(), condition, text }
    }
}

/// Some write numbers as numbers.
fn text_of(value: &Value) -> String {
    match (value.as_text(), value.as_integer()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) => number.to_string(),
        (None, None) => String::new(),
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(name, value)| (Value::string(name), value)).collect())
}

/// The answer carries the id of the request, with its type.
fn encode(asked: &Properties, answer: Result<Value, Refused>) -> Bytes {
    let mut out = Vec::with_capacity(512);
    let mut writer = Writer::new(&mut out);
    let id = if asked.message_id.is_null() { &asked.correlation_id } else { &asked.message_id };
    writer.properties(&Properties { correlation_id: id.clone(), ..Properties::default() });
    match answer {
        Ok(value) => {
            writer
                .application()
                .string("status-code", &Value::Int(200))
                .string_text("status-description", "OK");
            writer.value(&value);
        }
        Err(Refused { status, condition, text }) => {
            writer
                .application()
                .string("status-code", &Value::Int(status))
                .string_text("status-description", &text)
                .string("error-condition", &Value::symbol(condition));
            writer.value(&Value::Null);
        }
    }
    out.into()
}

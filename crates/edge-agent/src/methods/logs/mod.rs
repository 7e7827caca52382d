//! What modules wrote, chosen and put into form.

mod line;
mod source;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};
use skerry_runtime::{LogQuery, moment};

use super::request::{self, Refusal, optional_number, optional_text, word};
use super::{Context, Reply};
pub(super) use source::Source;

/// Of one answer, all modules together: a method's answer is not longer.
const ANSWER_BYTES_MAX: usize = 127_000;
/// Of one blob; who wants more asks for it in parts.
pub(super) const UPLOAD_BYTES_MAX: usize = 64 << 20;
/// Longer patterns are none that somebody wrote.
const PATTERN_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug)]
pub(super) struct LogFilter {
    pub(super) query: LogQuery,
    pub(super) level: Option<u64>,
    pub(super) pattern: Option<Regex>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) is_json: bool,
    pub(super) encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Gzip,
}

impl Form {
    pub(super) fn read(request: &Map<String, Value>) -> Result<Self, Refusal> {
        let encoding = match word(request, "encoding", &["none", "gzip"])? {
            "gzip" => Encoding::Gzip,
            _ => Encoding::None,
        };
        Ok(Self { is_json: word(request, "contentType", &["json", "text"])? == "json", encoding })
    }
}

pub(super) async fn get(context: &Context, payload: &[u8]) -> Result<Reply, Refusal> {
    let request = request::read(payload)?;
    let form = Form::read(&request)?;
    let source = Source::of(context);
    let mut answers = Vec::new();
    let mut left = ANSWER_BYTES_MAX;
    for (module, filter) in choose(context, &request)? {
        let bytes = source.read(&module, &filter, form, left).await.map_err(|reason| {
            if reason == source::TOO_LONG { too_long() } else { Refusal::failed(reason) }
        })?;
        let (bytes_text, text) = match form.encoding {
            Encoding::Gzip => (json!(STANDARD.encode(&bytes)), Value::Null),
            Encoding::None => (Value::Null, json!(String::from_utf8_lossy(&bytes))),
        };
        let answer = json!({"id": module, "payloadBytes": bytes_text, "payload": text});
        left = left.checked_sub(answer.to_string().len() + 1).ok_or_else(too_long)?;
        answers.push(answer);
    }
    Ok(Reply::new(200, &Value::Array(answers)))
}

fn too_long() -> Refusal {
    Refusal::wrong(format!(
        "the logs are longer than {ANSWER_BYTES_MAX} bytes: ask for fewer lines with tail, since or until, \
         use encoding gzip, or UploadModuleLogs"
    ))
}

/// The modules that are asked for, each with the filter of the first item that means it.
pub(super) fn choose(
    context: &Context,
    request: &Map<String, Value>,
) -> Result<Vec<(String, LogFilter)>, Refusal> {
    let items = match request::get(request, "items") {
        Some(Value::Array(items)) => items.clone(),
        Some(item @ Value::Object(_)) => vec![item.clone()],
        _ => return Err(Refusal::wrong("items is missing, write [{\"id\": \"all\"}] or name modules")),
    };
    let mut chosen: Vec<(String, LogFilter)> = Vec::new();
    for item in &items {
        let item = item.as_object().ok_or_else(|| Refusal::wrong("an item is no object"))?;
        let id = request::text(item, "id")?;
        let names = if id.eq_ignore_ascii_case("all") { None } else { Some(pattern(&id, true)?) };
        let filter = filter(context, item)?;
        for module in &context.modules {
            let is_meant = names.as_ref().is_none_or(|names| names.is_match(module));
            if is_meant && !chosen.iter().any(|(name, _)| name == module) {
                chosen.push((module.clone(), filter.clone()));
            }
        }
    }
    Ok(chosen)
}

fn filter(context: &Context, item: &Map<String, Value>) -> Result<LogFilter, Refusal> {
    let empty = Map::new();
    let filter = match request::get(item, "filter") {
        None => &empty,
        Some(Value::Object(filter)) => filter,
        Some(other) => return Err(Refusal::wrong(format!("filter is {other}, and must be an object"))),
    };
    let when = |key| match optional_text(filter, key)? {
        None => Ok(None),
        Some(text) => moment(&text, context.now)
            .map(Some)
            .ok_or_else(|| Refusal::wrong(format!("{key} is {text:?}, and no time or duration"))),
    };
    let level = optional_number(filter, "loglevel")?;
    if level.is_some_and(|level| level > 7) {
        return Err(Refusal::wrong("loglevel must be from 0 to 7"));
    }
    let query = LogQuery {
        tail: optional_number(filter, "tail")?,
        since: when("since")?,
        until: when("until")?,
        follow: false,
        timestamps: false,
    };
    let pattern = optional_text(filter, "regex")?.map(|text| pattern(&text, false)).transpose()?;
    Ok(LogFilter { query, level, pattern })
}

fn pattern(text: &str, any_case: bool) -> Result<Regex, Refusal> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(Refusal::wrong(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes")));
    }
    let built = RegexBuilder::new(text).case_insensitive(any_case).build();
    built.map_err(|error| Refusal::wrong(format!("{text:?} is no pattern: {error}")))
}

//! `createOptions`: JSON as text, in pieces of 512 characters, because a twin once took no longer
//! ones. The first piece has no number, the next ones are 01 to 99; a gap ends the text.

use serde_json::{Map, Value};

use super::members::Members;

const KEY: &str = "createOptions";
const CHUNK_CHARS: usize = 512;
const CHUNKS_MAX: usize = 100;

/// All pieces as one text; `Err` names a piece that is no text.
pub fn join_chunks(settings: &Map<String, Value>) -> Result<String, String> {
    let mut whole = String::new();
    for index in 0..CHUNKS_MAX {
        let key = key(index);
        let exact = settings.get(&key);
        let found = exact
            .or_else(|| settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key)).map(|(_, v)| v));
        match found {
            Some(Value::String(piece)) => whole += piece,
            None | Some(Value::Null) => break,
            Some(_) => return Err(key),
        }
    }
    Ok(whole)
}

/// The text in pieces, under their names. `None`: it does not fit.
pub fn split_chunks(text: &str) -> Option<Vec<(String, String)>> {
    let characters: Vec<char> = text.chars().collect();
    let chunks = characters.chunks(CHUNK_CHARS);
    if chunks.len() > CHUNKS_MAX {
        return None;
    }
    let mut pieces: Vec<(String, String)> =
        chunks.enumerate().map(|(index, chunk)| (key(index), chunk.iter().collect())).collect();
    if pieces.is_empty() {
        pieces.push((key(0), String::new()));
    }
    Some(pieces)
}

fn key(index: usize) -> String {
    if index == 0 { KEY.to_owned() } else { format!("{KEY}{index:02}") }
}

pub(super) fn read(settings: &Members<'_>) -> Option<Map<String, Value>> {
    let text = match join_chunks(settings.all()) {
        Ok(text) => text,
        Err(key) => {
            settings.fault_at(&key, "it must be JSON written as a text");
            return None;
        }
    };
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(options)) => check_kinds(settings, &options).then_some(options),
        Ok(Value::Null) => Some(Map::new()),
        Ok(_) => {
            settings.fault_at(KEY, "the JSON in it is no object");
            None
        }
        Err(error) => {
            settings.fault_at(KEY, format!("the text is no JSON: {error}"));
            None
        }
    }
}

/// Members into which something is merged must be of the kind for it.
fn check_kinds(settings: &Members<'_>, options: &Map<String, Value>) -> bool {
    let is_kind = |pointer: &str, kind: &str, is: fn(&Value) -> bool| {
        let (first, below) = pointer.split_once('.').map_or((pointer, None), |(a, b)| (a, Some(b)));
        let value = options.get(first);
        let value = below.map_or(value, |below| value.and_then(|value| value.get(below)));
        let is_fit = value.is_none_or(|value| value.is_null() || is(value));
        if !is_fit {
            settings.fault_at(KEY, format!("{pointer} in it is no {kind}"));
        }
        is_fit
    };
    // All of them are looked at.
    [
        is_kind("HostConfig", "object", Value::is_object),
        is_kind("HostConfig.Binds", "list", Value::is_array),
        is_kind("HostConfig.ExtraHosts", "list", Value::is_array),
        is_kind("Labels", "object", Value::is_object),
        is_kind("Env", "list", Value::is_array),
        is_kind("NetworkingConfig", "object", Value::is_object),
        is_kind("NetworkingConfig.EndpointsConfig", "object", Value::is_object),
    ]
    .iter()
    .all(|is_fit| *is_fit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gap_ends_the_text_and_case_does_not_matter() {
        let settings = json!({
            "createOptions": "a", "CREATEOPTIONS01": "b", "createOptions02": "c", "createOptions04": "e"
        });
        assert_eq!(join_chunks(settings.as_object().unwrap()).unwrap(), "abc");
        let settings = json!({"createOptions": {}});
        assert_eq!(join_chunks(settings.as_object().unwrap()).unwrap_err(), "createOptions");
    }

    proptest::proptest! {
        #[test]
        fn what_is_split_is_joined_again(text in "\\PC{0,2000}") {
            let pieces = split_chunks(&text).unwrap();
            proptest::prop_assert!(pieces.iter().all(|(_, piece)| piece.chars().count() <= CHUNK_CHARS));
            let settings: Map<String, Value> =
                pieces.into_iter().map(|(key, piece)| (key, Value::String(piece))).collect();
            proptest::prop_assert_eq!(join_chunks(&settings).unwrap(), text);
        }
    }

    #[test]
    fn more_than_a_hundred_pieces_do_not_fit() {
        assert!(split_chunks(&"x".repeat(CHUNK_CHARS * CHUNKS_MAX)).is_some());
        assert!(split_chunks(&"x".repeat(CHUNK_CHARS * CHUNKS_MAX + 1)).is_none());
    }
}

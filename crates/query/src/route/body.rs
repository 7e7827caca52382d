//! From the bytes of a message to what `$body` looks into.

use serde_json::Value as Json;

/// Why a body is closed to conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("conditions look into a body only if the system property contentType is application/json")]
    ContentType,
    #[error(
        "conditions look into a body only if the system property contentEncoding is utf-8, utf-16 or utf-32"
    )]
    ContentEncoding,
    #[error("the body is not JSON")]
    NotJson,
}

/// How text becomes bytes; the wide ones are little endian, as .NET names them.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

/// The body as JSON, if the message says that it is and tells its encoding, and it is: content
/// type `application/json`, content encoding `utf-8`, `utf-16` or `utf-32`, in any case.
/// Everything else has no body to look into.
pub fn read_body(content_type: Option<&str>, content_encoding: Option<&str>, bytes: &[u8]) -> Option<Json> {
    let encoding = encoding_of(content_type, content_encoding).ok()?;
    parse(encoding, bytes).ok()
}

pub(super) fn encoding_of(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
) -> Result<Encoding, Unread> {
    const ENCODINGS: [(&str, Encoding); 3] =
        [("utf-8", Encoding::Utf8), ("utf-16", Encoding::Utf16), ("utf-32", Encoding::Utf32)];
    if !content_type.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(Unread::ContentType);
    }
    let named = |name: &str| ENCODINGS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    content_encoding.and_then(named).map(|(_, encoding)| encoding).ok_or(Unread::ContentEncoding)
}

pub(super) fn parse(encoding: Encoding, bytes: &[u8]) -> Result<Json, Unread> {
    match encoding {
        Encoding::Utf8 => parse_text(str::from_utf8(bytes).ok()),
        Encoding::Utf16 => parse_text(from_utf16(bytes).as_deref()),
        Encoding::Utf32 => parse_text(from_utf32(bytes).as_deref()),
    }
}

fn parse_text(text: Option<&str>) -> Result<Json, Unread> {
    let text = text.ok_or(Unread::NotJson)?;
    // A mark of the byte order is no part of the text.
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|_| Unread::NotJson)
}

fn from_utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes.chunks(2).map(|unit| <[u8; 2]>::try_from(unit).map(u16::from_le_bytes));
    String::from_utf16(&units.collect::<Result<Vec<_>, _>>().ok()?).ok()
}

fn from_utf32(bytes: &[u8]) -> Option<String> {
    let scalars = bytes.chunks(4).map(|scalar| <[u8; 4]>::try_from(scalar).map(u32::from_le_bytes));
    scalars.map(|scalar| scalar.ok().and_then(char::from_u32)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn a_body_is_read_in_the_three_encodings() {
        let text = "{\"a\": \"é😀\"}";
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let wider: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let body = Some(json!({"a": "é😀"}));
        assert_eq!(read_body(JSON, Some("utf-8"), text.as_bytes()), body);
        assert_eq!(read_body(Some("Application/JSON"), Some("UTF-16"), &wide), body);
        assert_eq!(read_body(JSON, Some("utf-32"), &wider), body);
        assert_eq!(read_body(JSON, Some("utf-8"), format!("\u{feff}{text}").as_bytes()), body);
    }

    #[test]
    fn what_does_not_say_that_it_is_json_is_not_read() {
        let bytes = b"{\"a\": 1}";
        for (kind, encoding) in [
            (None, Some("utf-8")),
            (JSON, None),
            (Some("text/plain"), Some("utf-8")),
            (Some("application/json; charset=utf-8"), Some("utf-8")),
            (JSON, Some("us-ascii")),
            (JSON, Some("utf-16")),
            (JSON, Some("utf-32")),
        ] {
            assert_eq!(read_body(kind, encoding, bytes), None, "{kind:?} {encoding:?}");
        }
        assert_eq!(read_body(JSON, Some("utf-8"), b"{\"a\": "), None);
        assert_eq!(read_body(JSON, Some("utf-8"), b"\xFF"), None);
        assert_eq!(read_body(JSON, Some("utf-8"), b""), None);
    }
}

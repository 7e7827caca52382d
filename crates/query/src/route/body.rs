//! From the bytes of a message to what `$body` looks into.

use serde_json::Value as Json;

/// The body as JSON, if the message says that it is and tells its encoding, and it is: content
/// type `application/json`, content encoding `utf-8`, `utf-16` or `utf-32` (little endian, as
/// .NET names them), in any case. Everything else has no body to look into.
pub fn read_body(content_type: Option<&str>, content_encoding: Option<&str>, bytes: &[u8]) -> Option<Json> {
    if !content_type?.eq_ignore_ascii_case("application/json") {
        return None;
    }
    let encoding = content_encoding?;
    if encoding.eq_ignore_ascii_case("utf-8") {
        return serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).ok();
    }
    let text = if encoding.eq_ignore_ascii_case("utf-16") {
        let units = bytes.chunks(2).map(|unit| <[u8; 2]>::try_from(unit).map(u16::from_le_bytes));
        String::from_utf16(&units.collect::<Result<Vec<_>, _>>().ok()?).ok()?
    } else if encoding.eq_ignore_ascii_case("utf-32") {
        let scalars = bytes.chunks(4).map(|scalar| {
            <[u8; 4]>::try_from(scalar).ok().and_then(|scalar| char::from_u32(u32::from_le_bytes(scalar)))
        });
        scalars.collect::<Option<String>>()?
    } else {
        return None;
    };
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(&text)).ok()
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

//! The four kinds of text: plain, with JSON escapes, with JSON5 escapes, raw.

use std::borrow::Cow;

use super::JsonError;
use super::header::{self, Element};

pub(super) fn read(element: Element<'_>) -> Result<Cow<'_, str>, JsonError> {
    let bad = JsonError { at: element.at, what: "not a text" };
    let text = std::str::from_utf8(element.payload).map_err(|_| bad.clone())?;
    match element.kind {
        header::TEXT | header::TEXTRAW => Ok(Cow::Borrowed(text)),
        header::TEXTJ | header::TEXT5 if text.contains('\\') => {
            let bad = JsonError { at: element.at, what: "a wrong escape" };
            unescape(text, element.kind == header::TEXT5).map(Cow::Owned).ok_or(bad)
        }
        header::TEXTJ | header::TEXT5 => Ok(Cow::Borrowed(text)),
        _ => Err(bad),
    }
}

/// Whether the text is `wanted`, without a copy in the usual case.
pub(super) fn is(element: Element<'_>, wanted: &str) -> Result<bool, JsonError> {
    match element.kind {
        header::TEXT | header::TEXTRAW => Ok(element.payload == wanted.as_bytes()),
        _ => Ok(read(element)? == wanted),
    }
}

fn unescape(text: &str, json5: bool) -> Option<String> {
    // Never longer than what it comes from.
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        match chars.next()? {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            plain @ ('"' | '\\' | '/') => out.push(plain),
            'u' => {
                let (scalar, after) = scalar(chars.as_str())?;
                out.push(scalar);
                chars = after.chars();
            }
            'x' if json5 => {
                out.push(char::from(u8::try_from(hex(chars.as_str(), 2)?).ok()?));
                chars = chars.as_str()[2..].chars();
            }
            '0' if json5 => out.push('\0'),
            'v' if json5 => out.push('\u{b}'),
            '\'' if json5 => out.push('\''),
            '\r' if json5 => chars = chars.as_str().strip_prefix('\n').unwrap_or(chars.as_str()).chars(),
            '\n' | '\u{2028}' | '\u{2029}' if json5 => {}
            _ => return None,
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(out)
}

/// The character of the four digits behind `\u`, or of a pair of surrogates.
fn scalar(text: &str) -> Option<(char, &str)> {
    let first = hex(text, 4)?;
    let rest = &text[4..];
    if let Some(scalar) = char::from_u32(first) {
        return Some((scalar, rest));
    }
    let rest = rest.strip_prefix("\\u")?;
    let second = hex(rest, 4)?;
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    let scalar = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((scalar, &rest[4..]))
}

fn hex(text: &str, count: usize) -> Option<u32> {
    let digits = text.get(..count)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

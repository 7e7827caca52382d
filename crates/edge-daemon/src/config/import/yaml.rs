//! As much of YAML as configurations of the version 1.1 are written in: mappings and lists by indentation, texts
//! with and without quotes, and JSON. What else there is in YAML is refused with its line, never guessed.

use serde_json::{Map, Value};

use super::ImportError;

/// Mappings and lists within each other.
const DEPTH_MAX: usize = 32;

struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

pub(super) fn parse(text: &str) -> Result<Map<String, Value>, ImportError> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let bare = strip_comment(line).trim_end();
        let content = bare.trim_start_matches(' ');
        if content.is_empty() || (lines.is_empty() && content == "---") {
            continue;
        }
        if content.starts_with('\t') {
            return Err(wrong(number, "begins with a tab: indent it with spaces"));
        }
        lines.push(Line { number, indent: bare.len() - content.len(), text: content });
    }
    let mut reader = Reader { lines, at: 0 };
    let Some(first) = reader.lines.first() else { return Ok(Map::new()) };
    let indent = first.indent;
    let mapping = reader.mapping(indent, 0)?;
    match reader.lines.get(reader.at) {
        None => Ok(mapping),
        Some(line) => Err(wrong(line.number, "is indented otherwise than the lines it belongs to")),
    }
}

fn wrong(line: usize, text: impl Into<String>) -> ImportError {
    ImportError::Line { line, text: text.into() }
}

/// A `#` begins a comment at the beginning of a line and behind a space, outside of quotes.
fn strip_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(open), _) if c == open && !is_escaped => quote = None,
            (None, '"' | '\'') if [' ', '[', '{', ',', ':'].contains(&before) => quote = Some(c),
            // Two of them within such a text are one of its characters.
            (None, '\'') if before == '\'' => quote = Some(c),
            (None, '#') if before == ' ' => return &line[..at],
            _ => {}
        }
        is_escaped = false;
        before = c;
    }
    line
}

struct Reader<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn mapping(&mut self, indent: usize, depth: usize) -> Result<Map<String, Value>, ImportError> {
        let mut map = Map::new();
        while let Some((number, text)) = self.line_at(indent) {
            if text.starts_with("- ") || text == "-" {
                break;
            }
            let (key, rest) = split_key(text).ok_or_else(|| wrong(number, "is no `key: value`"))?;
            let key = match scalar(key, number)? {
                Value::String(key) => key,
                other => other.to_string(),
            };
            self.at += 1;
            let value = if rest.is_empty() { self.below(indent, depth)? } else { scalar(rest, number)? };
            if map.insert(key.clone(), value).is_some() {
                return Err(wrong(number, format!("has the key {key} again")));
            }
        }
        Ok(map)
    }

    /// The text of the current line, where it is indented just so.
    fn line_at(&self, indent: usize) -> Option<(usize, &'a str)> {
        let line = self.lines.get(self.at)?;
        (line.indent == indent).then_some((line.number, line.text))
    }

    /// What stands below a key: deeper, or a list at the same indentation.
    fn below(&mut self, indent: usize, depth: usize) -> Result<Value, ImportError> {
        let Some(line) = self.lines.get(self.at) else { return Ok(Value::Null) };
        let (number, is_list) = (line.number, line.text == "-" || line.text.starts_with("- "));
        if depth == DEPTH_MAX {
            return Err(wrong(number, "is nested too deeply"));
        }
        match (line.indent, is_list) {
            (deeper, true) if deeper >= indent => self.list(deeper, depth + 1),
            (deeper, false) if deeper > indent => Ok(Value::Object(self.mapping(deeper, depth + 1)?)),
            _ => Ok(Value::Null),
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Value, ImportError> {
        let mut items = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            let is_item = line.indent == indent && (line.text == "-" || line.text.starts_with("- "));
            if !is_item {
                break;
            }
            let (number, rest) = (line.number, line.text[1..].trim_start());
            let inner = indent + line.text.len() - rest.len();
            if rest.is_empty() {
                self.at += 1;
                items.push(self.below(indent, depth)?);
            } else if split_key(rest).is_some() && !rest.starts_with(['"', '\'', '{', '[']) {
                // The first key of a mapping stands beside the dash; the others below it.
                if depth == DEPTH_MAX {
                    return Err(wrong(number, "is nested too deeply"));
                }
                let line = &mut self.lines[self.at];
                (line.indent, line.text) = (inner, rest);
                items.push(Value::Object(self.mapping(inner, depth + 1)?));
            } else {
                items.push(scalar(rest, number)?);
                self.at += 1;
            }
        }
        Ok(Value::Array(items))
    }
}

/// At the first colon outside of quotes that a space or the end follows.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let quoted = text.chars().next().filter(|c| ['"', '\''].contains(c));
    let from = match quoted {
        Some(quote) => text[1..].find(quote)? + 2,
        None => 0,
    };
    let at = text[from..].match_indices(':').map(|(at, _)| from + at);
    let mut ends = at.filter(|at| text[at + 1..].is_empty() || text[at + 1..].starts_with(' '));
    ends.next().map(|at| (text[..at].trim_end(), text[at + 1..].trim_start()))
}

fn scalar(text: &str, number: usize) -> Result<Value, ImportError> {
    let first = text.chars().next().unwrap_or(' ');
    match first {
        '"' => {
            serde_json::from_str(text).map_err(|_| wrong(number, "has a text in \" that does not end well"))
        }
        '\'' => {
            let inside = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            let inside = inside.filter(|inside| text.len() > 1 && !inside.replace("''", "").contains('\''));
            inside
                .map(|inside| Value::String(inside.replace("''", "'")))
                .ok_or_else(|| wrong(number, "has a text in ' that does not end well"))
        }
        '{' | '[' => serde_json::from_str(text).map_err(|_| {
            wrong(number, "has a list or mapping on one line that is no JSON: write it as such")
        }),
        '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' => {
            Err(wrong(number, format!("begins a value with {first}, which is not read: write it out")))
        }
        _ => Ok(match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" | "~" => Value::Null,
            _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_configurations_are_written_in_is_read() {
        for (text, expected) in [
            ("", json!({})),
            ("---\n# a\na: 1 # b\n\nb: 'it''s # no'\n", json!({ "a": 1, "b": "it's # no" })),
            ("a: x;y=z#1==\n", json!({ "a": "x;y=z#1==" })),
            (
                "a: \"q\\\"#\\n\"\nb: true\nc:\nd: ~\n",
                json!({ "a": "q\"#\n", "b": true, "c": null, "d": null }),
            ),
            (
                "a:\n  b:\n    c: {}\n  d: http://x:1/y\n",
                json!({ "a": { "b": { "c": {} }, "d": "http://x:1/y" } }),
            ),
            ("a:\n- 1\n- \"x: y\"\nb: [\"c\", 2]\n", json!({ "a": [1, "x: y"], "b": ["c", 2] })),
            (
                "a:\n  - b: 1\n    c: 2\n  - b: 3\n  -\n    b: 4\n",
                json!({ "a": [{ "b": 1, "c": 2 }, { "b": 3 }, { "b": 4 }] }),
            ),
            ("a:\n  - b:c\n  - /x:/y:ro\n", json!({ "a": ["b:c", "/x:/y:ro"] })),
            ("\"a b\": 1\n'c:d': 2\n", json!({ "a b": 1, "c:d": 2 })),
        ] {
            assert_eq!(parse(text).map(Value::Object).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_line() {
        for (text, line, told) in [
            ("a: 1\nb\n", 2, "key: value"),
            ("a: 1\n  b: 2\n", 2, "indented otherwise"),
            ("a:\n\tb: 2\n", 2, "tab"),
            ("a: 1\na: 2\n", 2, "again"),
            ("a: |\n  text\n", 1, "begins a value with |"),
            ("a: *other\n", 1, "begins a value with *"),
            ("a: {b: 1}\n", 1, "no JSON"),
            ("a: 'x\n", 1, "does not end well"),
            ("a: '\n", 1, "does not end well"),
            ("a: \"x\n", 1, "does not end well"),
            ("a:\n    b: 1\n  c: 2\n", 3, "indented otherwise"),
        ] {
            match parse(text) {
                Err(ImportError::Line { line: found, text: said }) => {
                    assert!(found == line && said.contains(told), "{text:?}: {found} {said}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
        let deep: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(matches!(parse(&deep), Err(ImportError::Line { .. })));
    }
}

//! What the input `control` understands: one command, or a list of them.

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Reset,
    NoOperation,
}

/// The commands of a body; `Err` says why there are none.
pub fn commands(body: &[u8]) -> Result<Vec<Command>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let items = match &body {
        Value::Array(items) => items.as_slice(),
        item => std::slice::from_ref(item),
    };
    items.iter().map(command).collect()
}

fn command(item: &Value) -> Result<Command, String> {
    let members = item.as_object().ok_or_else(|| format!("{item} is no command"))?;
    let named = members.iter().find(|(key, _)| key.eq_ignore_ascii_case("command")).map(|(_, value)| value);
    match named {
        // What is not said means the first one.
        None => Ok(Command::Reset),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("reset") || text == "0" => Ok(Command::Reset),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("nooperation") || text == "1" => {
            Ok(Command::NoOperation)
        }
        Some(Value::Number(number)) if number.as_u64() == Some(0) => Ok(Command::Reset),
        Some(Value::Number(number)) if number.as_u64() == Some(1) => Ok(Command::NoOperation),
        Some(other) => Err(format!("{other} is neither reset nor noOperation")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_every_form() {
        use Command::{NoOperation, Reset};
        for (body, expected) in [
            (r#"{"command":"reset"}"#, vec![Reset]),
            (r#"{"Command":1}"#, vec![NoOperation]),
            (r#"[{"command":"noOperation"},{"command":0}]"#, vec![NoOperation, Reset]),
            ("[]", vec![]),
        ] {
            assert_eq!(commands(body.as_bytes()), Ok(expected), "{body}");
        }
        for body in ["", "reset", "7", r#"{"command":"fly"}"#, r#"{"command":2}"#] {
            assert!(commands(body.as_bytes()).is_err(), "{body}");
        }
    }
}

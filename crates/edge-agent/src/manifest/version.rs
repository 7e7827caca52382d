//! The version of the schema: major 1, and at most 1.1.

use serde_json::Value;

use super::ManifestError;

/// Components beyond major and minor.
const PARTS_MAX: usize = 4;

/// The version as written, where it is one that we know.
pub(super) fn check(value: Option<&Value>) -> Result<String, ManifestError> {
    let text = match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        // `1.0` without quotes is a number.
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => return Err(refused(&super::members::shown(other))),
        None => return Err(refused("(none)")),
    };
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([1] | [1, 0, ..] | [1, 1] | [1, 1, 0, ..]) if text.split('.').count() <= PARTS_MAX => Ok(text),
        _ => Err(refused(&text)),
    }
}

fn refused(found: &str) -> ManifestError {
    ManifestError::SchemaVersion { found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;

    #[test]
    fn versions_up_to_one_one_are_known() {
        for version in [json!("1.0"), json!("1.1"), json!("1.1.0"), json!("1.0.7"), json!(1.0), json!("1")] {
            assert!(check(Some(&version)).is_ok(), "{version}");
        }
        for version in [
            json!("1.2"),
            json!("1.1.1"),
            json!("2.0"),
            json!("0.9"),
            json!("x"),
            json!(""),
            json!("1..0"),
            json!({}),
        ] {
            assert_eq!(check(Some(&version)).unwrap_err().code(), 412, "{version}");
        }
        assert_eq!(check(None).unwrap_err().code(), 412);
    }
}

//! `$upstream`: the parent of a nested device, whatever it is called.

/// Puts the parent's name in the place of `$upstream` where a value begins with it and a port follows.
/// Without a parent, or where no port follows, the value stays as it is.
pub fn with_upstream(value: &str, parent: Option<&str>) -> String {
    let (Some(parent), Some(rest)) = (parent, value.strip_prefix("$upstream:")) else {
        return value.to_owned();
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_port = digits > 0 && !rest.starts_with('0');
    let is_ended = rest[digits..].is_empty() || rest[digits..].starts_with('/');
    if is_port && is_ended { format!("{parent}:{rest}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::with_upstream;

    #[test]
    fn only_a_whole_upstream_with_a_port_is_replaced() {
        for (value, replaced) in [
            ("$upstream:443/a/b:1", "parent:443/a/b:1"),
            ("$upstream:8000", "parent:8000"),
            ("$upstream:080/a", "$upstream:080/a"),
            ("$upstream/a", "$upstream/a"),
            ("$upstream:x/a", "$upstream:x/a"),
            ("$upstream:44x/a", "$upstream:44x/a"),
            ("host/$upstream:443/a", "host/$upstream:443/a"),
        ] {
            assert_eq!(with_upstream(value, Some("parent")), replaced);
            assert_eq!(with_upstream(value, None), value);
        }
    }
}

//! Names of properties, modules and outputs: their case does not matter.

/// Whether two names are the same name.
pub fn same_name(left: &str, right: &str) -> bool {
    // No small letter of ASCII is the small form of anything else here.
    if left.is_ascii() || right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_case_may_differ() {
        assert!(same_name("contentType", "CONTENTTYPE"));
        assert!(same_name("Größe", "GRÖßE"));
        assert!(!same_name("a", "ä") && !same_name("a", "ab") && !same_name("k", "\u{212A}"));
    }
}

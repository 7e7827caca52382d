//! References to images, as far as the engine's pull call needs them understood.

/// With a tag: without one the engine would pull every tag that there is.
pub(super) fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if image.contains('@') || last.contains(':') { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_has_no_tag_gets_one() {
        for (image, whole) in [
            ("a", "a:latest"),
            ("host:5000/a", "host:5000/a:latest"),
            ("host:5000/a:1", "host:5000/a:1"),
            ("host/a@sha256:00", "host/a@sha256:00"),
        ] {
            assert_eq!(super::tagged(image), whole);
        }
    }
}

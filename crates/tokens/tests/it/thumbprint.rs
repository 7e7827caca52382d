use skerry_tokens::Thumbprint;

/// `printf abc | sha1sum`, `printf abc | sha256sum`.
const SHA1: &str = "A9993E364706816ABA3E25717850C26C9CD0D89D";
const SHA256: &str = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";

#[test]
fn thumbprints_are_read_in_every_spelling_and_written_in_one() {
    let colons: Vec<String> =
        SHA1.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
    for (text, canonical) in [
        (SHA1.to_owned(), SHA1),
        (SHA1.to_lowercase(), SHA1),
        (colons.join(":"), SHA1),
        (colons.join(" "), SHA1),
        (SHA256.to_lowercase(), SHA256),
    ] {
        let thumbprint: Thumbprint = text.parse().unwrap();
        assert_eq!(thumbprint.to_string(), canonical);
        assert!(thumbprint.matches(b"abc") && !thumbprint.matches(b"abd"), "{text}");
    }
    assert_eq!(Thumbprint::sha256_of(b"abc").to_string(), SHA256);
}

#[test]
fn what_is_no_thumbprint_is_told_why() {
    let length = "the thumbprint has 3 hexadecimal digits: it needs 40 (SHA-1) or 64 (SHA-256)";
    let long = "the thumbprint has 4000 hexadecimal digits: it needs 40 (SHA-1) or 64 (SHA-256)";
    let hex = "'g' is not a hexadecimal digit: a thumbprint is 40 (SHA-1) or 64 (SHA-256) of them";
    for (text, message) in [("abc", length), (&"a".repeat(4000), long), ("abcg", hex)] {
        assert_eq!(text.parse::<Thumbprint>().unwrap_err().to_string(), message);
    }
}

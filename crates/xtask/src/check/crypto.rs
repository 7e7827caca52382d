//! One crypto library in what we ship: a second one doubles what must be audited and patched, and
//! comes in unseen with a default feature.

use crate::failure::Failure;
use crate::shell;

const FOREIGN: &[&str] = &[
    "aes",
    "aes-gcm",
    "boring",
    "chacha20poly1305",
    "ecdsa",
    "ed25519-dalek",
    "hmac",
    "md-5",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "p256",
    "p384",
    "ring",
    "rsa",
    "rustls-rustcrypto",
    "sha1",
    "sha2",
    "sha3",
];

pub(super) fn check() -> Result<(), Failure> {
    let tree = shell::output(shell::cargo().args([
        "tree",
        "--locked",
        "--workspace",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let mut findings: Vec<String> = foreign(&tree)
        .map(|name| format!("{name}: `cargo tree --invert {name} --edges normal,build` shows who brings it"))
        .collect();
    findings.dedup();
    Failure::of_findings("crypto besides aws-lc-rs is in the tree; switch its feature off:", &findings)
}

fn foreign(tree: &str) -> impl Iterator<Item = &str> {
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| FOREIGN.contains(name))
        .collect();
    names.sort_unstable();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::foreign;

    #[test]
    fn only_whole_names_of_other_crypto_libraries_are_found() {
        let tree = "aws-lc-rs v1.19.0\nring v0.17.14 (*)\nstring v1.0.0\nsha2 v0.10.9\nsha256-hex v1.0.0\n";
        assert_eq!(foreign(tree).collect::<Vec<_>>(), ["ring", "sha2"]);
    }
}

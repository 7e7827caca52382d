//! Two versions of one crate cost build time and size, and their types do not fit each other. Each
//! pair that stays has its reason here; one that is gone must leave the list.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::shell;

struct Allowed {
    name: &'static str,
    reason: &'static str,
}

const ALLOWED: &[Allowed] = &[
    Allowed {
        name: "syn",
        reason: "the ASN.1 derives below x509-parser have not moved to syn 3; build time only",
    },
    Allowed {
        name: "synstructure",
        reason: "goes with syn: the derives below x509-parser, and those of the test client of AMQP",
    },
    Allowed {
        name: "untrusted",
        reason: "aws-lc-rs and rustls-webpki each pin their own; 300 lines without dependencies",
    },
];

pub(super) fn check() -> Result<(), Failure> {
    let tree = shell::output(shell::cargo().args([
        "tree",
        "--locked",
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    Failure::of_findings("versions of dependencies are doubled:", &judge(&tree))
}

fn judge(tree: &str) -> Vec<String> {
    let doubled = doubled(tree);
    let mut findings = Vec::new();
    for (name, versions) in &doubled {
        let versions = versions.join(" and ");
        match ALLOWED.iter().find(|allowed| allowed.name == *name) {
            Some(allowed) => eprintln!("   {name} {versions}: {}", allowed.reason),
            None => findings.push(format!(
                "{name} {versions}: bring both users to one version (`cargo tree --invert {name}@…`), \
                 or give a reason in check/duplicates.rs"
            )),
        }
    }
    for allowed in ALLOWED.iter().filter(|allowed| !doubled.contains_key(allowed.name)) {
        findings.push(format!("{} is no longer doubled: take it off the list", allowed.name));
    }
    findings
}

fn doubled(tree: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let known = versions.entry(name).or_default();
            if !known.contains(&version) {
                known.push(version);
            }
        }
    }
    versions.retain(|_, known| known.len() > 1);
    versions
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_new_pair_and_a_stale_entry_are_both_told() {
        let findings = judge("syn v2.0.1\nsyn v3.0.0\nhttp v0.2.0\nhttp v1.0.0\nhttp v1.0.0 (*)\n");
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("http v0.2.0 and v1.0.0"), "{findings:?}");
        assert!(findings[1].starts_with("untrusted is no longer"), "{findings:?}");
    }
}

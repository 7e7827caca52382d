//! Three rings, arrows inward only.
//!
//! Pure crates take bytes and time and give bytes and decisions; engines own state; the shell wires.
//! A pure crate that reaches a socket or a clock can no longer be fuzzed or simulated, and that is
//! lost silently: so the manifests are read, and a wrong arrow fails the build. Dependencies of
//! tests are free.

use crate::failure::Failure;
use crate::graph::{Graph, Package};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ring {
    Pure,
    Engine,
    Shell,
}

struct Place {
    package: &'static str,
    ring: Ring,
    /// Which engines an engine may use; the shell may use all.
    engines: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place { package: "skerry-model", ring: Ring::Pure, engines: &[] },
    Place { package: "skerry-query", ring: Ring::Pure, engines: &[] },
    Place { package: "skerry-tokens", ring: Ring::Pure, engines: &[] },
    Place { package: "skerry-mqtt", ring: Ring::Pure, engines: &[] },
    Place { package: "skerry-amqp", ring: Ring::Pure, engines: &[] },
    Place { package: "skerry-store", ring: Ring::Engine, engines: &[] },
    Place { package: "skerry-front", ring: Ring::Engine, engines: &[] },
    Place { package: "skerry-uplink", ring: Ring::Engine, engines: &[] },
    Place { package: "skerry-hub", ring: Ring::Engine, engines: &["skerry-store", "skerry-front"] },
    Place { package: "skerry-keys", ring: Ring::Engine, engines: &[] },
    Place { package: "skerry-edge-daemon", ring: Ring::Engine, engines: &["skerry-keys", "skerry-runtime"] },
    Place { package: "skerry-runtime", ring: Ring::Engine, engines: &[] },
    Place { package: "skerry-edge-agent", ring: Ring::Engine, engines: &["skerry-runtime", "skerry-uplink"] },
    Place {
        package: "skerry-edge-hub",
        ring: Ring::Engine,
        engines: &["skerry-store", "skerry-front", "skerry-uplink"],
    },
    Place { package: "skerry", ring: Ring::Shell, engines: &[] },
    // A program of its own, and a library for the program that carries it along.
    Place { package: "skerry-temperature-sensor", ring: Ring::Engine, engines: &["skerry-uplink"] },
    Place { package: "skerry-workload-probe", ring: Ring::Shell, engines: &[] },
    Place { package: "skerry-xtask", ring: Ring::Shell, engines: &[] },
];

/// What a pure crate may lean on: data structures, texts and sums, nothing that touches the world.
const PURE_MAY_USE: &[&str] = &[
    "aws-lc-rs",
    "base64",
    "bytes",
    "indexmap",
    "percent-encoding",
    "serde",
    "serde_json",
    "smallvec",
    "thiserror",
    "zeroize",
];

pub(super) fn check(graph: &Graph) -> Result<(), Failure> {
    let findings: Vec<String> = graph.members().flat_map(judge).collect();
    Failure::of_findings("crates depend on what their ring must not know:", &findings)
}

fn judge(package: &Package) -> Vec<String> {
    let Some(place) = place(&package.name) else {
        return vec![format!("{} has no ring: add it to PLACES in check/rings.rs", package.name)];
    };
    package.dependencies.iter().filter_map(|dependency| wrong_arrow(place, dependency)).collect()
}

fn wrong_arrow(from: &Place, dependency: &str) -> Option<String> {
    let Some(to) = place(dependency) else {
        let refused = from.ring == Ring::Pure && !PURE_MAY_USE.contains(&dependency);
        return refused.then(|| {
            format!(
                "{} (pure) uses {dependency}: move what needs it into an engine, or add {dependency} \
                 to PURE_MAY_USE if it touches no socket, file, clock, random source or runtime",
                from.package
            )
        });
    };
    let allowed = match (from.ring, to.ring) {
        (_, Ring::Pure) => true,
        (Ring::Engine, Ring::Engine) => from.engines.contains(&to.package),
        (Ring::Shell, Ring::Engine) => true,
        _ => false,
    };
    (!allowed).then(|| {
        format!(
            "{} ({:?}) uses {} ({:?}): arrows point inward, and between engines only as PLACES says",
            from.package, from.ring, to.package, to.ring
        )
    })
}

fn place(package: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.package == package)
}

#[cfg(test)]
mod tests {
    use super::{check, judge};
    use crate::graph::{Graph, Package};

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            source: None,
            license: None,
            folder: String::new(),
            is_member: true,
            dependencies: dependencies.iter().map(|&dependency| dependency.to_owned()).collect(),
        }
    }

    #[test]
    fn the_workspace_keeps_its_rings() {
        check(&Graph::load().unwrap()).unwrap();
    }

    #[test]
    fn a_pure_crate_with_a_runtime_is_refused() {
        for stranger in ["tokio", "hyper", "rusqlite", "rustls", "tempfile"] {
            let findings = judge(&package("skerry-model", &["serde", stranger]));
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].contains(stranger), "{findings:?}");
        }
    }

    #[test]
    fn arrows_outward_or_between_foreign_engines_are_refused() {
        for (from, to) in [
            ("skerry-query", "skerry-store"),
            ("skerry-store", "skerry-hub"),
            ("skerry-front", "skerry-store"),
            ("skerry-hub", "skerry"),
        ] {
            assert_eq!(judge(&package(from, &[to])).len(), 1, "{from} -> {to}");
        }
        for (from, to) in
            [("skerry-hub", "skerry-store"), ("skerry", "skerry-hub"), ("skerry-tokens", "skerry-model")]
        {
            assert!(judge(&package(from, &[to])).is_empty(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_crate_without_a_ring_is_refused() {
        assert_eq!(judge(&package("skerry-new", &[])).len(), 1);
    }
}

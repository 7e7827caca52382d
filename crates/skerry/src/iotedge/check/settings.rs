//! Checks of what is written somewhere, as pure functions.

use std::time::Duration;

use serde_json::Value;
use skerry_model::Timestamp;
use skerry_tokens::Host;

use super::Outcome;
use super::facts::Facts;

/// X.509's bound of a common name.
const NAME_CHARS_MAX: usize = 64;
const LABEL_CHARS_MAX: usize = 63;
/// A certificate that ends sooner is warned of.
const EXPIRY_WARNING: Duration = Duration::from_secs(7 * 24 * 3600);
/// Clocks that are further apart are warned of.
pub const CLOCK_SECONDS_MAX: i64 = 10;
const ROOM_BYTES_MIN: u64 = 1 << 30;
const ROOM_PERCENT_MIN: u64 = 10;

pub fn hostname_of(facts: &Facts) -> Outcome {
    hostname(facts.config().hostname.as_deref(), facts.world.host_name().as_deref())
}

pub fn parent_of(facts: &Facts) -> Outcome {
    parent(facts.config().parent_hostname.as_ref().map(Host::name))
}

/// The identity service is a part of the same program.
pub fn identity_version(facts: &Facts) -> Outcome {
    version(facts.args.expected_aziot_version.as_deref(), facts.daemon_version.as_deref())
}

/// The machine's own name, or one below it.
fn hostname(configured: Option<&str>, machine: Option<&str>) -> Outcome {
    let Some(name) = configured.or(machine) else {
        return Outcome::error("this machine has no name that could be used: set hostname in config.toml");
    };
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Outcome::Ok;
    }
    let lower = name.to_ascii_lowercase();
    let machine = machine.unwrap_or_default().to_ascii_lowercase();
    if lower != machine && !lower.starts_with(&format!("{machine}.")) {
        return Outcome::error(format!(
            "hostname is {name:?}, but this machine is called {machine:?}: correct hostname in config.toml, or \
             the machine's name"
        ));
    }
    shape(name, "hostname")
}

fn parent(name: Option<&str>) -> Outcome {
    match name {
        None => Outcome::Ignored,
        Some(name) if name.parse::<std::net::IpAddr>().is_ok() => Outcome::Ok,
        Some(name) if name.len() > NAME_CHARS_MAX => Outcome::error(format!(
            "parent_hostname has {} characters; a certificate holds {NAME_CHARS_MAX}",
            name.len()
        )),
        Some(name) => shape(name, "parent_hostname"),
    }
}

fn shape(name: &str, key: &str) -> Outcome {
    if name.len() > NAME_CHARS_MAX {
        return Outcome::warning(format!(
            "{key} has {} characters; more than {NAME_CHARS_MAX} do not fit into a certificate's name",
            name.len()
        ));
    }
    let is_label = |label: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=LABEL_CHARS_MAX).contains(&label.len())
            && label.starts_with(|c: char| c.is_ascii_alphabetic())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.chars().all(good)
    };
    if name.split('.').all(is_label) {
        return Outcome::Ok;
    }
    Outcome::warning(format!(
        "{key} {name:?} is no name by RFC 1035 (labels of letters, digits and hyphens, a letter first): some \
         modules and devices cannot connect to it"
    ))
}

pub fn version(expected: Option<&str>, found: Option<&str>) -> Outcome {
    match (expected, found) {
        (None, _) => Outcome::Ignored,
        (_, None) => Outcome::Skipped,
        (Some(expected), Some(found)) if expected == found => Outcome::Ok,
        (Some(expected), Some(found)) => {
            Outcome::warning(format!("the daemon has the version {found}, and {expected} is expected"))
        }
    }
}

pub fn dns(engine: Option<&Value>) -> Outcome {
    if engine.and_then(|engine| engine["dns"].as_array()).is_some_and(|servers| !servers.is_empty()) {
        return Outcome::Ok;
    }
    Outcome::warning(
        "the container engine is told no DNS server: write \"dns\": [\"…\"] into its daemon.json, where modules \
         must not depend on what the machine has at the moment",
    )
}

pub fn ipv6(engine: Option<&Value>, is_wanted: bool) -> Outcome {
    match (engine.is_some_and(|engine| engine["ipv6"] == true), is_wanted) {
        (true, _) => Outcome::Ok,
        (false, true) => Outcome::error(
            "the modules' network wants IPv6, which the engine does not have: write \"ipv6\": true into its \
             daemon.json",
        ),
        (false, false) => Outcome::Ignored,
    }
}

pub fn logrotate(engine: Option<&Value>) -> Outcome {
    const MORE: &str = "modules get limits of their own (10 MB, 3 files), other containers have none";
    let Some(engine) = engine else {
        return Outcome::warning(format!(
            "the container engine has no daemon.json with limits of logs; {MORE}"
        ));
    };
    let Some(driver) = engine["log-driver"].as_str() else {
        return Outcome::warning(format!("no \"log-driver\" is named in the engine's daemon.json; {MORE}"));
    };
    let limits = &engine["log-opts"];
    if driver == "journald" || (limits["max-size"].is_string() && limits["max-file"].is_string()) {
        return Outcome::Ok;
    }
    Outcome::warning(format!(
        "the log driver {driver:?} has no \"max-size\" and \"max-file\" in the engine's daemon.json; {MORE}"
    ))
}

/// Names of modules and their images.
pub fn tags(images: &[(String, String)]) -> Outcome {
    let moving: Vec<String> = images
        .iter()
        .filter_map(|(name, image)| {
            let why = moving(image)?;
            Some(format!("{name}: {image} {why}"))
        })
        .collect();
    if moving.is_empty() {
        return Outcome::Ok;
    }
    Outcome::warning(format!("{}\nName a version in the manifest.", moving.join("\n")))
}

fn moving(image: &str) -> Option<&'static str> {
    if image.contains('@') {
        return None;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        None => Some("has no tag, which means latest"),
        Some((_, "latest")) => Some("means another image whenever one is made"),
        Some((_, tag)) if tag.split(['-', '.', '_']).any(|part| part == "debug") => {
            Some("is built for debugging")
        }
        Some(_) => None,
    }
}

pub fn expiry(what: &str, not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> Outcome {
    if now < not_before {
        return Outcome::error(format!("{what} is good from {not_before} on only: is the clock right?"));
    }
    if now >= not_after {
        return Outcome::error(format!("{what} has expired at {not_after}: renew it"));
    }
    if not_after.since(now) < EXPIRY_WARNING {
        return Outcome::warning(format!("{what} expires at {not_after}: renew it in time"));
    }
    Outcome::Ok
}

pub fn room(free: u64, total: u64) -> Outcome {
    if free >= ROOM_BYTES_MIN && free >= total / 100 * ROOM_PERCENT_MIN {
        return Outcome::Ok;
    }
    Outcome::warning(format!(
        "{} MB of {} MB are free where modules and the edge keep their data: make room, or images cannot be pulled",
        free >> 20,
        total >> 20
    ))
}

/// Seconds that the reference is ahead of this machine.
pub fn clock(ahead_seconds: i64) -> Outcome {
    if ahead_seconds.abs() < CLOCK_SECONDS_MAX {
        return Outcome::Ok;
    }
    let (by, way) = (ahead_seconds.abs(), if ahead_seconds > 0 { "behind" } else { "ahead of" });
    Outcome::warning(format!(
        "this machine's clock is {by} s {way} the reference: tokens may be refused. Set up NTP"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(outcome: &Outcome) -> &'static str {
        outcome.word()
    }

    #[test]
    fn host_names() {
        let long = format!("gate.{}", "a".repeat(60));
        for (configured, machine, expected) in [
            (None, Some("gate"), "ok"),
            (Some("GATE.plant.lan"), Some("gate"), "ok"),
            (Some("10.0.0.7"), Some("gate"), "ok"),
            (Some("gateway"), Some("gate"), "error"),
            (None, None, "error"),
            (Some("gate.7plant"), Some("gate"), "warning"),
            (Some("gate.under_score"), Some("gate"), "warning"),
            (Some(long.as_str()), Some("gate"), "warning"),
        ] {
            assert_eq!(word(&hostname(configured, machine)), expected, "{configured:?} {machine:?}");
        }
        for (name, expected) in
            [(None, "ignored"), (Some("top"), "ok"), (Some("a_b"), "warning"), (Some(long.as_str()), "error")]
        {
            assert_eq!(word(&parent(name)), expected, "{name:?}");
        }
    }

    #[test]
    fn the_engines_file() {
        let limited = json!({"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}});
        for (file, of_dns, of_logs) in [
            (None, "warning", "warning"),
            (Some(json!({"dns": []})), "warning", "warning"),
            (Some(json!({"dns": ["1.1.1.1"], "log-driver": "journald"})), "ok", "ok"),
            (Some(json!({"log-driver": "json-file", "log-opts": {"max-size": "10m"}})), "warning", "warning"),
            (Some(limited), "warning", "ok"),
        ] {
            assert_eq!(word(&dns(file.as_ref())), of_dns, "{file:?}");
            assert_eq!(word(&logrotate(file.as_ref())), of_logs, "{file:?}");
        }
        let on = json!({"ipv6": true});
        for (file, is_wanted, expected) in [
            (Some(&on), true, "ok"),
            (Some(&on), false, "ok"),
            (None, true, "error"),
            (None, false, "ignored"),
        ] {
            assert_eq!(word(&ipv6(file, is_wanted)), expected, "{file:?} {is_wanted}");
        }
    }

    #[test]
    fn tags_that_move_are_named() {
        for (image, expected) in [
            ("registry:5000/sensor:1.5", "ok"),
            ("registry:5000/sensor", "warning"),
            ("sensor:latest", "warning"),
            ("sensor:1.5-debug", "warning"),
            ("sensor:1.5.debug-amd64", "warning"),
            ("sensor:1.5-debugger", "ok"),
            ("sensor@sha256:00", "ok"),
        ] {
            assert_eq!(word(&tags(&[("sensor".to_owned(), image.to_owned())])), expected, "{image}");
        }
    }

    #[test]
    fn times_and_room() {
        let at = Timestamp::from_unix_seconds;
        let day = 86_400;
        for (now, expected) in
            [(0, "error"), (day, "ok"), (94 * day, "warning"), (100 * day, "error"), (101 * day, "error")]
        {
            assert_eq!(word(&expiry("it", at(1), at(100 * day), at(now))), expected, "{now}");
        }
        for (ahead, expected) in [(0, "ok"), (9, "ok"), (-9, "ok"), (10, "warning"), (-3600, "warning")] {
            assert_eq!(word(&clock(ahead)), expected, "{ahead}");
        }
        for (free, total, expected) in
            [(20 << 30, 100 << 30, "ok"), (5 << 30, 100 << 30, "warning"), (512 << 20, 1 << 30, "warning")]
        {
            assert_eq!(word(&room(free, total)), expected, "{free} {total}");
        }
        for (expected, found, is) in [
            (None, Some("1"), "ignored"),
            (Some("1"), None, "skipped"),
            (Some("1"), Some("1"), "ok"),
            (Some("2"), Some("1"), "warning"),
        ] {
            assert_eq!(word(&version(expected, found)), is, "{expected:?} {found:?}");
        }
    }
}

//! Checks of the programs that run here: the daemon, its version, and what systemd gives to it and to the engine.

use skerry_edge_daemon::config::SocketPlace;

use super::facts::Facts;
use super::{Outcome, settings};
use crate::iotedge::troubles::troubles;

/// Units whose environment may name a proxy, and what each is called in the answer.
const UNITS: [(&str, &str); 2] = [("docker", "the container engine"), ("aziot-edged", "the daemon")];

/// Modules connect to what `[connect]` says, which is a path in their containers.
pub fn management(facts: &Facts) -> Outcome {
    let connect = &facts.config().connect;
    for (key, place) in [("management_uri", &connect.management), ("workload_uri", &connect.workload)] {
        if let SocketPlace::Activated(name) = place {
            return Outcome::error(format!(
                "connect.{key} is fd://{name}, to which no module can connect: write unix:///path, and keep fd:// \
                 for [listen]"
            ));
        }
    }
    facts.daemon.clone()
}

/// The modules are those that the hub asked for.
pub fn deployment(facts: &Facts) -> Outcome {
    if facts.daemon != Outcome::Ok {
        return Outcome::Skipped;
    }
    let agent = &facts.agent;
    if agent.is_null() {
        return Outcome::Ignored;
    }
    let mut told = troubles(agent);
    if agent["hub"] == false && agent["hubTrouble"].is_null() {
        told.push("the agent does not reach the hub, so nobody knows what it wants now".to_owned());
    }
    if told.is_empty() { Outcome::Ok } else { Outcome::warning(told.join("\n")) }
}

pub fn edge_version(facts: &Facts) -> Outcome {
    let args = &facts.args;
    let expected = args.expected_aziot_edged_version.as_deref();
    // A program that is named is asked itself, the daemon may be an older one that runs on.
    let found = match (&args.aziot_edged, expected) {
        (Some(program), Some(_)) => match facts.world.run(&program.to_string_lossy(), &["--version"]) {
            Ok(said) => version_in(&said),
            Err(error) => return Outcome::because(format!("{} does not run", program.display()), error),
        },
        _ => facts.daemon_version.clone(),
    };
    settings::version(expected, found.as_deref())
}

/// All of them reach the hub and the registries through the same proxy, or none.
pub fn proxies(facts: &Facts) -> Outcome {
    let env = &facts.config().agent.env;
    let of_agent = env.iter().find(|(name, _)| name.eq_ignore_ascii_case("https_proxy"));
    let mut found = vec![("[agent.env]", of_agent.map(|(_, value)| value.clone()))];
    for (unit, who) in UNITS {
        let shown = facts.world.run("systemctl", &["show", "--property=Environment", unit]);
        // Without systemd nobody can say what others were started with.
        let Ok(shown) = shown else { return Outcome::Skipped };
        let of_file = (unit == "docker").then(|| engine_proxy(facts)).flatten();
        found.push((who, proxy_in(&shown).or(of_file)));
    }
    same(&found)
}

fn engine_proxy(facts: &Facts) -> Option<String> {
    Some(facts.engine_file.as_ref()?["proxies"]["https-proxy"].as_str()?.to_owned())
}

/// The last word of the first line, as in `aziot-edged 1.6.0`.
fn version_in(said: &str) -> Option<String> {
    said.lines().next()?.split_whitespace().last().map(str::to_owned)
}

/// Of `Environment=A=1 https_proxy=http://… "B=two words"`.
fn proxy_in(shown: &str) -> Option<String> {
    let line = shown.lines().find_map(|line| line.strip_prefix("Environment="))?;
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
    words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        (name.eq_ignore_ascii_case("https_proxy") && !value.is_empty()).then(|| value.to_owned())
    })
}

fn same(found: &[(&str, Option<String>)]) -> Outcome {
    if found.windows(2).all(|two| two[0].1 == two[1].1) {
        return Outcome::Ok;
    }
    // A proxy's name may hold a password: what is told is where it differs.
    let told = found.iter().map(|(who, proxy)| match proxy {
        Some(_) => format!("{who} has https_proxy"),
        None => format!("{who} has none"),
    });
    Outcome::warning(format!(
        "the proxies differ: {}. Give the same https_proxy to [agent.env] and to the units docker and aziot-edged",
        told.collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_a_proxy_are_found_in_what_programs_print() {
        assert_eq!(version_in("aziot-edged 1.6.0\nmore").as_deref(), Some("1.6.0"));
        assert_eq!(version_in(""), None);
        for (shown, expected) in [
            ("Environment=A=1 https_proxy=http://p:1 B=2\n", Some("http://p:1")),
            ("Environment=\"HTTPS_PROXY=http://u:p@p:1\"\n", Some("http://u:p@p:1")),
            ("Environment=https_proxy=\n", None),
            ("Environment=\n", None),
            ("", None),
        ] {
            assert_eq!(proxy_in(shown).as_deref(), expected, "{shown}");
        }
    }

    #[test]
    fn proxies_are_the_same_or_none() {
        let proxy = |text: &str| Some(text.to_owned());
        assert_eq!(same(&[("a", None), ("b", None)]), Outcome::Ok);
        assert_eq!(same(&[("a", proxy("p")), ("b", proxy("p"))]), Outcome::Ok);
        let differs = same(&[("a", proxy("http://u:secret@p")), ("b", None)]);
        assert_eq!(differs.word(), "warning");
        assert!(!differs.reasons().unwrap()[0].contains("secret"));
    }
}

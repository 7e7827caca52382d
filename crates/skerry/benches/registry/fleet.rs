//! The devices: the same for every engine and every run, made from their number alone.

use serde_json::{Map, Value, json};
use skerry_store::documents::{Body, Json, Key, Space};

/// The hub's number for devices.
pub(crate) const DEVICES: Space = Space::new(1);
pub(crate) const SITES: u64 = 1000;
pub(crate) const KINDS: u64 = 10;
pub(crate) const BUILDINGS: u64 = 40;
/// One in so many devices passes the filter that only an evaluator can decide.
pub(crate) const PASSES: u64 = 97;

/// Random numbers from a seed (splitmix64).
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One device. Its parts hold about 1 KB of JSON; keys are left out on every side.
pub(crate) struct Device {
    pub(crate) identity: Value,
    pub(crate) tags: Value,
    pub(crate) desired: Value,
    pub(crate) reported: Value,
    pub(crate) packed: Vec<u8>,
}

/// Ids are spread over the key space, so that neighbours in time are no neighbours on disk.
pub(crate) fn id(number: u64) -> String {
    format!("device-{:016x}", mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed))
}

pub(crate) fn key(number: u64) -> Key {
    Key::new(DEVICES, id(number), "")
}

pub(crate) fn site(number: u64) -> String {
    format!("site-{number:04}")
}

pub(crate) fn kind(number: u64) -> String {
    format!("kind-{number}")
}

pub(crate) fn building(number: u64) -> String {
    format!("building-{number}")
}

impl Device {
    pub(crate) fn new(number: u64) -> Self {
        let mut dice = Dice::new(number ^ 0xdecade);
        let identity = json!({
            "generation": format!("6389{:014}", dice.below(100_000_000_000_000)),
            "etag": dice.roll() >> 32,
            "status": "enabled",
            "statusUpdated": "2026-01-01T00:00:00.0000000Z",
            "authenticationType": "sas",
            "iotEdge": false,
            "parentScopes": [],
            "modelId": "",
        });
        let tags = json!({
            "site": site(dice.below(SITES)),
            "kind": kind(dice.below(KINDS)),
            "building": building(dice.below(BUILDINGS)),
            "floor": dice.below(30),
            "owner": {"team": format!("team-{}", dice.below(200)), "costCentre": dice.below(10_000)},
        });
        let desired = json!({
            "interval": dice.below(100_000),
            "firmware": {
                "version": format!("1.{}.{}", dice.below(20), dice.below(100)),
                "channel": "stable",
                "sha256": format!("{:016x}{:016x}", dice.roll(), dice.roll()),
            },
            "limits": {"temperatureMax": dice.below(90), "pressureMax": dice.below(900), "alarm": true},
            "schedule": ["02:00", "14:00"],
        });
        let reported = json!({
            "interval": dice.below(100_000),
            "firmware": {"version": format!("1.{}.{}", dice.below(20), dice.below(100)), "state": "running"},
            "network": {
                "address": format!("10.{}.{}.{}", dice.below(256), dice.below(256), dice.below(256)),
                "mac": format!("{:012x}", dice.roll() >> 16),
                "signal": -(dice.below(90) as i64),
            },
            "battery": {"percent": dice.below(101), "volts": dice.below(5000) as f64 / 1000.0, "charging": false},
            "position": {
                "latitude": dice.below(180_000_000) as f64 / 1e6 - 90.0,
                "longitude": dice.below(360_000_000) as f64 / 1e6 - 180.0,
            },
            "lastErrors": [format!("E{:04}", dice.below(10_000)), format!("E{:04}", dice.below(10_000))],
            "bootReason": "watchdog expired after firmware update",
            "uptimeSeconds": dice.below(10_000_000),
            "serial": format!("{:016X}", dice.roll()),
        });
        let packed = packed(&mut dice);
        Self { identity, tags, desired, reported, packed }
    }

    pub(crate) fn parts(&self) -> [&Value; 4] {
        [&self.identity, &self.tags, &self.desired, &self.reported]
    }

    pub(crate) fn body(&self) -> Body {
        let [identity, tags, desired, reported] = self.parts().map(Json::encode);
        Body { identity, tags, desired, reported, packed: self.packed.clone(), sealed: Vec::new() }
    }

    /// Bytes of JSON text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.parts().iter().map(|part| part.to_string().len()).sum()
    }
}

/// What stands for versions and stamps.
pub(crate) fn packed(dice: &mut Dice) -> Vec<u8> {
    (0..6).flat_map(|_| dice.roll().to_le_bytes()).collect()
}

/// What a patch makes of the desired properties.
pub(crate) fn patched(desired: Value, dice: &mut Dice) -> Value {
    let mut members = match desired {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("interval".to_owned(), dice.below(100_000).into());
    Value::Object(members)
}

//! One module of a manifest.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Image;
use super::members::{Members, shown};
use super::options;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Free text; compared and shown, nothing else.
    pub version: String,
    pub status: DesiredStatus,
    pub restart_policy: RestartPolicy,
    pub pull_policy: PullPolicy,
    /// Lower ones first.
    pub startup_order: u32,
    pub env: BTreeMap<String, String>,
    pub image: Image,
    pub options: Map<String, Value>,
    pub digest: Option<String>,
    /// The deployment that it comes from.
    pub configuration_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesiredStatus {
    Running,
    Stopped,
}

/// Each one restarts in more cases than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestartPolicy {
    Never,
    OnFailure,
    OnUnhealthy,
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    OnCreate,
    Never,
}

pub(crate) const ORDER_LAST: u32 = u32::MAX;

const STATUSES: [(&str, DesiredStatus); 2] =
    [("running", DesiredStatus::Running), ("stopped", DesiredStatus::Stopped)];
const RESTART_POLICIES: [(&str, RestartPolicy); 4] = [
    ("never", RestartPolicy::Never),
    ("on-failure", RestartPolicy::OnFailure),
    ("on-unhealthy", RestartPolicy::OnUnhealthy),
    ("always", RestartPolicy::Always),
];
const PULL_POLICIES: [(&str, PullPolicy); 2] =
    [("on-create", PullPolicy::OnCreate), ("never", PullPolicy::Never)];

impl DesiredStatus {
    pub fn as_str(self) -> &'static str {
        word(&STATUSES, self)
    }
}

impl RestartPolicy {
    pub fn as_str(self) -> &'static str {
        word(&RESTART_POLICIES, self)
    }
}

impl PullPolicy {
    pub fn as_str(self) -> &'static str {
        word(&PULL_POLICIES, self)
    }
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], meaning: T) -> &'static str {
    words.iter().find(|(_, found)| *found == meaning).map_or("", |(word, _)| word)
}

impl Module {
    pub(super) fn read(members: &Members<'_>, policy: RestartPolicy) -> Option<Self> {
        if members.get("status").is_none() {
            members.fault_at("status", "it is missing, write running or stopped");
        }
        let status = members.word("status", &STATUSES);
        if members.given("restartPolicy").is_some_and(Value::is_null) {
            members.fault_at("restartPolicy", "it is null, leave it out or choose a policy");
        }
        let restart_policy = members.word("restartPolicy", &RESTART_POLICIES).unwrap_or(policy);
        let startup_order = order(members);
        Self::read_rest(members, |module| Self {
            status: status.unwrap_or(DesiredStatus::Running),
            restart_policy,
            startup_order,
            ..module
        })
    }

    /// The agent runs, always, and first, whatever is written.
    pub(super) fn read_agent(members: &Members<'_>) -> Option<Self> {
        Self::read_rest(members, |module| module)
    }

    fn read_rest(members: &Members<'_>, finish: impl FnOnce(Self) -> Self) -> Option<Self> {
        members.kind("type");
        let version = members.text("version").unwrap_or_default();
        let pull_policy = members.word("imagePullPolicy", &PULL_POLICIES).unwrap_or(PullPolicy::OnCreate);
        let env = members.optional_object("env");
        let env = env.map(|env| env.each(|_, value| Some(value.text("value").unwrap_or_default())));
        let configuration = members.optional_object("configuration");
        let configuration_id = configuration.and_then(|configuration| configuration.text("id"));
        let settings = members.object("settings")?;
        let image = settings.required_text("image").and_then(|text| {
            Image::parse(&text).map_err(|error| settings.fault_at("image", error.to_string())).ok()
        });
        let options = options::read(&settings);
        let digest = settings.text("digest");
        Some(finish(Self {
            version,
            status: DesiredStatus::Running,
            restart_policy: RestartPolicy::Always,
            pull_policy,
            startup_order: 0,
            env: env.unwrap_or_default(),
            image: image?,
            options: options?,
            digest,
            configuration_id: configuration_id.unwrap_or_default(),
        }))
    }
}

fn order(members: &Members<'_>) -> u32 {
    let Some(value) = members.get("startupOrder") else { return ORDER_LAST };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let order = number.and_then(|number| u32::try_from(number).ok());
    if order.is_none() {
        members.fault_at("startupOrder", format!("{} is no number from 0 to {ORDER_LAST}", shown(value)));
    }
    order.unwrap_or(ORDER_LAST)
}

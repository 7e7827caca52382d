//! The engine about itself and its machine.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    pub version: String,
    /// `linux`.
    pub os: String,
    /// `x86_64`, as the kernel says.
    pub architecture: String,
    pub operating_system: String,
    pub kernel: String,
    pub cpus: u64,
    pub memory_bytes: u64,
    /// Who keeps what containers write, where they do not say: `json-file` grows without a limit.
    pub log_driver: String,
}

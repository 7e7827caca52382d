//! A machine that is not there, and its temperature: the module with which the tutorials of IoT Edge
//! begin. Same messages, variables, twin properties, method and input as the original's.
#![forbid(unsafe_code)]

mod control;
mod host;
mod line;
mod message;
mod program;
mod sensor;
mod settings;
mod walk;
mod workload;

pub use control::{Command, commands};
pub use host::{Host, HostError};
pub use message::Message;
pub use program::run;
pub use sensor::{Sensor, SensorOptions};
pub use settings::{Settings, SettingsError, Transport};
pub use walk::{Readings, Walk, WalkOptions};
pub use workload::{Workload, WorkloadError};

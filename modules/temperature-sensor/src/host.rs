//! Who this module is and where its edge is: what every module finds in its environment.

use skerry_model::{DeviceId, ModuleId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub hub_host: String,
    /// The edge, under which name its certificate is.
    pub gateway_host: String,
    pub device: DeviceId,
    pub module: ModuleId,
    pub generation: String,
    pub workload_uri: String,
    pub api_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name} is {problem}; this program runs as a module of IoT Edge, which sets it")]
pub struct HostError {
    pub name: &'static str,
    pub problem: String,
}

impl Host {
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, HostError> {
        let text = |name| {
            variable(name)
                .filter(|value| !value.is_empty())
                .ok_or(HostError { name, problem: "missing".to_owned() })
        };
        let hub_host = text("IOTEDGE_IOTHUBHOSTNAME")?;
        let id = |name| text(name).map(|value| (name, value));
        let (name, device) = id("IOTEDGE_DEVICEID")?;
        let wrong = |name, error: skerry_model::IdError| HostError { name, problem: error.to_string() };
        let device = device.parse().map_err(|error| wrong(name, error))?;
        let (name, module) = id("IOTEDGE_MODULEID")?;
        let module = module.parse().map_err(|error| wrong(name, error))?;
        Ok(Self {
            gateway_host: variable("IOTEDGE_GATEWAYHOSTNAME").unwrap_or_else(|| hub_host.clone()),
            device,
            module,
            generation: text("IOTEDGE_MODULEGENERATIONID")?,
            workload_uri: text("IOTEDGE_WORKLOADURI")?,
            api_version: text("IOTEDGE_APIVERSION")?,
            hub_host,
        })
    }
}

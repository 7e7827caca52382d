//! `skerry dev fault …`: asks a hub to break the connections of a device. Any hub does that whose faults
//! are switched on.

use http::Method;
use serde_json::json;

use super::options::{FaultArgs, FaultOptions, FaultVerb, Lasting};
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

const FAULTS: &str = "/skerry/v1/faults";

pub async fn run(args: &FaultArgs) -> Result<(), Failure> {
    // By the words that the vendors' own test suites have for them.
    let (word, fault, lasts) = match &args.verb {
        FaultVerb::Delay { id, module, by, lasting } => {
            let body = json!({
                "deviceId": id,
                "moduleId": module,
                "operationType": "HoldMessages",
                "durationSeconds": lasting.seconds,
                "holdMilliseconds": by,
            });
            let mut client = Client::connect(&args.target).await?;
            return client.call(Method::POST, FAULTS, Some(&body), &[]).await.map(drop);
        }
        FaultVerb::Disconnect { fault } => ("ShutDownMqtt", fault, None),
        FaultVerb::Drop { fault } => ("KillTcp", fault, None),
        FaultVerb::Throttle { fault, lasting } => ("InvokeThrottling", fault, Some(lasting)),
        FaultVerb::Refuse { fault, lasting } => ("InvokeAuthError", fault, Some(lasting)),
    };
    let FaultOptions { id, module, after } = fault;
    let mut client = Client::connect(&args.target).await?;
    let body = json!({
        "deviceId": id,
        "moduleId": module,
        "operationType": word,
        "delaySeconds": after,
        "durationSeconds": lasts.map_or(0, |Lasting { seconds }| *seconds),
    });
    let answer = client.call(Method::POST, FAULTS, Some(&body), &[]).await?.body;
    let name = module.as_ref().map_or_else(|| id.clone(), |module| format!("{id}/{module}"));
    if lasts.is_none() && answer["connections"] == 0 {
        return Err(Failure::NotFound(format!(
            "{name} is not connected over MQTT or AMQP, so there is nothing to break"
        )));
    }
    if args.target.json {
        return output::json(&answer);
    }
    output::line(&format!("connections          {}", output::cell(&answer["connections"])))
}

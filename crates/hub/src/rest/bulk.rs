//! `POST /devices`: up to a hundred identities, each with a result of its own.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use skerry_model::ErrorCode;
use skerry_model::limits::BULK_IDENTITIES_MAX;

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::{BulkItem, BulkOutcome};

impl Hub {
    pub(super) async fn bulk(&self, request: &Request) -> Result<Reply, Problem> {
        let sent: Vec<Map<String, Value>> = request.json()?;
        if sent.len() > BULK_IDENTITIES_MAX {
            let text = format!(
                "{} identities in one request, at most {BULK_IDENTITIES_MAX} are allowed",
                sent.len()
            );
            return Err(Problem::argument(text));
        }
        let mut seen = HashSet::new();
        let mut items = Vec::with_capacity(sent.len());
        for item in sent {
            let item = BulkItem::read(item).map_err(|error| Problem::argument(error.to_string()))?;
            if !seen.insert((item.0.id.clone(), item.0.moduleid.clone())) {
                let text = format!("{} stands twice in one request", item.0.id);
                return Err(Problem::new(ErrorCode::DeviceDefinedMultipleTimes, text));
            }
            items.push(item);
        }
        let outcomes = self.registry.bulk(items).await;
        let errors: Vec<Value> = outcomes.iter().filter_map(failure).collect();
        let failed = !errors.is_empty();
        let body = json!({"isSuccessful": !failed, "errors": errors, "warnings": []});
        let mut reply = Reply::json(if failed { 400 } else { 200 }, &body);
        if failed {
            reply.header("iothub-errorcode", ErrorCode::BulkRegistryOperationFailure.name());
        }
        Ok(reply)
    }
}

fn failure(outcome: &BulkOutcome) -> Option<Value> {
    let error = outcome.result.as_ref().err()?;
    Some(json!({
        "deviceId": outcome.device,
        "moduleId": outcome.module,
        "errorCode": error.code().name(),
        "errorStatus": error.to_string(),
        "operation": outcome.mode.as_str(),
    }))
}

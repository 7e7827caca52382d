//! Modules of an edge device whose runtime reaches the hub through its parent only.

use http::Method;
use serde_json::{Value, json};

use super::{edge, hub_token, ids, with_headers};
use crate::world::everywhere;

#[test]
fn a_parent_manages_modules_for_what_is_behind_it() {
    everywhere(|world| async move {
        let top = edge(&world, "top", None).await;
        let mid = edge(&world, "mid", Some(&top)).await;
        edge(&world, "low", Some(&mid)).await;
        edge(&world, "stranger", None).await;
        let token = hub_token(&world, "top").await;
        let ask = async |operation: &str, body: Value, headers: &[(&str, &str)]| {
            let uri = format!("/devices/top/modules/$edgeHub/{operation}");
            with_headers(&world, Method::POST, &uri, Some(body), &token, headers).await
        };
        let module = |authentication: Value| json!({"moduleId": "m1", "managedBy": "iotEdge", "deviceId": "low", "generationId": null, "authentication": authentication});
        let chain = "low;mid;top";
        let get = json!({"authChain": chain, "targetModuleId": "m1"});
        ask("getModuleOnBehalfOf", get.clone(), &[]).await.refused(404, "ModuleNotFound");
        let put = json!({"authChain": chain, "module": module(json!(null))});
        let made = ask("putModuleOnBehalfOf", put.clone(), &[]).await.expect(200);
        assert_eq!((&made["deviceId"], &made["managedBy"]), (&json!("low"), &json!("iotEdge")));
        ask("putModuleOnBehalfOf", put, &[]).await.refused(409, "ModuleAlreadyExistsOnDevice");
        let key = "AAAAAAAAAAAAAAAAAAAAAA==";
        let keys = json!({"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}});
        let put = json!({"authChain": chain, "module": module(keys)});
        let updated = ask("putModuleOnBehalfOf", put.clone(), &[("if-match", "*")]).await.expect(200);
        let uri = "/devices/top/modules/$edgeHub/putModuleOnBehalfOf";
        let if_match = [("if-match", "*")];
        let again = with_headers(&world, Method::PUT, uri, Some(put), &token, &if_match).await.expect(200);
        assert_eq!(again["authentication"], updated["authentication"]);
        let updated = again;
        assert_eq!(updated["authentication"]["symmetricKey"]["primaryKey"], key);
        assert_eq!(ask("getModuleOnBehalfOf", get.clone(), &[]).await.expect(200), updated);
        assert_eq!(world.get("/devices/low/modules/m1").await.expect(200), updated);
        let list = ask("getModulesOnTargetDevice", json!({"authChain": chain}), &[]).await.expect(200);
        assert_eq!(ids(&list, "moduleId"), ["$edgeAgent", "$edgeHub", "m1"]);
        let agent = json!({"authChain": chain, "targetModuleId": "$edgeAgent"});
        ask("getModuleOnBehalfOf", agent, &[]).await.expect(200);

        let foreign = json!({"authChain": "mid;top", "module": module(json!(null))});
        ask("putModuleOnBehalfOf", foreign, &[]).await.refused(400, "ArgumentInvalid");
        for chain in ["low;top", "stranger;top", "low;mid", "low;mid;stranger"] {
            for (operation, body) in [
                ("putModuleOnBehalfOf", json!({"authChain": chain, "module": module(json!(null))})),
                ("getModuleOnBehalfOf", json!({"authChain": chain, "targetModuleId": "m1"})),
                ("getModulesOnTargetDevice", json!({"authChain": chain})),
                ("deleteModuleOnBehalfOf", json!({"authChain": chain, "moduleId": "m1"})),
            ] {
                ask(operation, body, &[]).await.refused(401, "IotHubUnauthorizedAccess");
            }
        }
        let delete = json!({"authChain": chain, "moduleId": "m1"});
        let gone = ask("deleteModuleOnBehalfOf", delete, &[]).await;
        assert_eq!((gone.status, gone.body.is_null()), (204, true));
        ask("getModuleOnBehalfOf", get, &[]).await.refused(404, "ModuleNotFound");
        let system = json!({"authChain": chain, "moduleId": "$edgeAgent"});
        let kept = ask("deleteModuleOnBehalfOf", system, &[]).await;
        kept.refused(401, "SystemModuleModifyUnauthorizedAccess");
    });
}

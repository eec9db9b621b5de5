//! What Azure Monitor adds by itself beside an Application Insights component, some minutes later: a
//! failure anomalies alert rule for each, and one action group in its group (`facts.md` 4). Both are
//! ordinary resources: they are listed, keep a group from being empty, and go with it. A rule that is
//! deleted comes back as long as its component lives; one whose component is gone stays.

use serde_json::{Value, json};

use crate::arm::{ArmError, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::names::fits;
use crate::providers::{Answer, Kind, Style};
use crate::state::{State, Stored};
use crate::times::Lag;
use beamline_base::id::ResourceId;

/// A rule that looks for unusual failures.
pub(in crate::providers) struct DetectorRule;

/// Whom an alert tells.
pub(in crate::providers) struct ActionGroup;

static RULE: Style = Style {
    arm_type: "microsoft.alertsManagement/smartDetectorAlertRules",
    first_version: "2019-03-01",
    ..Style::TRACKED
};

static ACTION_GROUP: Style = Style {
    arm_type: "microsoft.insights/actionGroups",
    first_version: "2017-04-01",
    create: Answer::Sync(201),
    ..Style::TRACKED
};

/// The action group that all components of a resource group share.
const SHARED: &str = "Application Insights Smart Detection";

/// What the name of a component's rule begins with.
const RULE_PREFIX: &str = "Failure Anomalies - ";

/// The roles that the shared action group tells: Monitoring Contributor and Monitoring Reader.
const TOLD: [(&str, &str); 2] = [
    ("Monitoring Contributor", "749f88d5-cbae-40b8-bcfc-e573ddc772fa"),
    ("Monitoring Reader", "43d0d8ad-25c7-4714-9337-8ba259a9fe05"),
];

fn required(write: &Write<'_>, names: &[&str]) -> Result<(), ArmError> {
    if !fits(write.name(), 1, 260, |c| !c.is_control()) {
        let message = format!("The name '{}' is longer than 260 characters.", write.name());
        return Err(ArmError::bad_request("BadRequest", message));
    }
    let missing = |name: &&&str| body::at(write.body, &format!("/properties/{name}")).is_none();
    match names.iter().find(missing) {
        Some(name) => {
            let message = format!("The property '{name}' is required.");
            Err(ArmError::bad_request("BadRequest", message).at(&format!("properties.{name}")))
        }
        None => Ok(()),
    }
}

impl Kind for DetectorRule {
    fn style(&self) -> &'static Style {
        &RULE
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        required(write, &["state", "severity", "frequency", "detector", "scope", "actionGroups"])
    }

    fn fill(&self, _state: &mut State, write: &Write<'_>) -> Value {
        write.body.clone()
    }

    fn removed(&self, state: &mut State, stored: &Stored, _afterlife: Afterlife) {
        let scope = body::items(&stored.body, "/properties/scope").first().and_then(Value::as_str);
        if let Some(component) = scope.and_then(|scope| scope.parse().ok()) {
            watch(state, &component);
        }
    }
}

impl Kind for ActionGroup {
    fn style(&self) -> &'static Style {
        &ACTION_GROUP
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        required(write, &["groupShortName"])
    }

    fn fill(&self, _state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        body::fill(&mut filled, "/properties/enabled", json!(true));
        for receivers in RECEIVERS {
            body::fill(&mut filled, &format!("/properties/{receivers}"), json!([]));
        }
        filled
    }
}

const RECEIVERS: [&str; 10] = [
    "emailReceivers",
    "smsReceivers",
    "webhookReceivers",
    "itsmReceivers",
    "azureAppPushReceivers",
    "automationRunbookReceivers",
    "voiceReceivers",
    "logicAppReceivers",
    "azureFunctionReceivers",
    "armRoleReceivers",
];

/// The rule of a component.
fn rule_of(component: &ResourceId) -> Option<ResourceId> {
    let name = format!("{RULE_PREFIX}{}", component.name());
    Some(component.resource_group_id()?.provider(RULE.arm_type, &name))
}

/// A component is there: its rule is due after a while.
pub(in crate::providers) fn watch(state: &mut State, component: &ResourceId) {
    let Some(rule) = rule_of(component).filter(|rule| state.get(rule).is_none()) else { return };
    let now = state.now();
    let lag = state.lag(Lag::ByProduct, &format!("by-products of {}", rule.folded()));
    state.watched.insert((now.checked_add(lag).unwrap_or(now), component.clone()));
}

/// Makes what is due by now.
pub(crate) fn add_due(state: &mut State) {
    let now = state.now();
    while let Some((due, _)) = state.watched.first()
        && *due <= now
    {
        let Some((_, component)) = state.watched.pop_first() else { return };
        add(state, &component);
    }
}

fn add(state: &mut State, component: &ResourceId) {
    let (Some(component), Some(group)) =
        (state.get(component).map(|stored| stored.id.clone()), component.resource_group_id())
    else {
        return;
    };
    let Some(rule) = rule_of(&component).filter(|rule| state.get(rule).is_none()) else { return };
    let shared = group.provider(ACTION_GROUP.arm_type, SHARED);
    if state.get(&shared).is_none() {
        state.store(&shared, action_group(&shared));
    }
    state.store(&rule, detector_rule(&rule, &component, &shared));
}

fn action_group(id: &ResourceId) -> Value {
    let told = TOLD.map(|(name, role)| json!({ "name": name, "roleId": role, "useCommonAlertSchema": true }));
    let mut properties = json!({ "groupShortName": "SmartDetect", "enabled": true });
    for receivers in RECEIVERS {
        properties[receivers] = json!([]);
    }
    properties["armRoleReceivers"] = json!(told);
    json!({
        "id": id.as_str(), "type": ACTION_GROUP.arm_type, "name": id.name(), "location": "Global",
        "tags": {}, "properties": properties,
    })
}

fn detector_rule(id: &ResourceId, component: &ResourceId, shared: &ResourceId) -> Value {
    json!({
        "id": id.as_str(), "type": RULE.arm_type, "name": id.name(), "location": "global",
        "properties": {
            "description": "Failure Anomalies notifies you of an unusual rise in the rate of failed HTTP requests or \
                            dependency calls.",
            "state": "Enabled", "severity": "Sev3", "frequency": "PT1M",
            "detector": { "id": "FailureAnomaliesDetector" },
            "scope": [component.as_str()], "actionGroups": { "groupIds": [shared.as_str()] },
        },
    })
}

//! Every body that the catalog emits is one that Microsoft's own schemas accept.
//!
//! The schemas are those of deployment templates (Azure/azure-resource-manager-schemas, MIT), which are
//! not part of this repository: the test says so and passes where they are absent, and fails in CI.
//! They are made fit for requests and sharpened: an unknown property is an error wherever the schema
//! lists the known ones, template expressions are no values, and a polymorphic type is its leaf.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use beamline::definitions::Environment;
use beamline::reconcile::plan::{Plan, Verb};
use beamline::resources::placeholder::substitute;
use beamline::resources::{self, Kind, Target};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError, Validator};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{AzureWorld, Definition, PRODUCTION, block_on, definition, place_identities};

/// A known value for what only an apply can yield.
const LATER: &str = "11111111-2222-3333-4444-555555555555";

static VALIDATORS: LazyLock<Option<BTreeMap<Kind, Validator>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/azure/schemas/schemas");
    if folder.is_dir() {
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Subnet);
        return Some(kinds.map(|kind| (kind, validator(&folder, kind))).collect());
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs {}", folder.display());
    println!("skipped: Microsoft's schemas are not at {}", folder.display());
    None
});

fn file_of(folder: &Path, kind: Kind) -> PathBuf {
    let spec = resources::of(kind).spec();
    let name = match spec.arm_type.split('/').next().unwrap() {
        "Microsoft.Insights" => "Microsoft.Insights.Application",
        "Microsoft.Network" => "Microsoft.Network.NRP",
        namespace => namespace,
    };
    folder.join(spec.api_version.0).join(format!("{name}.json"))
}

fn validator(folder: &Path, kind: Kind) -> Validator {
    let path = file_of(folder, kind);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let (_, segments) = resources::of(kind).spec().arm_type.split_once('/').unwrap();
    let name = segments.replace('/', "_");
    let places = ["resourceDefinitions", "subscription_resourceDefinitions"];
    let mut resource =
        places.iter().find_map(|at| file[at].get(&name)).unwrap_or_else(|| panic!("{name}")).clone();
    resource["additionalProperties"] = json!(false);
    let mut definitions = file["definitions"].take();
    let leaves = polymorphic(&mut definitions);
    for (name, definition) in definitions.as_object_mut().unwrap() {
        let lists_all = definition["properties"].as_object().is_some_and(|known| !known.is_empty());
        if lists_all && !leaves.contains(name) && definition.get("additionalProperties").is_none() {
            definition["additionalProperties"] = json!(false);
        }
    }
    let mut schema = json!({ "definitions": definitions, "allOf": [resource] });
    without_expressions(&mut schema);
    jsonschema::options()
        .with_draft(Draft::Draft4)
        .build(&schema)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Makes polymorphic types satisfiable: in Microsoft's form their base forbids what their leaves add.
/// Answers the names of the leaves.
fn polymorphic(definitions: &mut Value) -> Vec<String> {
    let all = definitions.clone();
    let known = |definition: &Value| {
        let members = definition["properties"].as_object().cloned().unwrap_or_default();
        members.into_iter().map(|(name, _)| (name, json!({}))).collect::<Map<_, _>>()
    };
    let mut leaves = Vec::new();
    for definition in definitions.as_object_mut().unwrap().values_mut() {
        let Some([base, choice]) =
            definition.get_mut("allOf").and_then(Value::as_array_mut).map(Vec::as_mut_slice)
        else {
            continue;
        };
        let Some(branches) = choice.get_mut("oneOf").and_then(Value::as_array_mut) else { continue };
        base.as_object_mut().unwrap().remove("additionalProperties");
        for branch in branches {
            let leaf = branch["allOf"][0]["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let members: Map<_, _> = known(base).into_iter().chain(known(&all[&leaf])).collect();
            let closed = json!({ "properties": members, "additionalProperties": false });
            branch["allOf"].as_array_mut().unwrap().push(closed);
            leaves.push(leaf);
        }
    }
    leaves
}

/// What Azure answers with `null` goes back as `null`, and means to ARM that it is not there.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Template expressions are no values of a request; `const` is not yet a word of draft 4.
fn without_expressions(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let to = members.get("$ref").and_then(Value::as_str).unwrap_or_default();
            if to.starts_with("https://") {
                *schema = json!({ "not": {} });
                return;
            }
            if let Some(value @ Value::String(_)) = members.get("const").cloned() {
                members.remove("const");
                members.insert("enum".to_owned(), json!([value]));
            }
            members.values_mut().for_each(without_expressions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_expressions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is wrong with the bodies of a plan's PUTs, by Microsoft's schemas.
fn violations(plan: &Plan, observed: impl Fn(&Target) -> Option<Value>) -> Vec<String> {
    let Some(validators) = VALIDATORS.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    for step in &plan.steps {
        let kind = step.address.kind();
        for request in step.requests.iter().filter(|request| request.verb == Verb::Put) {
            let body = match (&request.body, &request.merge) {
                (Some(body), _) => body.clone(),
                (None, Some(merge)) => match observed(&step.target) {
                    Some(fresh) => merge.apply(&fresh).unwrap(),
                    None => continue,
                },
                (None, None) => panic!("{}: a PUT without a body", step.address),
            };
            let body = substitute(&body, &|_| Some(json!(LATER))).unwrap();
            let resource = as_template(body, kind, &step.target);
            let errors = validators[&kind].iter_errors(&resource);
            found.extend(errors.map(|error| format!("{} {}", step.address, told(&error))));
        }
    }
    found
}

/// The error, and the errors of the branches that a choice tried: those say which property it is.
fn told(error: &ValidationError<'_>) -> String {
    let at = error.instance_path();
    // What stands in the place of a template expression.
    if matches!(error.kind(), ValidationErrorKind::Not { .. }) {
        return String::new();
    }
    let (ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context }) =
        error.kind()
    else {
        return format!("{at}: {error}");
    };
    let told: Vec<String> = context.iter().flatten().map(told).collect();
    told.into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The request as a template's resource, which is what the schemas describe.
fn as_template(mut body: Value, kind: Kind, target: &Target) -> Value {
    let spec = resources::of(kind).spec();
    let name = match target {
        Target::Known(id) => id.name(),
        Target::RoleAssignment { .. } => LATER,
    };
    without_nulls(&mut body);
    body["name"] = json!(name);
    body["type"] = json!(spec.arm_type);
    body["apiVersion"] = json!(spec.api_version.0);
    if kind == Kind::ResourceGroup {
        // The schema requires it, and ARM does not.
        body["properties"] = json!({});
    }
    body
}

async fn first_plan(environment: &Environment) -> Plan {
    AzureWorld::new().planned(environment).await.plan
}

#[tokio::test(start_paused = true)]
async fn the_shipped_environments_fit_microsofts_schemas() {
    for (path, text) in [
        ("environments/production.yaml", PRODUCTION),
        ("environments/staging.yaml", include_str!("../../environments/staging.yaml")),
        ("environments/dev.toml", include_str!("../../environments/dev.toml")),
    ] {
        let file = beamline::definitions::SourceFile::from_bytes(path, text.as_bytes());
        let environment = beamline::definitions::load(&[file]).environment.unwrap();
        let plan = first_plan(&environment).await;
        assert!(plan.steps.len() >= 7, "{path}");
        assert_eq!(violations(&plan, |_| None), [""; 0], "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn full_replace_writes_send_nothing_back_that_only_azure_may_say() {
    let world = AzureWorld::new();
    let endpoints = json!(["Microsoft.Storage"]);
    let delegations = json!(["Microsoft.MachineLearningServices/workspaces"]);
    let base = Definition::with_spares()
        .with("virtual_networks/main/subnets/spare/service_endpoints", endpoints)
        .with("virtual_networks/main/subnets/spare/delegations", delegations);
    world.apply(&base.text()).await;
    let after = base
        .with("tags/team", "platform")
        .with("virtual_networks/main/dns_servers", json!(["10.1.0.4"]))
        .with("workspace/storage_account_access_type", "Identity")
        .with("application_insights/main/sampling_percentage", 50)
        .with("role_assignments/spare/description", "for reports");
    let plan = world.plan(&after.text()).await;
    let observed = |target: &Target| match target {
        Target::Known(id) => world.azure.get(id),
        Target::RoleAssignment { .. } => None,
    };
    assert_eq!(violations(&plan, observed), [""; 0]);
}

#[test]
fn an_unknown_or_misspelled_property_is_found() {
    let Some(validators) = VALIDATORS.as_ref() else { return };
    let environment = Definition::with_spares().environment();
    let plan = block_on(first_plan(&environment));
    for step in plan.steps.iter().filter(|step| step.address.kind() != Kind::Subnet) {
        let kind = step.address.kind();
        let body = step.requests[0].body.clone().unwrap();
        let body = substitute(&body, &|_| Some(json!(LATER))).unwrap();
        for at in ["", "/properties", "/properties/properties"] {
            let mut broken = as_template(body.clone(), kind, &step.target);
            // A dictionary of a datastore takes anything, and a group has no properties.
            let is_free = matches!(
                (kind, at),
                (Kind::Datastore, "/properties/properties") | (Kind::ResourceGroup, "/properties")
            );
            let Some(Value::Object(members)) = broken.pointer_mut(at).filter(|_| !is_free) else { continue };
            members.insert("colour".to_owned(), json!("blue"));
            assert!(!validators[&kind].is_valid(&broken), "{} {at}", step.address);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_definitions_fit_microsofts_schemas(definition in definition()) {
        let environment = definition.environment();
        let plan = block_on(async {
            let world = AzureWorld::new();
            place_identities(&world);
            world.planned(&environment).await.plan
        });
        prop_assert_eq!(violations(&plan, |_| None), Vec::<String>::new());
    }
}

//! Role assignments: `Microsoft.Authorization/roleAssignments`, who may do what with what.
//!
//! Guarantees: (scope, role, principal) is the identity of an assignment. The id is a function of the
//! three, so the same definition always means the same assignment; Azure has at most one for each
//! triple, and one that somebody made under another id is recognised by [`ResourceType::is_same`]. Another scope,
//! role or principal is another assignment, never a difference. Our mark stands in the description.
//! Sources: facts.md 8 (Role Assignments API 2022-04-01; Troubleshoot Azure RBAC, learn.microsoft.com).

mod description;
mod service;

use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::address::{Address, Kind};
use super::behaviour::{Behaviour, Identity};
use super::body;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Target, Update, Write,
};
use super::difference::{Difference, Effect, difference_of};
use super::field::{Arm, Change, Field, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::{ApiVersion, ResourceId};
use super::identity;
use super::mark::{Marked, Seal};
use super::placeholder::Placeholder;
use super::pointer;
use super::resource::{Adoption, Reference, Resource, Resources};
use super::role;

pub use description::mark_of;
pub use service::is_made_by_service;

/// Role assignments.
#[derive(Debug)]
pub struct RoleAssignment;

const ARM_TYPE: &str = "Microsoft.Authorization/roleAssignments";

/// Where a resource's own identity is known from.
const PRINCIPAL_ID: &str = "/identity/principalId";

const ROLE: &str = "/properties/roleDefinitionId";
const PRINCIPAL: &str = "/properties/principalId";
const PRINCIPAL_TYPE: &str = "/properties/principalType";
const SCOPE: &str = "/properties/scope";
const DESCRIPTION: &str = "/properties/description";
const CONDITION: &str = "/properties/condition";
const CONDITION_VERSION: &str = "/properties/conditionVersion";

/// The namespace of derived ids. It must never change: every id in Azure follows from it.
const NAMESPACE: Uuid = uuid!("8d3f6b52-9a41-5c0e-b7d6-2f1e40c95a77");

/// The longest text of a user; mark and address stand before it.
const MAX_DESCRIPTION_CHARS: usize = 512;

const IDENTITY: Change = Change::CreationOnly("another scope, role or principal is another assignment");

/// Kinds whose resources can have an identity of their own.
const PRINCIPALS: &[Kind] = &[Kind::Workspace, Kind::ComputeCluster, Kind::ComputeInstance];

/// Everything that a role can be given on.
const SCOPES: &[Kind] = &[
    Kind::ResourceGroup,
    Kind::StorageAccount,
    Kind::Container,
    Kind::KeyVault,
    Kind::LogAnalyticsWorkspace,
    Kind::ApplicationInsights,
    Kind::ContainerRegistry,
    Kind::VirtualNetwork,
    Kind::Subnet,
    Kind::Workspace,
    Kind::ComputeCluster,
    Kind::ComputeInstance,
];

static SPEC: Spec = Spec {
    kind: Kind::RoleAssignment,
    key: "role_assignments",
    noun: "role assignment",
    arm_type: ARM_TYPE,
    api_version: ApiVersion("2022-04-01"),
    doc: "Gives a role on a scope to a principal. An assignment follows the identity it is for: if the \
          resource is made again, so is the assignment.",
    parent: None,
    segment: "",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Description,
    protection: Protection::Free,
    listing: Listing::AtScope,
    located: Located::No,
    read_only: &[
        SCOPE,
        "/properties/createdOn",
        "/properties/createdBy",
        "/properties/updatedOn",
        "/properties/updatedBy",
    ],
    timeout_secs: 30 * 60,
    behaviour: Behaviour {
        // Azure's word for it (Troubleshoot Azure RBAC, learn.microsoft.com).
        identity: Identity::Content { taken: "RoleAssignmentExists" },
        propagates: true,
        ..Behaviour::USUAL
    },
};

static FIELDS: [Field; 6] = [
    Field {
        name: "principal",
        doc: "Who gets the role: `workspace`, `compute_clusters/<name>` or `compute_instances/<name>` for \
              the identity of that resource, or an object id for anybody else.",
        shape: Shape::Principal(PRINCIPALS),
        absent: WhenAbsent::Refused,
        arm: Arm::Nowhere,
        change: IDENTITY,
    },
    Field {
        name: "principal_type",
        doc: "What an object id stands for. Left out, Azure looks it up; the identity of a resource is \
              always a `ServicePrincipal`.",
        shape: Shape::Choice(&["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At(PRINCIPAL_TYPE),
        change: Change::CreationOnly(
            "it tells Azure where to look for the principal, and changes nothing afterwards",
        ),
    },
    Field {
        name: "role",
        doc: "A built-in role by its name, or any role by its GUID or full ARM id.",
        shape: Shape::Text { max_chars: 512, example: Some("Reader") },
        absent: WhenAbsent::Refused,
        arm: Arm::Nowhere,
        change: IDENTITY,
    },
    Field {
        name: "scope",
        doc: "What the role is given on: `resource_group`, `workspace`, `<type>/<name>`, or a full ARM id.",
        shape: Shape::Reference(SCOPES),
        absent: WhenAbsent::Refused,
        arm: Arm::Nowhere,
        change: IDENTITY,
    },
    Field {
        name: "description",
        doc: "For people. In Azure beamline's mark stands before it.",
        shape: Shape::Text { max_chars: MAX_DESCRIPTION_CHARS, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::By { write: write_description, read: read_description },
        change: Change::InPlace,
    },
    Field {
        name: "condition",
        doc: "Narrows what the role allows, in the language of Azure's attribute-based access control.",
        shape: Shape::Text { max_chars: 8192, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::At(CONDITION),
        change: Change::InPlace,
    },
];

/// The id of the assignment of `role_definition` on `scope` to the principal with this object id.
#[must_use]
pub fn id(scope: &ResourceId, role_definition: Uuid, principal: &str) -> ResourceId {
    let triple = format!("{}|{role_definition}|{principal}", scope.folded()).to_ascii_lowercase();
    scope.provider(ARM_TYPE, &Uuid::new_v5(&NAMESPACE, triple.as_bytes()).to_string())
}

/// Whether `observed` is the assignment that `resource` declares, under whatever id: same scope, role
/// and principal. `false` while the principal is not known.
fn matches(resource: &Resource, observed: &Value, context: &Context<'_>) -> bool {
    let Some(Principal::Known(principal)) = principal(resource, context) else { return false };
    declared_role(resource).is_some_and(|role| gives(observed, &scope(resource, context), role, &principal))
}

/// Whether `observed` is the assignment of this role on `scope` to this principal, under whatever id.
pub(super) fn gives(observed: &Value, scope: &ResourceId, role_definition: Uuid, principal: &str) -> bool {
    scope_in(observed).is_some_and(|found| found == *scope)
        && text(observed, ROLE).and_then(role::of_id) == Some(role_definition)
        && text(observed, PRINCIPAL).is_some_and(|found| found.eq_ignore_ascii_case(principal))
}

fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    pointer::get(body, pointer).and_then(Value::as_str)
}

/// What an observed assignment gives its role on.
fn scope_in(observed: &Value) -> Option<ResourceId> {
    let own_scope = || text(observed, "/id")?.parse::<ResourceId>().ok()?.parent();
    text(observed, SCOPE).and_then(|scope| scope.parse().ok()).or_else(own_scope)
}

/// The assignments of `all` to principals that the definition does not make, on what is there before the
/// workspace. Whether one of them is for a user-assigned identity is not written anywhere.
pub(crate) fn to_others_before_workspace(all: &Resources) -> impl Iterator<Item = &Resource> {
    let is_inside =
        |kind: Kind| kind == Kind::Workspace || super::of(kind).spec().parent == Some(Kind::Workspace);
    let assignments = all.values().filter(|one| one.address.kind() == Kind::RoleAssignment);
    assignments.filter(|one| local_principal(one).is_none()).filter(move |one| {
        match one.references.get("scope") {
            Some(Reference::Local(scope)) => !is_inside(scope.kind()),
            Some(Reference::Arm(_)) | None => true,
        }
    })
}

impl ResourceType for RoleAssignment {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn told(&self, observed: &Value) -> Option<String> {
        let definition = text(observed, ROLE)?;
        let role = role::of_id(definition);
        let role = role.and_then(role::name_of).map(str::to_owned).or_else(|| Some(role?.to_string()));
        let kind = text(observed, PRINCIPAL_TYPE).unwrap_or("principal");
        let scope = scope_in(observed)?;
        Some(format!(
            "{} for {kind} {} on {}",
            role.as_deref().unwrap_or(definition),
            text(observed, PRINCIPAL)?,
            scope.name()
        ))
    }

    /// Descriptions have no seal: nothing copies them but a person who grants the same to somebody else.
    fn mark_on(&self, observed: &Value) -> Option<Marked> {
        let (mark, address) = mark_of(text(observed, DESCRIPTION)?)?;
        Some(Marked { mark, address: Some(address), seal: Seal::Right })
    }

    fn is_adopted(&self, observed: &Value) -> bool {
        text(observed, DESCRIPTION).is_some_and(description::is_adopted)
    }

    /// The user's part of the description stays.
    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        let found = text(observed, DESCRIPTION).unwrap_or_default();
        let left = description::parse(found).and_then(|(_, _, text)| text).map(Value::from);
        let mut merge = body::unmarked(self.spec(), observed);
        merge.own(DESCRIPTION.to_owned(), observed, left);
        Ok(vec![Write::Merged(merge)])
    }

    fn is_released(&self, observed: &Value) -> bool {
        self.mark_on(observed).is_none()
    }

    fn is_same(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> bool {
        matches(resource, observed, context)
    }

    /// Two of scope, role and principal are the same.
    fn succeeds(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> bool {
        let role = text(observed, ROLE).and_then(role::of_id);
        let is_for = match principal(resource, context) {
            Some(Principal::Known(principal)) => {
                text(observed, PRINCIPAL).is_some_and(|found| found.eq_ignore_ascii_case(&principal))
            }
            Some(Principal::Later(_)) | None => false,
        };
        let same = [
            is_for,
            role.is_some() && role == declared_role(resource),
            scope_in(observed).is_some_and(|found| found == scope(resource, context)),
        ];
        same.into_iter().filter(|same| *same).count() >= 2
    }

    /// Who wrote another grant took the old one back. But a workspace or a compute that has lost its own rights is
    /// broken until the new ones are there.
    fn ends_anyway(&self, going: &Value, others: &[&Value]) -> bool {
        let principal = text(going, PRINCIPAL).unwrap_or_default();
        let is_its_own = |body: &&Value| {
            text(body, PRINCIPAL_ID).is_some_and(|identity| identity.eq_ignore_ascii_case(principal))
        };
        !others.iter().any(is_its_own)
    }

    fn known_through(&self, resource: &Resource, context: &Context<'_>) -> Option<Address> {
        unknown_principal(resource, context)
    }

    /// Machine learning makes some for the identity of a workspace.
    fn is_made_by_service(&self, observed: &Value, beside: Kind, body: &Value) -> bool {
        beside == Kind::Workspace && service::is_made_by_service(observed, body)
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(check_role(resource));
        findings.extend(check_principal(resource, all));
        findings
    }

    fn target(&self, resource: &Resource, context: &Context<'_>) -> Target {
        let scope = scope(resource, context);
        // An unknown role is an error of `check`, and nothing is sent; the nil GUID names no role.
        let role_definition = declared_role(resource).unwrap_or_default();
        match principal(resource, context) {
            Some(Principal::Known(principal)) => Target::Known(id(&scope, role_definition, &principal)),
            Some(Principal::Later(principal)) => Target::RoleAssignment { scope, role_definition, principal },
            None => Target::Known(id(&scope, role_definition, "")),
        }
    }

    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(self.spec(), resource, context);
        let subscription = scope(resource, context).subscription_id().unwrap_or(context.site.subscription);
        let role = declared_role(resource).unwrap_or_default();
        let role = ResourceId::subscription(subscription)
            .provider("Microsoft.Authorization/roleDefinitions", &role.to_string());
        pointer::put(&mut body, ROLE, Value::from(role.as_str()));
        let principal = match principal(resource, context) {
            Some(Principal::Known(id)) => Value::from(id),
            Some(Principal::Later(placeholder)) => placeholder.to_value(),
            None => Value::Null,
        };
        pointer::put(&mut body, PRINCIPAL, principal);
        if local_principal(resource).is_some() {
            // Without it, Azure looks an identity up that may not have reached every replica yet.
            pointer::put(&mut body, PRINCIPAL_TYPE, Value::from("ServicePrincipal"));
        }
        if resource.field("condition").is_some() {
            pointer::put(&mut body, CONDITION_VERSION, Value::from("2.0"));
        }
        let observed = context.observed.get(&resource.address);
        let adopted = observed.is_some_and(|observed| match self.mark_on(observed) {
            Some(_) => self.is_adopted(observed),
            None => resource.adoption == Adoption::Requested,
        });
        let (mark, text) = (&context.site.mark, resource.text("description"));
        let text = description::format(mark, &resource.address, adopted, text);
        pointer::put(&mut body, DESCRIPTION, Value::from(text));
        body
    }

    fn differences(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> Vec<Difference> {
        let mut differences = difference_of(self, resource, observed, context);
        let found = pointer::get(observed, DESCRIPTION).and_then(Value::as_str).unwrap_or_default();
        let found = description::parse(found);
        let mark = found.as_ref().map(|(mark, ..)| mark.to_string());
        let address = found.map(|(_, address, _)| address.to_owned());
        let own =
            [("mark", mark, context.site.mark.to_string()), ("address", address, resource.address.local())];
        let differs = own.into_iter().filter(|(_, before, after)| before.as_ref() != Some(after));
        differences.extend(differs.map(|(field, before, after)| Difference {
            field: field.to_owned(),
            before: json!(before),
            after: Value::from(after),
            effect: Effect::InPlace,
        }));
        differences
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        let mut merge = body::merge(self, update, context);
        let desired = self.body(update.resource, context);
        let is = |name: &str| update.differences.iter().any(|one| one.field == name);
        if is("mark") || is("address") || is("description") {
            let text = pointer::get(&desired, DESCRIPTION).cloned();
            merge.own(DESCRIPTION.to_owned(), update.observed, text);
        }
        if is("condition") {
            let version = pointer::get(&desired, CONDITION_VERSION).cloned();
            merge.own(CONDITION_VERSION.to_owned(), update.observed, version);
        }
        vec![Write::Merged(merge)]
    }
}

/// Who gets the role.
enum Principal {
    /// An object id.
    Known(String),
    /// The identity of a resource that is yet to be made.
    Later(Placeholder),
}

/// The resource to whose identity the role is given, where that identity is not known yet.
fn unknown_principal(resource: &Resource, context: &Context<'_>) -> Option<Address> {
    match principal(resource, context)? {
        Principal::Known(_) => None,
        Principal::Later(placeholder) => Some(placeholder.address),
    }
}

fn local_principal(resource: &Resource) -> Option<&Address> {
    match resource.references.get("principal")? {
        Reference::Local(address) => Some(address),
        Reference::Arm(_) => None,
    }
}

fn principal(resource: &Resource, context: &Context<'_>) -> Option<Principal> {
    let Some(address) = local_principal(resource) else {
        return Uuid::parse_str(resource.text("principal")?.trim())
            .ok()
            .map(|id| Principal::Known(id.to_string()));
    };
    let value = context.property(address, PRINCIPAL_ID);
    match value.as_str() {
        Some(id) => Some(Principal::Known(id.to_owned())),
        None => {
            let later = Placeholder { address: address.clone(), property: PRINCIPAL_ID.to_owned() };
            Some(Principal::Later(later))
        }
    }
}

fn declared_role(resource: &Resource) -> Option<Uuid> {
    role::role_definition(resource.text("role")?)
}

/// Definitions resolve every reference; if one did not, nothing is given on anything wider.
fn scope(resource: &Resource, context: &Context<'_>) -> ResourceId {
    let reference = resource.references.get("scope");
    let nowhere =
        || context.site.group_id().provider("Microsoft.Resources/undeclared", resource.address.name());
    reference.and_then(|reference| context.resolve(reference)).unwrap_or_else(nowhere)
}

fn check_role(resource: &Resource) -> Option<Finding> {
    let text = resource.text("role")?;
    role::role_definition(text).is_none().then(|| {
        let nearest = role::nearest(text);
        let remedy = match nearest.len() {
            0 => "write a custom role by the GUID of its definition: `az role definition list --name`"
                .to_owned(),
            _ => format!("did you mean `{}`? A custom role is written by its GUID", nearest.join("`, `")),
        };
        Finding::error(
            "unknown-role",
            "role",
            &format!("`{text}` is not the name of a built-in role"),
            "a role is a built-in role's name, the GUID of a role definition, or its full ARM id",
            &remedy,
        )
    })
}

fn check_principal(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let Some(text) = resource.text("principal") else { return Vec::new() };
    let error =
        |code, field, message: &str, rule, remedy| vec![Finding::error(code, field, message, rule, remedy)];
    let Some(address) = local_principal(resource) else {
        if Uuid::parse_str(text.trim()).is_ok() {
            return Vec::new();
        }
        return error(
            "principal",
            "principal",
            &format!("`{text}` is not a principal"),
            "a principal is `workspace`, `compute_clusters/<name>`, `compute_instances/<name>`, or an object id",
            "write one of these; the object id of a user-assigned identity is its `principalId`",
        );
    };
    let declared = all.get(address).filter(|principal| principal.is_managed());
    if declared.is_some_and(|principal| !identity::has_system_identity(principal)) {
        return error(
            "principal-without-identity",
            "principal",
            &format!("{} has no identity of its own", address.local()),
            "a role is given to the system-assigned identity of a resource",
            "give the resource `identity: { type: SystemAssigned }`, or write the object id of its user-assigned identity",
        );
    }
    if resource.text("principal_type").is_some_and(|kind| kind != "ServicePrincipal") {
        return error(
            "principal-type",
            "principal_type",
            &format!("the identity of {} is a `ServicePrincipal`", address.local()),
            "Azure refuses an assignment whose `principal_type` is not that of the principal",
            "leave `principal_type` out",
        );
    }
    Vec::new()
}

fn write_description(value: &Value, body: &mut Value) {
    pointer::put(body, DESCRIPTION, value.clone());
}

/// The user's part of a description.
fn read_description(body: &Value) -> Option<Value> {
    let description = pointer::get(body, DESCRIPTION)?.as_str()?;
    match description::parse(description) {
        Some((_, _, text)) => text.map(Value::from),
        None => Some(Value::from(description)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::World;
    use super::super::sample::{PRINCIPAL as OBJECT_ID, id as in_group, reference};
    use super::*;

    const LOCAL: &str = "role_assignments/workspace-vault";
    const VAULT_ADMINISTRATOR: Uuid = uuid!("00482a5a-887f-4fb3-b363-3b7fe8e74483");

    fn vault() -> ResourceId {
        in_group("Microsoft.KeyVault/vaults/kv-ml-production").parse().unwrap()
    }

    /// The reference environment with a workspace that is there.
    fn living() -> World {
        let mut world = reference();
        let workspace = json!({ "identity": { "principalId": OBJECT_ID } });
        world.observed.insert("production/workspace".parse().unwrap(), workspace);
        world
    }

    fn resource<'a>(world: &'a World, local: &str) -> &'a Resource {
        &world.resources[&format!("production/{local}").parse().unwrap()]
    }

    fn target(world: &World) -> Target {
        RoleAssignment.target(resource(world, LOCAL), &world.context())
    }

    /// As Azure answers: the role without its subscription, words in another casing.
    fn observed(world: &World) -> Value {
        let description = world.body(LOCAL)["properties"]["description"].clone();
        json!({
            "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/0", vault()),
            "name": "0",
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{}", VAULT_ADMINISTRATOR.to_string().to_uppercase()),
                "principalId": OBJECT_ID.to_uppercase(),
                "principalType": "ServicePrincipal",
                "scope": vault().as_str().to_lowercase(),
                "description": description,
                "condition": null,
                "conditionVersion": null,
                "createdOn": "2026-11-01T00:00:00Z",
                "createdBy": "x",
                "updatedOn": "2026-11-01T00:00:00Z",
                "updatedBy": "x"
            }
        })
    }

    #[test]
    fn the_reference_assignment_has_this_body() {
        let mut properties = json!({
            "roleDefinitionId": "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00482a5a-887f-4fb3-b363-3b7fe8e74483",
            "principalId": OBJECT_ID,
            "principalType": "ServicePrincipal",
            "description": "beamline: acme/production role_assignments/workspace-vault"
        });
        assert_eq!(living().body(LOCAL), json!({ "properties": properties }));
        let address = "production/workspace".parse().unwrap();
        let later = Placeholder { address, property: "/identity/principalId".to_owned() };
        properties["principalId"] = later.to_value();
        assert_eq!(reference().body(LOCAL), json!({ "properties": properties }));
    }

    #[test]
    fn an_id_is_a_function_of_scope_role_and_principal() {
        let expected = "352d48c4-48cc-5bfc-8457-2fbcb93fd103";
        let derived = id(&vault(), VAULT_ADMINISTRATOR, OBJECT_ID);
        assert_eq!(
            derived.name(),
            expected,
            "every id in Azure follows from this function: it must not change"
        );
        assert_eq!(derived.parent(), Some(vault()));
        let shouted: ResourceId = vault().as_str().to_uppercase().parse().unwrap();
        assert_eq!(id(&shouted, VAULT_ADMINISTRATOR, &OBJECT_ID.to_uppercase()).name(), expected);
        assert_ne!(id(&vault(), VAULT_ADMINISTRATOR, "other").name(), expected);
    }

    #[test]
    fn the_target_is_known_once_the_principal_is() {
        assert_eq!(target(&living()), Target::Known(id(&vault(), VAULT_ADMINISTRATOR, OBJECT_ID)));
        let address = "production/workspace".parse().unwrap();
        assert_eq!(
            target(&reference()),
            Target::RoleAssignment {
                scope: vault(),
                role_definition: VAULT_ADMINISTRATOR,
                principal: Placeholder { address, property: "/identity/principalId".to_owned() },
            }
        );
    }

    #[test]
    fn an_object_id_is_known_from_the_start_and_azure_looks_its_type_up() {
        let mut world = reference();
        let fields = json!({ "principal": OBJECT_ID, "role": "Reader", "scope": "resource_group" });
        world.declare(LOCAL, "workspace-vault", fields);
        assert!(matches!(target(&world), Target::Known(id) if id.parent() == Some(world.site.group_id())));
        assert_eq!(world.body(LOCAL)["properties"].get("principalType"), None);
        world.write(LOCAL, "principal_type", json!("Group"));
        assert_eq!(world.body(LOCAL)["properties"]["principalType"], "Group");
        assert_eq!(world.codes(LOCAL), [""; 0]);
    }

    #[test]
    fn azures_echo_is_the_same_assignment_and_no_difference() {
        let world = living();
        let observed = observed(&world);
        assert!(matches(resource(&world, LOCAL), &observed, &world.context()));
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn another_scope_role_or_principal_is_another_assignment() {
        let world = living();
        for (pointer, value) in [
            (SCOPE, world.site.group_id().to_string()),
            (ROLE, format!("/providers/Microsoft.Authorization/roleDefinitions/{OBJECT_ID}")),
            (PRINCIPAL, VAULT_ADMINISTRATOR.to_string()),
        ] {
            let mut observed = observed(&world);
            pointer::put(&mut observed, pointer, Value::from(value));
            assert!(!matches(resource(&world, LOCAL), &observed, &world.context()), "{pointer}");
        }
        let world = reference();
        assert!(
            !matches(resource(&world, LOCAL), &observed(&world), &world.context()),
            "nobody knows the principal"
        );
    }

    #[test]
    fn an_answer_without_a_scope_tells_it_by_its_id() {
        let world = living();
        let mut observed = observed(&world);
        pointer::remove(&mut observed, SCOPE);
        assert!(matches(resource(&world, LOCAL), &observed, &world.context()));
    }

    #[test]
    fn description_and_condition_are_changed_in_place() {
        let mut world = living();
        let observed = observed(&world);
        world.write(LOCAL, "description", json!("reads secrets | writes them"));
        world.write(LOCAL, "condition", json!("@Resource[x] StringEquals 'y'"));
        assert_eq!(
            world.put(LOCAL, &observed)["properties"],
            json!({
                "roleDefinitionId": observed["properties"]["roleDefinitionId"],
                "principalId": observed["properties"]["principalId"],
                "principalType": "ServicePrincipal",
                "description": "beamline: acme/production role_assignments/workspace-vault | reads secrets | writes them",
                "condition": "@Resource[x] StringEquals 'y'",
                "conditionVersion": "2.0"
            })
        );
        let mut changed = observed;
        pointer::put(&mut changed, DESCRIPTION, world.body(LOCAL)["properties"]["description"].clone());
        assert_eq!(world.difference(LOCAL, &changed), ("condition".to_owned(), Effect::InPlace));
    }

    #[test]
    fn an_assignment_that_is_adopted_gets_our_mark_and_keeps_no_foreign_text() {
        let world = living();
        let mut observed = observed(&world);
        pointer::put(&mut observed, DESCRIPTION, json!("made by hand"));
        let differences = world.differences(LOCAL, &observed);
        let fields: Vec<_> = differences.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["description", "mark", "address"]);
        let body = world.put(LOCAL, &observed);
        assert_eq!(
            body["properties"]["description"],
            "beamline: acme/production role_assignments/workspace-vault"
        );
    }

    #[test]
    fn the_type_of_a_principal_is_at_most_a_note() {
        let mut world = living();
        let fields = json!({ "principal": OBJECT_ID, "principal_type": "Group", "role": "Key Vault Administrator", "scope": "key_vaults/main" });
        world.declare(LOCAL, "workspace-vault", fields);
        assert!(matches!(world.difference(LOCAL, &observed(&world)), (_, Effect::Note(_))));
    }

    #[test]
    fn roles_and_principals_are_checked() {
        let mut world = reference();
        world.write(LOCAL, "role", json!("Key Vault Administrater"));
        let findings = world.findings(LOCAL);
        assert_eq!(findings[0].code, "unknown-role");
        assert!(findings[0].remedy.contains("Key Vault Administrator"));
        world.write(LOCAL, "role", json!(VAULT_ADMINISTRATOR.to_string()));
        world.write(LOCAL, "principal_type", json!("Group"));
        assert_eq!(world.codes(LOCAL), ["principal-type"]);
        world.get("workspace").fields.remove("identity");
        assert_eq!(world.codes(LOCAL), ["principal-without-identity"]);
        world.write(LOCAL, "principal", json!("somebody"));
        world.get(LOCAL).references.remove("principal");
        assert_eq!(world.codes(LOCAL), ["principal"]);
    }

    #[test]
    fn a_scope_that_nobody_declared_is_never_a_wider_one() {
        let mut world = living();
        world.get(LOCAL).references.remove("scope");
        let Target::Known(target) = target(&world) else { panic!("the principal is known") };
        assert_eq!(target.parent().unwrap().arm_type(), "Microsoft.Resources/undeclared");
    }
}

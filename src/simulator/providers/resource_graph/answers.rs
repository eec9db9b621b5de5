//! Azure Resource Graph, in one documented form (`facts.md` 16): a table, `where` clauses on type, name,
//! group, location and tags, `project`, `order by` one column and `limit`. Everything else is refused.
//!
//! Like the real one it shows what the caller may read, spells types in lower case, and lags: a resource
//! that was made a moment ago is not found yet (never under no latency).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::arm::{ArmError, Call};
use crate::body;
use crate::http::Reply;
use crate::options::Access;
use crate::providers::resource_graph::kql::{Column, Comparison, Condition, KqlError, Query, Table};
use crate::providers::{Tracking, kind};
use crate::state::{State, Stored, parse_uuid};
use crate::times::Lag;
use beamline_base::id::{ResourceId, SubscriptionId};

/// Most rows in an answer.
const MAX_ROWS: usize = 1000;

/// Rows in an answer that asks for no number.
const DEFAULT_ROWS: usize = 1000;

pub(in crate::providers) fn special(
    state: &mut State,
    call: &Call<'_>,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    (call.method == "POST" && tail == ["resources"]).then(|| answer(state, call))
}

fn answer(state: &mut State, call: &Call<'_>) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let now = state.now();
    let spent = state.throttle.spend_query(call.caller.object_id, now);
    if let Some(refusal) = spent.refusal {
        let error = ArmError::new(429, "RateLimiting", refusal.message);
        let mut reply = error.into_reply().with("retry-after", refusal.retry_after_secs);
        reply.headers.extend(spent.headers);
        return Ok(reply);
    }
    let query =
        Query::parse(body::text(&sent, "/query").unwrap_or_default()).map_err(|error| invalid(&error))?;
    let number =
        |pointer: &str| body::at(&sent, pointer).and_then(Value::as_u64).and_then(|n| n.try_into().ok());
    let token = body::text(&sent, "/options/$skipToken").and_then(|token| token.parse::<usize>().ok());
    let skip: usize = token.or_else(|| number("/options/$skip")).unwrap_or(0);
    let top = number("/options/$top").unwrap_or(DEFAULT_ROWS).clamp(1, MAX_ROWS);
    if body::text(&sent, "/options/resultFormat").is_some_and(|format| format == "table") {
        let error = KqlError("the result format 'table' is not simulated: use objectArray".to_owned());
        return Err(invalid(&error));
    }
    let found = found(state, call, &sent, &query);
    let total = found.len();
    let rows = found.iter().skip(skip).take(top);
    let page: Vec<Value> = rows.map(|row| row.project(state, &query.columns)).collect();
    let (count, more) = (page.len(), skip.saturating_add(page.len()) < total);
    let mut answered = json!({
        "totalRecords": total, "count": count, "resultTruncated": if more { "true" } else { "false" }, "facets": [],
        "data": page,
    });
    if more {
        answered["$skipToken"] = json!((skip + count).to_string());
    }
    let mut reply = Reply::json(200, answered).with("x-ms-user-quota-resets-after", "00:00:05");
    reply.headers.extend(spent.headers);
    Ok(reply)
}

fn invalid(error: &KqlError) -> ArmError {
    ArmError::bad_request("BadRequest", "Please provide below info when asking for support: the query and the time.")
        .detail("InvalidQuery", "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying.")
        .detail("ParserFailure", &format!("Parser failure: {}.", error.0))
}

/// All rows that fit the query, in its order. Only those of the page are made into JSON: a query may find
/// the whole subscription.
fn found<'a>(state: &'a State, call: &Call<'_>, sent: &Value, query: &Query) -> Vec<Row<'a>> {
    let named = body::items(sent, "/subscriptions").iter().filter_map(Value::as_str).filter_map(parse_uuid);
    let mut wanted: BTreeSet<SubscriptionId> = named.map(SubscriptionId).collect();
    if wanted.is_empty() {
        wanted = state.subscriptions.keys().copied().collect();
    }
    let (lag, now) = (state.lag(Lag::ResourceGraph, ""), state.now());
    let indexed = |stored: &Stored| stored.created.checked_add(lag).is_ok_and(|moment| moment <= now);
    let open: Vec<&Condition> = query.conditions.iter().filter(|one| !is_settled(query, one)).collect();
    let fits = |row: &Row<'_>| open.iter().all(|condition| row.fits(condition));
    let mut found: Vec<Row<'a>> = Vec::new();
    for subscription in wanted {
        let home = ResourceId::subscription(subscription);
        let seen = candidates(state, query, &home).filter(|stored| indexed(stored));
        let rows = seen.map(|stored| Row { stored }).filter(fits);
        found.extend(rows.filter(|row| is_allowed(state, call, row.stored)));
    }
    if let Some((column, descending)) = &query.order {
        // Rows come in the order of their ids, which a stable sort keeps among equals.
        found.sort_by_cached_key(|row| row.text(column).map(Cow::into_owned));
        if *descending {
            found.reverse();
        }
    }
    found.truncate(query.limit.unwrap_or(usize::MAX));
    found
}

/// The resources that can be in the table: of one type where the query names it.
fn candidates<'a>(
    state: &'a State,
    query: &Query,
    home: &ResourceId,
) -> Box<dyn Iterator<Item = &'a Stored> + 'a> {
    if query.table == Table::Containers {
        return Box::new(state.inventory.of_type_within(
            "Microsoft.Resources/resourceGroups",
            Some(home),
            None,
        ));
    }
    let tracked = |stored: &&Stored| stored.tracking == Tracking::Tracked;
    let group = query
        .only("resourcegroup")
        .zip(home.subscription_id())
        .map(|(name, subscription)| ResourceId::resource_group(subscription, name));
    let home = group.as_ref().unwrap_or(home);
    match query.only("type") {
        Some(only) => Box::new(state.inventory.of_type_within(only, Some(home), None).filter(tracked)),
        None => Box::new(state.inventory.prefixed(format!("{}/", home.folded()), None).filter(tracked)),
    }
}

/// Whether all candidates fulfil a condition anyway.
fn is_settled(query: &Query, condition: &Condition) -> bool {
    let of_type = condition.column == Column::Field("type".to_owned());
    let folded = condition.comparison == Comparison::Folded;
    let plain = folded && !condition.negated && query.table == Table::Resources;
    let [only] = condition.values.as_slice() else { return false };
    of_type && plain && query.only("type").is_some_and(|wanted| wanted.eq_ignore_ascii_case(only))
}

fn is_allowed(state: &State, call: &Call<'_>, stored: &Stored) -> bool {
    match state.settings.access {
        Access::Open => true,
        Access::Enforced => {
            let action = match kind(&stored.id.arm_type()).map(|kind| kind.style().arm_type) {
                Some("Microsoft.Resources/resourceGroups") | None => {
                    "Microsoft.Resources/subscriptions/resourceGroups/read".to_owned()
                }
                Some(spelled) => format!("{spelled}/read"),
            };
            crate::providers::allows(state, call.caller.object_id, &action, stored.id.as_str())
        }
    }
}

struct Row<'a> {
    stored: &'a Stored,
}

impl Row<'_> {
    fn text(&self, column: &Column) -> Option<Cow<'_, str>> {
        let Stored { id, body, .. } = self.stored;
        match column {
            Column::Tag(name) => body.tag(name).map(Cow::Borrowed),
            Column::Field(field) => match field.as_str() {
                "id" => Some(id.as_str().into()),
                "name" => Some(id.name().into()),
                "type" => Some(table_type(self.stored).into()),
                "resourcegroup" => id.resource_group_name().map(|name| name.to_ascii_lowercase().into()),
                "subscriptionid" => id.subscription_id().map(|id| id.to_string().into()),
                "location" => {
                    body.label("location").map(|name| crate::providers::normal_location(name).into())
                }
                "kind" => Some(body.label("kind").unwrap_or_default().into()),
                _ => None,
            },
        }
    }

    fn fits(&self, condition: &Condition) -> bool {
        let own = self.text(&condition.column);
        let Some(own) = own else { return condition.negated };
        let same = |value: &String| condition.comparison.fits(&own, value);
        condition.values.iter().any(same) != condition.negated
    }

    fn project(&self, state: &State, columns: &[Column]) -> Value {
        let all = [
            "id",
            "name",
            "type",
            "tenantid",
            "kind",
            "location",
            "resourcegroup",
            "subscriptionid",
            "managedby",
            "sku",
            "plan",
            "properties",
            "tags",
            "identity",
            "zones",
            "extendedlocation",
        ];
        let every: Vec<Column> = all.map(|name| Column::Field(name.to_owned())).into();
        let columns = if columns.is_empty() { &every } else { columns };
        let whole = state.render(self.stored);
        let mut row = Map::new();
        for column in columns {
            let (name, value) = match column {
                Column::Tag(tag) => (format!("tags_{tag}"), self.text(column).map(|text| json!(text))),
                Column::Field(field) => (
                    spelled(field),
                    self.text(column)
                        .map(|text| json!(text))
                        .or_else(|| part(state, self.stored, &whole, field)),
                ),
            };
            row.insert(name, value.unwrap_or(Value::Null));
        }
        Value::Object(row)
    }
}

fn part(state: &State, stored: &Stored, whole: &Value, field: &str) -> Option<Value> {
    match field {
        "tenantid" => Some(json!(state.tenant_of(&stored.id))),
        "managedby" => Some(json!(body::text(whole, "/managedBy").unwrap_or_default())),
        "properties" | "tags" | "sku" | "identity" => body::at(whole, &format!("/{field}")).cloned(),
        _ => None,
    }
}

/// A column as the table spells it.
fn spelled(field: &str) -> String {
    for known in ["resourceGroup", "subscriptionId", "tenantId", "managedBy", "extendedLocation"] {
        if known.eq_ignore_ascii_case(field) {
            return known.to_owned();
        }
    }
    field.to_owned()
}

/// Groups have another type in their table than in ARM.
fn table_type(stored: &Stored) -> String {
    let own = stored.id.arm_type().to_ascii_lowercase();
    match own.cmp(&"microsoft.resources/resourcegroups".to_owned()) {
        Ordering::Equal => "microsoft.resources/subscriptions/resourcegroups".to_owned(),
        Ordering::Less | Ordering::Greater => own,
    }
}

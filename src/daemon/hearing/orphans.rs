//! Environments that carry our mark in Azure and have neither a file nor a record: what makes a removed
//! environment visible although the journal was lost.
//!
//! The journal knows every environment that it has seen, so the question comes up only while it is new.
//! It stays open until every subscription has answered: the first look asks briefly, the sweep goes on.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::azure::ArmError;
use crate::daemon::shared::Shared;
use crate::git::CommitId;
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::contract::Carrier;
use crate::resources::id::ApiVersion;
use crate::resources::mark::carried;
use crate::resources::{EnvironmentName, Seal};
use crate::store::{Attempt, EnvironmentRecord, NewWork, StoreError};

/// The version of the group list by tag (`facts.md` 1).
const GROUPS: ApiVersion = ApiVersion("2025-04-01");

/// How long a look waits for the lists. Deployments must not wait for a subscription that is down.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks for orphans unless all were found since the start, and remembers them. `known` are environments
/// that have a file, or had one and were renamed.
pub(in crate::daemon) async fn orphans(
    shared: &Shared,
    commit: &CommitId,
    known: &BTreeSet<EnvironmentName>,
) -> Result<Vec<NewWork>, StoreError> {
    if shared.orphans_found.load(Ordering::Acquire) {
        return Ok(Vec::new());
    }
    let (mut work, mut complete) = (Vec::new(), true);
    for (alias, account) in &shared.estate.accounts {
        let path = format!("/subscriptions/{}/resourcegroups", account.subscription);
        let filter = [("$filter", "tagName eq 'beamline'")];
        let listed = tokio::select! {
            listed = account.arm.list(&path, GROUPS, &filter) => listed.map_err(|error| say(&error)),
            () = shared.clock.sleep(PATIENCE) => Err("no answer yet".to_owned()),
        };
        let groups = match listed {
            Ok(groups) => groups.unwrap_or_default(),
            Err(message) => {
                tracing::warn!(alias, message, "cannot list the resource groups; the next sweep tries again");
                complete = false;
                continue;
            }
        };
        for group in groups {
            let text = |pointer: &str| group.pointer(pointer).and_then(serde_json::Value::as_str);
            let Some(marked) = carried(Carrier::Tags, &group) else { continue };
            let (mark, Some(name)) = (marked.mark, text("/name")) else { continue };
            if mark.owner != shared.estate.owner {
                continue;
            }
            if !known.contains(&mark.environment)
                && shared.store.environment(&mark.environment).await?.is_none()
            {
                if marked.seal != Seal::Right {
                    tracing::warn!(group = name, %mark, "a group bears a mark that was not written for it, or before seals: left alone");
                    continue;
                }
                work.push(remember(shared, commit, mark.environment, alias, name).await?);
            }
        }
    }
    shared.orphans_found.store(complete, Ordering::Release);
    Ok(work)
}

async fn remember(
    shared: &Shared,
    commit: &CommitId,
    environment: EnvironmentName,
    alias: &str,
    group: &str,
) -> Result<NewWork, StoreError> {
    let path = format!("{}/{environment}.yaml", shared.root.as_str());
    let mut record = EnvironmentRecord::new(&environment, &path, shared.clock.now());
    alias.clone_into(&mut record.subscription);
    group.clone_into(&mut record.resource_group);
    let end = RunEnd::Interrupted;
    record.last_attempt = Some(Attempt { commit: *commit, input_digest: None, end, remedy: None });
    shared.store.save_environment(&record).await?;
    Ok(NewWork { kind: RunKind::Apply, environment, path, removed: true, input_digest: None, remark: None })
}

fn say(error: &ArmError) -> String {
    error.message_for_people()
}

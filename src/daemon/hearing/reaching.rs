//! Azure that does not answer: it is said, and asked again also when no work needs it, so that its return is
//! noticed, and what failed meanwhile is tried again at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::azure::Outage;
use crate::clock::Instant;
use crate::daemon::shared::Shared;
use crate::daemon::shared::ailments::{PASSING, Sort};
use crate::daemon::shared::event::Event;
use crate::daemon::shared::wellness::Part;

/// How often it is looked how Azure is.
const INTERVAL: Duration = Duration::from_secs(10);

/// When it is looked for the first time: a cloud that has to say first what it is was asked then.
const FIRST: Duration = Duration::from_secs(1);

/// How long an Azure that did not answer is left alone, unless work asks it.
const REST: Duration = Duration::from_secs(60);

/// Most aliases that are named.
const MAX_NAMED: usize = 5;

/// Watches until `stop`.
pub(in crate::daemon) async fn watch_azure(
    shared: Arc<Shared>,
    events: Sender<Event>,
    stop: CancellationToken,
) {
    let watching = async {
        let (mut out, mut asking) = (BTreeMap::<String, Instant>::new(), JoinSet::new());
        for account in shared.estate.accounts.values().filter(|account| !account.arm.is_described()) {
            let (arm, subscription) = (account.arm.clone(), account.subscription);
            asking.spawn(async move { arm.knock(subscription).await });
        }
        let mut pause = FIRST;
        loop {
            shared.clock.sleep(pause).await;
            pause = INTERVAL;
            let found = outages(&shared);
            let is_back = |(cloud, since): (&String, &Instant)| {
                !found.contains_key(cloud.as_str()) && since.elapsed() >= PASSING + INTERVAL
            };
            if out.iter().any(is_back) {
                // A full channel means that much is being looked at anyway.
                let _ = events.try_send(Event::Sweep);
            }
            out = found.into_iter().map(|(cloud, since)| (cloud.to_owned(), since)).collect();
            while asking.try_join_next().is_some() {}
            if asking.is_empty() {
                ask_again(&shared, &mut asking);
            }
        }
    };
    stop.run_until_cancelled(watching).await;
}

/// Asks each account that has not been answered, and was left alone since. An answer may take minutes.
fn ask_again(shared: &Shared, asking: &mut JoinSet<()>) {
    for account in shared.estate.accounts.values() {
        let asked = account.arm.outage().map(|outage| outage.asked);
        if asked.is_some_and(|asked| asked.elapsed() >= REST) {
            let (arm, subscription) = (account.arm.clone(), account.subscription);
            asking.spawn(async move { arm.knock(subscription).await });
        }
    }
}

/// Takes note of how each cloud is; those that do not answer, since when.
fn outages(shared: &Shared) -> BTreeMap<&str, Instant> {
    let mut clouds: BTreeMap<&str, Vec<(&str, Outage)>> = BTreeMap::new();
    for (alias, account) in &shared.estate.accounts {
        let outages = clouds.entry(account.arm.cloud_name()).or_default();
        outages.extend(account.arm.outage().map(|outage| (alias.as_str(), outage)));
    }
    let mut since = BTreeMap::new();
    for (cloud, outages) in clouds {
        let subject = (Part::Azure, cloud);
        let Some(began) = outages.iter().map(|(_, outage)| outage.since).min() else {
            shared.accepted(subject);
            continue;
        };
        let is_refusal = outages.iter().any(|(_, outage)| outage.is_refusal);
        let sort = if is_refusal { Sort::Refusal } else { Sort::Failure };
        shared.not_well(subject, sort, &wording(cloud, &outages), began);
        since.insert(cloud, began);
    }
    since
}

/// What is not answered, in one line: what somebody has to act on comes first.
fn wording(cloud: &str, outages: &[(&str, Outage)]) -> String {
    let worst = outages.iter().find(|(_, outage)| outage.is_refusal).or(outages.first());
    let why = worst.map_or("", |(_, outage)| &outage.why);
    let named: Vec<&str> = outages.iter().take(MAX_NAMED).map(|(alias, _)| *alias).collect();
    let more = outages.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{why}: the cloud `{cloud}`, asked for the subscriptions {}{more}", named.join(", "))
}

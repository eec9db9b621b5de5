//! `/beamline consent`: what somebody consents to is noted with what he was shown, and given up when he
//! takes it back.
//!
//! What it is worth is decided when the pull request is merged (`daemon/working/consent.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::acting::{Done, again};
use super::binding::{bind, refusal};
use crate::daemon::hearing::error::LookError;
use crate::daemon::hearing::sweep::retry_applies;
use crate::daemon::shared::Shared;
use crate::forge::{Comments, Ending, ForgeError, PullRequest, PullRequestNumber};
use crate::git::{BranchName, CommitId, CommitPrefix};
use crate::reconcile::plan::{ConsentVerb, trailer};
use crate::resources::{Address, EnvironmentName};
use crate::store::{Accepted, Command, GivenConsent, Showing, Wish};

/// A comment as it was read: another digest is another comment.
pub(in crate::daemon) fn digest_of(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The line to write as a comment.
pub(in crate::daemon) fn line_of(verb: ConsentVerb, target: impl std::fmt::Display) -> String {
    format!("/beamline consent {verb} {target}")
}

/// What is consented to, and of what, as it is written.
type Said<'a> = (ConsentVerb, &'a str);

/// What becomes of a resource.
fn told(verb: ConsentVerb) -> &'static str {
    match verb {
        ConsentVerb::Destroy => "may be deleted or replaced",
        ConsentVerb::Release => "is released: it stays in Azure, and beamline leaves it alone",
    }
}

/// Notes the consent in `command` on an open pull request, and plans the environment once more.
pub(super) async fn consent(
    shared: &Shared,
    open: &PullRequest,
    command: &Command,
    said: Said<'_>,
    at: Option<&CommitPrefix>,
) -> Result<Done, LookError> {
    match weigh(shared, open.number, &open.head, command, said, at).await? {
        Err(why_not) => Ok(Done::Refused(why_not.on_open(said.0, &open.head))),
        Ok(consent) => {
            shared.store.note_consent(&consent).await?;
            let (target, id, head) = (&consent.target, consent.id.name(), consent.head.short());
            let reply = format!(
                "Noted: when {head} is merged, `{target}` (`{id}` in Azure) {}. It is void \
                 when this comment is edited or deleted, after `/beamline consent withdraw {target}`, and 14 \
                 days after the merge.",
                told(consent.verb)
            );
            planned_again(shared, open, [target.environment().clone()].into(), Some(reply)).await
        }
    }
}

/// Notes a consent that was written before the pull request was merged and read afterwards, and plans again what
/// ended without it: nobody else would.
pub(super) async fn consent_of_merged(
    shared: &Shared,
    command: &Command,
    said: Said<'_>,
    at: Option<&CommitPrefix>,
) -> Result<Done, LookError> {
    let consent = match note_of_merged(shared, command, said, at).await? {
        Err(why_not) => return Ok(Done::Refused(why_not)),
        Ok(consent) => consent,
    };
    let (target, head) = (&consent.target, consent.head.short());
    let mut reply = format!("Noted for {head}: `{target}` {}.", told(consent.verb));
    let work = retry_applies(shared, Some(target.environment())).await?;
    if !work.is_empty() {
        reply.push_str(&format!(" Applying again: `{}`.", target.environment()));
    }
    Ok(Done::Handled { accepted: Accepted { work, superseded: Vec::new() }, reply: Some(reply) })
}

/// Notes a consent on a pull request that is merged, or says why it does not count and what does.
async fn note_of_merged(
    shared: &Shared,
    command: &Command,
    said: Said<'_>,
    at: Option<&CommitPrefix>,
) -> Result<Result<GivenConsent, String>, LookError> {
    let number = command.pull_request;
    let (verb, target) = said;
    let meant: Vec<Address> = target.parse().into_iter().collect();
    let instead = |why: &str| Ok(Err(by_a_commit(why, verb, &meant, &shared.branch)));
    let Ending::Merged(merged) = shared.forge.ending(number).await? else {
        return Ok(Err("Not done: this pull request is not open.".to_owned()));
    };
    let ended = match merged.at {
        Some(at) => Some(at),
        // Where the forge does not say when, it was before it was seen.
        None => shared.store.pull_request_closed_at(number).await?,
    };
    if ended.is_some_and(|ended| command.written_at.is_none_or(|written| written > ended)) {
        return instead("a comment consents only when it stands there at the merge, and this came after it");
    }
    let Some(prefix) = merged.head else { return instead("the forge does not say which head was merged") };
    let showings = shared.store.showings(number).await?;
    let heads = showings.iter().rev().map(|showing| showing.shown.head);
    let Some(head) = heads.into_iter().find(|head| prefix.is_of(head)) else {
        return instead("beamline had not shown here what was merged");
    };
    if refusal(bind(&showings, &head, at, command.written_at), &head, "").is_some() {
        return instead(&format!("this does not hold for {}, which was merged", head.short()));
    }
    let noted = noted(shared, &head, command, said, at).await?;
    Ok(noted.map_err(|why_not| why_not.on_merged(verb, &shared.branch)))
}

/// The answer to a consent that cannot count any more: the message of a commit can still bring one to `addresses`.
fn by_a_commit(why: &str, verb: ConsentVerb, addresses: &[Address], branch: &BranchName) -> String {
    let lines = match addresses {
        [] => " the line that its status shows.".to_owned(),
        addresses => {
            let lines: Vec<String> = addresses.iter().map(|one| trailer(verb, one)).collect();
            format!("\n\n```text\n{}\n```", lines.join("\n"))
        }
    };
    format!(
        "Not done: {why}. If `beamline/apply` lacks it, bring a commit to `{branch}`, which may be empty, whose message \
         has:{lines}"
    )
}

/// Notes a consent on a pull request that may have been merged a moment ago: the forge does not say yet. It
/// holds for the head that was shown last; when another one was merged, it is void.
async fn consent_before_merge(
    shared: &Shared,
    command: &Command,
    said: Said<'_>,
    at: Option<&CommitPrefix>,
) -> Result<(), LookError> {
    let showings = shared.store.showings(command.pull_request).await?;
    if let Some(last) = showings.last() {
        drop(noted(shared, &last.shown.head, command, said, at).await?);
    }
    Ok(())
}

async fn noted(
    shared: &Shared,
    head: &CommitId,
    command: &Command,
    said: Said<'_>,
    at: Option<&CommitPrefix>,
) -> Result<Result<GivenConsent, WhyNot>, LookError> {
    let weighed = weigh(shared, command.pull_request, head, command, said, at).await?;
    if let Ok(consent) = &weighed {
        shared.store.note_consent(consent).await?;
    }
    Ok(weighed)
}

/// Notes what a command consents to or takes back, before it is answered: the merge of its pull request is
/// at hand.
async fn note_early(shared: &Shared, command: &Command) -> Result<(), LookError> {
    let speaks = |wish: &&Wish| matches!(wish, Wish::Consent { .. } | Wish::Withdraw { .. });
    let wishes: Vec<&Wish> = command.wishes().filter(speaks).collect();
    if wishes.is_empty() || super::acting::refusal_of(shared, command).await?.is_some() {
        return Ok(());
    }
    let is_open = shared.forge.ending(command.pull_request).await? == Ending::Open;
    for wish in wishes {
        match wish {
            Wish::Consent { verb, target, at } if is_open => {
                consent_before_merge(shared, command, (*verb, target), at.as_ref()).await?;
            }
            Wish::Consent { verb, target, at } => {
                drop(note_of_merged(shared, command, (*verb, target), at.as_ref()).await?);
            }
            Wish::Withdraw { target } => {
                withdraw(shared, None, command.pull_request, target).await?;
            }
            Wish::Plan { .. }
            | Wish::Retry { .. }
            | Wish::Cancel { .. }
            | Wish::Help
            | Wish::Unclear { .. } => {}
        }
    }
    Ok(())
}

/// What a command consents to, or why it does not count.
async fn weigh(
    shared: &Shared,
    number: PullRequestNumber,
    head: &CommitId,
    command: &Command,
    said: Said<'_>,
    at: Option<&CommitPrefix>,
) -> Result<Result<GivenConsent, WhyNot>, LookError> {
    let (verb, target) = said;
    let showings = shared.store.showings(number).await?;
    let own = |showing: &Showing| showing.account.as_deref() == Some(command.author.id.as_str());
    if command.author.is_machine() || showings.iter().any(own) {
        let why_not = "Not done: consent is a person's to give, and this account is a program's.";
        return Ok(Err(WhyNot::Answer(why_not.to_owned())));
    }
    if let Some(why_not) =
        refusal(bind(&showings, head, at, command.written_at), head, &line_of(verb, target))
    {
        return Ok(Err(WhyNot::Answer(why_not)));
    }
    // Whoever names the commit has its plan in front of them, also where a clock of whole seconds cannot tell.
    let before = |showing: &&Showing| {
        command.written_at.is_some_and(|written| match at {
            Some(_) => showing.at <= written,
            None => showing.at < written,
        })
    };
    let of_head: Vec<&Showing> =
        showings.iter().rev().filter(before).filter(|showing| showing.shown.head == *head).collect();
    let all = of_head.iter().flat_map(|showing| &showing.shown.asked);
    let Some(asked) = all.clone().find(|asked| asked.address.to_string() == target) else {
        let asked = all.map(|asked| asked.address.clone()).collect();
        let why = not_asked(target, head);
        return Ok(Err(match (verb, target.parse::<Address>()) {
            (ConsentVerb::Release, Ok(address)) => WhyNot::Answer(format!(
                "Not done: {why}, and a comment releases nothing else. Where it is to be deleted, this line in the message of a \
                 commit of this pull request releases it:\n\n```text\n{}\n```",
                trailer(verb, address)
            )),
            (ConsentVerb::Release | ConsentVerb::Destroy, _) => WhyNot::NotAsked { why, asked },
        }));
    };
    Ok(Ok(GivenConsent {
        pull_request: number,
        comment: command.comment.clone(),
        verb,
        target: asked.address.clone(),
        head: *head,
        id: asked.id.clone(),
        author: command.author.clone(),
        body_digest: command.body_digest.clone(),
        written_at: command.written_at.unwrap_or_default(),
    }))
}

/// Why a consent does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WhyNot {
    /// This is the answer to it.
    Answer(String),
    /// The plan had not asked for it, but for these.
    NotAsked { why: String, asked: BTreeSet<Address> },
}

impl WhyNot {
    /// The answer where somebody can still write another comment.
    fn on_open(self, verb: ConsentVerb, head: &CommitId) -> String {
        let short = head.short();
        match self {
            Self::Answer(answer) => answer,
            Self::NotAsked { why, asked } if asked.is_empty() => {
                format!("Not done: {why}. It asks for none at all.")
            }
            Self::NotAsked { why, asked } => {
                let lines: Vec<String> =
                    asked.iter().map(|address| format!("{} @{short}", line_of(verb, address))).collect();
                format!("Not done: {why}. It asks for:\n\n```text\n{}\n```", lines.join("\n"))
            }
        }
    }

    /// The answer after the merge, when no comment helps any more.
    fn on_merged(self, verb: ConsentVerb, branch: &BranchName) -> String {
        match self {
            Self::Answer(answer) => answer,
            Self::NotAsked { why, asked } if asked.is_empty() => {
                format!("Not done: {why}. It asked for none at all.")
            }
            Self::NotAsked { why, asked } => {
                by_a_commit(&why, verb, &asked.into_iter().collect::<Vec<_>>(), branch)
            }
        }
    }
}

/// Why a consent does not count that the plan had not asked for, as a clause.
fn not_asked(target: &str, head: &CommitId) -> String {
    let clean: String = target.chars().filter(|c| *c != '`').collect();
    match target.contains('*') {
        true => "globs do not count in comments".to_owned(),
        false => {
            let short = head.short();
            format!("the plan of {short} that stood here when you wrote asks no consent for `{clean}`")
        }
    }
}

/// Takes back every consent to `target` on a pull request.
pub(super) async fn withdraw(
    shared: &Shared,
    open: Option<&PullRequest>,
    number: PullRequestNumber,
    target: &str,
) -> Result<Done, LookError> {
    let given = shared.store.consents_of(number).await?;
    let meant: Vec<GivenConsent> =
        given.into_iter().filter(|consent| consent.target.to_string() == target).collect();
    let Some(first) = meant.first() else {
        return Ok(Done::answer("There is no consent to that here any more."));
    };
    let (reply, environment) =
        (format!("Withdrawn: `{}`.", first.target), first.target.environment().clone());
    for consent in &meant {
        shared.store.withdraw_consent(consent, shared.clock.now()).await?;
    }
    match open {
        Some(open) => planned_again(shared, open, [environment].into(), Some(reply)).await,
        None => Ok(Done::answer(reply)),
    }
}

/// Gives up the consents whose comments are gone or say something else now, and plans again what they were
/// about.
pub(super) async fn give_up_changed(
    shared: &Shared,
    open: &PullRequest,
    comments: &Comments,
) -> Result<Accepted, LookError> {
    let mut environments = BTreeSet::new();
    for consent in shared.store.consents_of(open.number).await? {
        let is_void = match stands(&consent, comments) {
            Stands::AsRead | Stands::Unread => false,
            Stands::Changed | Stands::Gone => true,
        };
        if is_void {
            tracing::info!(number = %open.number, target = %consent.target, author = consent.author.name, "a consent was taken back");
            shared.store.withdraw_consent(&consent, shared.clock.now()).await?;
            environments.insert(consent.target.environment().clone());
        }
    }
    match planned_again(shared, open, environments, None).await? {
        Done::Handled { accepted, .. } => Ok(accepted),
        Done::Refused(_) | Done::NotYet => Ok(Accepted::default()),
    }
}

/// What has become of a consent's comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Stands {
    /// It stands as it was read.
    AsRead,
    /// It says something else.
    Changed,
    /// It is not there.
    Gone,
    /// It is not among those that were read, which are not all.
    Unread,
}

pub(in crate::daemon) fn stands(consent: &GivenConsent, comments: &Comments) -> Stands {
    match comments.read.iter().find(|comment| comment.id == consent.comment) {
        Some(comment) if digest_of(&comment.body) == consent.body_digest => Stands::AsRead,
        Some(_) => Stands::Changed,
        None if comments.is_whole => Stands::Gone,
        None => Stands::Unread,
    }
}

async fn planned_again(
    shared: &Shared,
    open: &PullRequest,
    environments: BTreeSet<EnvironmentName>,
    reply: Option<String>,
) -> Result<Done, LookError> {
    let mut all = Accepted::default();
    for environment in &environments {
        if let Done::Handled { accepted, .. } = again(shared, open, Some(environment), |_| true).await? {
            all.work.extend(accepted.work);
        }
    }
    Ok(Done::Handled { accepted: all, reply })
}

/// Reads the comments of a pull request that is or may be merged, and notes what was consented to there and
/// what was taken back; why not, when the forge refuses to show them.
pub(in crate::daemon) async fn hear(
    shared: &Arc<Shared>,
    number: PullRequestNumber,
) -> Result<Result<Comments, ForgeError>, LookError> {
    let comments = super::acting::read_all(shared, number).await?;
    for command in shared.store.open_commands().await? {
        if command.pull_request == number {
            note_early(shared, &command).await?;
        }
    }
    Ok(comments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{Author, Comment};

    fn consent() -> GivenConsent {
        GivenConsent {
            verb: ConsentVerb::Destroy,
            pull_request: PullRequestNumber::new(7).unwrap(),
            comment: 12.into(),
            target: "dev/storage_accounts/lake".parse().unwrap(),
            head: "a".repeat(40).parse().unwrap(),
            id: "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg".parse().unwrap(),
            author: Author::new("1", "ada"),
            body_digest: digest_of("/beamline consent"),
            written_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_comment_is_gone_only_when_all_of_them_were_read() {
        let of = |id: u64, body: &str, is_whole| {
            let author = Author::new("1", "ada");
            let created_at = jiff::Timestamp::UNIX_EPOCH;
            let comment = Comment { id: id.into(), author, created_at, body: body.to_owned() };
            stands(&consent(), &Comments { read: vec![comment], is_whole })
        };
        assert_eq!(of(12, "/beamline consent", false), Stands::AsRead);
        assert_eq!(of(12, "never mind", false), Stands::Changed);
        assert_eq!((of(13, "other", true), of(13, "other", false)), (Stands::Gone, Stands::Unread));
    }

    #[test]
    fn where_nobody_can_answer_any_more_no_line_of_a_comment_is_shown() {
        let lake: Address = "dev/storage_accounts/lake".parse().unwrap();
        let head: CommitId = "a".repeat(40).parse().unwrap();
        let not = WhyNot::NotAsked { why: not_asked("dev/key_vaults/x", &head), asked: [lake].into() };
        let open = not.clone().on_open(ConsentVerb::Destroy, &head);
        assert!(open.contains("/beamline consent destroy dev/storage_accounts/lake @aaaaaaa"), "{open}");
        let merged = not.on_merged(ConsentVerb::Destroy, &"main".parse().unwrap());
        assert!(merged.contains("\nBeamline-Consent: destroy dev/storage_accounts/lake\n"), "{merged}");
        assert!(!merged.contains("/beamline"), "{merged}");
    }
}

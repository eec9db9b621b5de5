//! Notes as GitLab answers them.

use serde_json::Value;

use super::*;
use crate::clock::Clock;
use crate::forge::exchange_fixture::{Answer as Said, Contract, FakeForge};
use crate::forge::gitlab::Options;
use crate::forge::{Class, Forge, MAX_READ_BYTES};

const NOTES: &str = "/api/v4/projects/group%2Fml/merge_requests/7/notes";

fn forge(fake: &FakeForge) -> Forge {
    let options = Options {
        api: "https://gitlab.example/api/v4".to_owned(),
        repository: "group/ml".parse().unwrap(),
        branch: "main".parse().unwrap(),
        token: "t".into(),
    };
    Forge::GitLab(GitLab::new(fake.client(), Clock::system(), options).unwrap())
}

fn seven() -> PullRequestNumber {
    PullRequestNumber::new(7).unwrap()
}

fn note(id: u64) -> Value {
    json!({
        "id": id, "body": "/beamline plan", "system": false, "created_at": "2026-01-01T00:00:00.000Z",
        "author": { "id": 5, "username": "ada", "name": "Ada" }, "noteable_type": "MergeRequest",
    })
}

fn page(ids: impl Iterator<Item = u64>) -> Said {
    Said::new(200, ids.map(note).collect())
}

fn author() -> Author {
    Author::new("5", "ada")
}

#[tokio::test]
async fn a_note_is_a_comment_with_its_author() {
    let fake = FakeForge::answering([page(1..=1)]);
    let expected = Comment {
        id: 1.into(),
        author: author(),
        created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        body: "/beamline plan".to_owned(),
    };
    assert_eq!(forge(&fake).comments(seven()).await.unwrap().read, vec![expected]);
    assert_eq!(fake.lines(), [format!("GET {NOTES}?order_by=created_at&sort=asc&per_page=100&page=1")]);
}

#[tokio::test]
async fn what_nobody_here_wrote_is_left_out_and_the_rest_is_bounded() {
    let mut system = note(1);
    system["system"] = json!(true);
    let mut imported = note(2);
    imported["imported"] = json!(true);
    let mut orphan = note(3);
    orphan["author"] = Value::Null;
    let mut long = note(4);
    long["body"] = json!("x".repeat(100_000));
    let fake = FakeForge::answering([Said::new(200, json!([system, imported, orphan, long]))]);
    let comments = forge(&fake).comments(seven()).await.unwrap().read;
    assert_eq!(comments.len(), 1);
    assert_eq!(comments[0].body.len(), MAX_READ_BYTES);
}

#[tokio::test]
async fn of_very_many_the_oldest_and_the_newest_are_read() {
    let first = page(1..=100).and_more();
    let newest = (0..9).map(|at: u64| page((5000 - 100 * at - 99..=5000 - 100 * at).rev()).and_more());
    let fake = FakeForge::answering(std::iter::once(first).chain(newest));
    let Comments { read: comments, is_whole } = forge(&fake).comments(seven()).await.unwrap();
    assert!(!is_whole);
    let ids: Vec<u64> = comments.iter().map(|it| it.id.as_str().parse().unwrap()).collect();
    assert_eq!(ids.len(), MAX_COMMENTS);
    assert_eq!((ids[0], ids[99], ids[100], ids[999]), (1, 100, 4101, 5000));
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn reading_stops_where_both_ends_meet() {
    let fake = FakeForge::answering([page(1..=100).and_more(), page((51..=150).rev()).and_more()]);
    let whole = forge(&fake).comments(seven()).await.unwrap();
    assert!(whole.is_whole);
    assert_eq!(whole.read.len(), 150);
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_note_is_written_changed_and_written_again_when_it_is_gone() {
    let gone = Said::new(404, json!({ "message": "404 Note Not Found" }));
    let fake = FakeForge::answering([
        Said::new(201, note(11)),
        Said::new(200, note(11)),
        gone,
        Said::new(201, note(12)),
    ]);
    let forge = forge(&fake);
    let id = forge.write_comment(seven(), None, "## Plan").await.unwrap().id;
    assert_eq!(forge.write_comment(seven(), Some(&id), "## Plan").await.unwrap().id, 11.into());
    assert_eq!(forge.write_comment(seven(), Some(&id), "## Plan").await.unwrap().id, 12.into());
    let lines = ["POST", "PUT", "PUT", "POST"].map(|method| match method {
        "PUT" => format!("PUT {NOTES}/11"),
        method => format!("{method} {NOTES}"),
    });
    assert_eq!(fake.lines(), lines);
    assert_eq!(fake.asked()[0].body, json!({ "body": "## Plan" }));
}

#[test]
fn nothing_that_is_written_is_a_quick_action() {
    for (body, safe) in [
        ("/merge", " /merge"),
        ("a\n/close\nb", "a\n /close\nb"),
        ("a\r\n/close", "a\r\n /close"),
        ("a\n\r/close", "a\n\r /close"),
        ("a /close b/c\n - /d", "a /close b/c\n - /d"),
    ] {
        assert_eq!(without_quick_actions(body), safe);
    }
}

#[tokio::test]
async fn a_second_reaction_changes_nothing() {
    let taken = json!({ "message": "404 Award Emoji Name has already been taken Not Found" });
    let fake = FakeForge::answering([Said::new(201, json!({ "id": 1 })), Said::new(404, taken)]);
    for _ in 0..2 {
        let acknowledged = forge(&fake).acknowledge(seven(), &11.into()).await;
        assert_eq!(acknowledged, Ok(Acknowledged::ByReaction));
    }
    let asked = fake.asked().remove(0);
    assert_eq!(asked.line(), format!("POST {NOTES}/11/award_emoji"));
    assert_eq!(asked.body, json!({ "name": "eyes" }));
    let fake = FakeForge::answering([Said::new(200, json!("<html>Sign in</html>"))]);
    assert!(forge(&fake).acknowledge(seven(), &11.into()).await.is_err());
    let fake = FakeForge::answering([Said::new(404, json!({ "message": "404 Not found" }))]);
    assert!(forge(&fake).acknowledge(seven(), &11.into()).await.is_err());
}

#[tokio::test]
async fn the_permission_is_the_access_level() {
    for (level, permission) in [
        (0, Permission::None),
        (5, Permission::None),
        (10, Permission::Read),
        (20, Permission::Read),
        (30, Permission::Write),
        (40, Permission::Admin),
        (50, Permission::Admin),
    ] {
        let member = json!({ "id": 5, "username": "ada", "state": "active", "access_level": level });
        let fake = FakeForge::answering([Said::new(200, member)]);
        assert_eq!(forge(&fake).permission(&author()).await, Ok(permission), "{level}");
        assert_eq!(fake.lines(), ["GET /api/v4/projects/group%2Fml/members/all/5"]);
    }
}

#[tokio::test]
async fn strangers_and_blocked_members_may_do_nothing() {
    let blocked = json!({ "id": 5, "state": "blocked", "access_level": 50 });
    let stranger = json!({ "message": "404 Not found" });
    for answer in [Said::new(200, blocked), Said::new(404, stranger)] {
        let fake = FakeForge::answering([answer]);
        assert_eq!(forge(&fake).permission(&author()).await, Ok(Permission::None));
    }
}

#[tokio::test]
async fn a_permission_that_cannot_be_learnt_is_an_error() {
    let fake = FakeForge::answering([Said::new(500, json!({}))]);
    let error = forge(&fake).permission(&author()).await.unwrap_err();
    assert_eq!(error.class, Class::Retry { after: None });
}

#[tokio::test]
async fn every_request_is_as_gitlab_publishes_it() {
    let Some(contract) = Contract::load("gitlab") else { return };
    let first = page(1..=100).and_more();
    let fake = FakeForge::answering([first, page(101..=101), Said::new(404, json!({}))]);
    let forge = forge(&fake);
    forge.comments(seven()).await.unwrap();
    forge.write_comment(seven(), Some(&3.into()), "x").await.unwrap();
    assert_eq!(fake.asked().len(), 4);
    fake.asked().iter().for_each(|asked| contract.check(asked));
}

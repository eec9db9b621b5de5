//! Comments as Gitea and Forgejo answer them.

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::forge::exchange_fixture::{Answer as Said, Contract, FakeForge};
use crate::forge::gitea::Options;
use crate::forge::{Class, Forge, MAX_READ_BYTES};

const REPOSITORY: &str = "/api/v1/repos/octo/ml";

fn forge(fake: &FakeForge) -> Forge {
    let options = Options {
        api: "https://git.example/api/v1".to_owned(),
        repository: "octo/ml".parse().unwrap(),
        token: "t".into(),
    };
    Forge::Gitea(Gitea::new(fake.client(), Clock::system(), options).unwrap())
}

fn seven() -> PullRequestNumber {
    PullRequestNumber::new(7).unwrap()
}

fn said(id: u64) -> Value {
    let moment: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let moment = Timestamp::from_second(moment.as_second() + i64::try_from(id).unwrap()).unwrap();
    json!({
        "id": id, "body": "/beamline plan", "created_at": moment.to_string(),
        "user": { "id": 5, "login": "ada" }, "original_author": "", "original_author_id": 0,
    })
}

fn author() -> Author {
    Author::new("5", "ada")
}

#[tokio::test]
async fn a_comment_comes_with_its_author() {
    let fake = FakeForge::answering([Said::new(200, json!([said(1)]))]);
    let expected = Comment {
        id: 1.into(),
        author: author(),
        created_at: "2026-01-01T01:00:01+01:00".parse().unwrap(),
        body: "/beamline plan".to_owned(),
    };
    assert_eq!(forge(&fake).comments(seven()).await.unwrap().read, vec![expected]);
    assert_eq!(fake.lines(), [format!("GET {REPOSITORY}/issues/7/comments")]);
}

#[tokio::test]
async fn what_was_said_elsewhere_is_not_said_by_who_imported_it() {
    let mut imported = said(1);
    imported["original_author"] = json!("somebody");
    let mut orphan = said(2);
    orphan["user"] = Value::Null;
    let mut ghost = said(3);
    ghost["user"] = json!({ "id": -1, "login": "Ghost" });
    ghost["body"] = json!("x".repeat(100_000));
    let fake = FakeForge::answering([Said::new(200, json!([imported, orphan, ghost]))]);
    let comments = forge(&fake).comments(seven()).await.unwrap().read;
    assert_eq!(comments.len(), 1);
    assert_eq!((comments[0].author.id.as_str(), comments[0].body.len()), ("-1", MAX_READ_BYTES));
}

#[tokio::test]
async fn of_very_many_the_oldest_and_the_newest_are_kept() {
    let fake = FakeForge::answering([Said::new(200, (1..=5000).map(said).collect())]);
    let comments = forge(&fake).comments(seven()).await.unwrap().read;
    let ids: Vec<&str> = comments.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), MAX_COMMENTS);
    assert_eq!((ids[0], ids[99], ids[100], ids[999]), ("1", "100", "4101", "5000"));
}

#[tokio::test]
async fn a_comment_is_written_changed_and_written_again_when_it_is_gone() {
    let fake = FakeForge::answering([
        Said::new(201, said(11)),
        Said::new(200, said(11)),
        Said::new(404, json!({ "message": "The target couldn't be found." })),
        Said::new(201, said(12)),
        Said::new(204, Value::Null),
        Said::new(201, said(13)),
    ]);
    let forge = forge(&fake);
    let id = forge.write_comment(seven(), None, "## Plan").await.unwrap().id;
    for expected in [11, 12, 13] {
        assert_eq!(forge.write_comment(seven(), Some(&id), "## Plan").await.unwrap().id, expected.into());
    }
    let lines = fake.lines();
    assert_eq!(lines[0], format!("POST {REPOSITORY}/issues/7/comments"));
    assert_eq!(lines[1], format!("PATCH {REPOSITORY}/issues/comments/11"));
    assert_eq!((&lines[2], &lines[3]), (&lines[1], &lines[0]));
    assert_eq!(fake.asked()[0].body, json!({ "body": "## Plan" }));
}

#[tokio::test]
async fn a_comment_of_somebody_else_is_not_replaced_by_a_new_one() {
    let fake = FakeForge::answering([Said::new(403, json!({ "message": "" }))]);
    let error = forge(&fake).write_comment(seven(), Some(&11.into()), "x").await.unwrap_err();
    assert_eq!((error.class, fake.asked().len()), (Class::Refused, 1));
}

#[tokio::test]
async fn a_reaction_stands_unless_the_server_has_none() {
    let refused = json!({ "message": "'eyes' is not an allowed reaction" });
    for (answer, acknowledged) in [
        (Said::new(201, json!({ "content": "eyes" })), Acknowledged::ByReaction),
        (Said::new(200, json!({ "content": "eyes" })), Acknowledged::ByReaction),
        (Said::new(403, refused), Acknowledged::ByNothing),
    ] {
        let fake = FakeForge::answering([answer]);
        assert_eq!(forge(&fake).acknowledge(seven(), &11.into()).await, Ok(acknowledged));
        let asked = fake.asked().remove(0);
        assert_eq!(asked.line(), format!("POST {REPOSITORY}/issues/comments/11/reactions"));
        assert_eq!(asked.body, json!({ "content": "eyes" }));
    }
    let fake = FakeForge::answering([Said::new(200, json!("<html>Sign in</html>"))]);
    assert!(forge(&fake).acknowledge(seven(), &11.into()).await.is_err());
    let fake = FakeForge::answering([Said::new(404, json!({}))]);
    assert!(forge(&fake).acknowledge(seven(), &11.into()).await.is_err());
}

#[tokio::test]
async fn the_permission_is_what_the_forge_says_of_that_account() {
    let of = |word: &str, id: i64| json!({ "permission": word, "role_name": word, "user": { "id": id, "login": "ada" } });
    for (answer, permission) in [
        (of("owner", 5), Permission::Admin),
        (of("admin", 5), Permission::Admin),
        (of("write", 5), Permission::Write),
        (of("read", 5), Permission::Read),
        (of("none", 5), Permission::None),
        (of("emperor", 5), Permission::None),
        (of("owner", 6), Permission::None),
    ] {
        let fake = FakeForge::answering([Said::new(200, answer.clone())]);
        assert_eq!(forge(&fake).permission(&author()).await, Ok(permission), "{answer}");
        assert_eq!(fake.lines(), [format!("GET {REPOSITORY}/collaborators/ada/permission")]);
    }
}

#[tokio::test]
async fn an_account_that_is_gone_may_do_nothing_and_a_weak_token_is_an_error() {
    let gone = FakeForge::answering([Said::new(404, json!({}))]);
    assert_eq!(forge(&gone).permission(&author()).await, Ok(Permission::None));
    let nobody = FakeForge::default();
    assert_eq!(forge(&nobody).permission(&Author::new("5", "..")).await, Ok(Permission::None));
    assert!(nobody.asked().is_empty());
    let weak = FakeForge::answering([Said::new(403, json!({ "message": "Only admins can query" }))]);
    let error = forge(&weak).permission(&author()).await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.message.contains("Only admins"), "{error}");
}

#[tokio::test]
async fn every_request_is_as_gitea_and_forgejo_publish_it() {
    for name in ["gitea", "forgejo"] {
        let Some(contract) = Contract::load(name) else { return };
        let fake = FakeForge::answering([Said::new(200, json!([])), Said::new(404, json!({}))]);
        let forge = forge(&fake);
        forge.comments(seven()).await.unwrap();
        forge.write_comment(seven(), Some(&3.into()), "x").await.unwrap();
        assert_eq!(fake.asked().len(), 3);
        fake.asked().iter().for_each(|asked| contract.check(asked));
    }
}

#[tokio::test]
async fn reviews_and_comments_on_lines_are_read_and_told_apart() {
    let user = json!({ "id": 1, "login": "ada" });
    let reviews = json!([{
        "id": 80, "submitted_at": "2026-01-01T00:00:00Z", "body": "/beamline plan", "user": user,
        "comments_count": 1,
    }]);
    let on_lines = json!([{ "id": 9, "created_at": "2026-01-01T00:00:00Z", "body": "why?", "user": user }]);
    let fake = FakeForge::answering([Said::new(200, reviews), Said::new(200, on_lines)]);
    let read = forge(&fake).reviews(PullRequestNumber::new(7).unwrap()).await.unwrap();
    let told: Vec<(&str, &str)> = read.iter().map(|it| (it.id.as_str(), it.body.as_str())).collect();
    assert_eq!(told, [("80/9", "why?"), ("80/0", "/beamline plan")]);
    assert_eq!(fake.lines()[1], "GET /api/v1/repos/octo/ml/pulls/7/reviews/80/comments");
}

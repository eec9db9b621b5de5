//! Comments on pull requests, which to GitHub are comments on issues; and who may do what.
//!
//! Contract: `issues/list-comments` (ascending), `issues/create-comment`, `issues/update-comment`,
//! `reactions/create-for-issue-comment`, `repos/get-collaborator-permission-level`.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::connection::{GitHub, Request};
use super::pull_requests::PER_PAGE;
use crate::forge::api::{Failure, segment};
use crate::forge::comment::{MAX_COMMENTS, beginning};
use crate::forge::{
    Acknowledged, Author, Comment, CommentId, Comments, ForgeError, Permission, Posted, PullRequestNumber,
};

/// Under whose name GitHub shows what deleted accounts wrote.
const GHOST: &str = "ghost";

#[derive(Deserialize)]
struct Listed {
    id: u64,
    created_at: Timestamp,
    body: Option<String>,
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
}

#[derive(Deserialize)]
struct Written {
    id: u64,
    updated_at: Option<Timestamp>,
    user: Option<Account>,
}

impl From<Written> for Posted {
    fn from(written: Written) -> Self {
        let by = written.user.map(|account| Author::new(&account.id.to_string(), &account.login));
        Self { id: written.id.into(), at: written.updated_at, by }
    }
}

#[derive(Deserialize)]
struct Granted {
    permission: String,
    user: Option<Account>,
}

impl GitHub {
    pub(in crate::forge) async fn comments(&self, number: PullRequestNumber) -> Result<Comments, ForgeError> {
        let what = format!("the comments of pull request {number}");
        let (mut comments, mut page, mut is_whole) = (Vec::new(), 1, false);
        let mut has_gap = false;
        for _ in 0..MAX_COMMENTS / PER_PAGE {
            let path = format!("/issues/{number}/comments?per_page={PER_PAGE}&page={page}");
            let answer = self.send(&Request::get(path, &what)).await?;
            let listed: Vec<Listed> = answer.json(&what)?;
            comments.extend(listed.into_iter().map(Comment::from));
            if !answer.has_next_link() {
                is_whole = !has_gap;
                break;
            }
            let next = next_page(page, answer.last_page());
            has_gap |= next != page + 1;
            page = next;
        }
        is_whole &= comments.len() <= MAX_COMMENTS;
        comments.truncate(MAX_COMMENTS);
        Ok(Comments { read: comments, is_whole })
    }

    pub(in crate::forge) async fn write_comment(
        &self,
        number: PullRequestNumber,
        existing: Option<&CommentId>,
        body: &str,
    ) -> Result<Posted, ForgeError> {
        let what = format!("the comment on pull request {number}");
        let body = json!({ "body": body });
        if let Some(id) = existing {
            let path = format!("/issues/comments/{}", segment(id.as_str()));
            match self.send(&Request::write(Method::PATCH, path, body.clone(), &what)).await {
                Ok(answer) => return Ok(Posted { id: id.clone(), ..answer.json::<Written>(&what)?.into() }),
                Err(failure) if is_gone(&failure) => {}
                Err(failure) => return Err(failure.error),
            }
        }
        let path = format!("/issues/{number}/comments");
        let written: Written =
            self.send(&Request::write(Method::POST, path, body, &what)).await?.json(&what)?;
        Ok(written.into())
    }

    /// A second reaction of the same account is the first one (`reactions/create-for-issue-comment`).
    pub(in crate::forge) async fn acknowledge(
        &self,
        comment: &CommentId,
    ) -> Result<Acknowledged, ForgeError> {
        let path = format!("/issues/comments/{}/reactions", segment(comment.as_str()));
        let what = "a reaction to a comment";
        let request = Request::write(Method::POST, path, json!({ "content": "eyes" }), what);
        self.send(&request).await?.confirms(&["id", "content"], what)?;
        Ok(Acknowledged::ByReaction)
    }

    /// Permission `write` contains the role `maintain`, `read` the role `triage`; the names of custom
    /// roles stand elsewhere. An account that is none of GitHub's (404) may nothing.
    pub(in crate::forge) async fn permission(&self, author: &Author) -> Result<Permission, ForgeError> {
        let what = format!("what {} may do", author.name);
        let path = format!("/collaborators/{}/permission", segment(&author.name));
        let answer = match self.send(&Request::get(path, &what)).await {
            Ok(answer) => answer,
            Err(failure) if is_gone(&failure) => return Ok(Permission::None),
            Err(failure) => return Err(failure.error),
        };
        let granted: Granted = answer.json(&what)?;
        // Accounts are asked for by name, and a name that was given up can be taken by somebody else.
        let is_same = granted.user.is_none_or(|account| account.id.to_string() == author.id);
        Ok(match granted.permission.as_str() {
            _ if !is_same => Permission::None,
            "admin" => Permission::Admin,
            "maintain" | "write" => Permission::Write,
            "triage" | "read" => Permission::Read,
            _ => Permission::None,
        })
    }
}

fn is_gone(failure: &Failure) -> bool {
    matches!(failure.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}

/// Where to go on after `page`: of too many pages, the first one and the newest are read.
fn next_page(page: usize, last: Option<usize>) -> usize {
    let newest = last.map_or(0, |last| (last + 2).saturating_sub(MAX_COMMENTS / PER_PAGE));
    if page == 1 { newest.max(2) } else { page + 1 }
}

impl From<Listed> for Comment {
    fn from(listed: Listed) -> Self {
        let author = match listed.user {
            Some(account) => Author::new(&account.id.to_string(), &account.login),
            None => Author::new("", GHOST),
        };
        let body = beginning(&listed.body.unwrap_or_default());
        Self { id: listed.id.into(), author, created_at: listed.created_at, body }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::forge::github::fixture::{FakeGitHub, NOW, Recorded, Reply, example};
    use crate::forge::{Class, MAX_READ_BYTES};

    fn seven() -> PullRequestNumber {
        PullRequestNumber::new(7).unwrap()
    }

    /// `count` comments in pages of a hundred, with GitHub's links.
    fn serve(count: usize) -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
        move |request| {
            let (page, last) =
                (request.parameter("page").parse::<usize>().unwrap(), count.div_ceil(PER_PAGE));
            let ids = (page - 1) * PER_PAGE + 1..=count.min(page * PER_PAGE);
            let body: Vec<Value> = ids
                .map(|id| json!({"id": id, "created_at": NOW, "body": "x", "user": {"id": 1, "login": "a"}}))
                .collect();
            let root = "https://api.github.com/repositories/1/issues/7/comments?per_page=100";
            let links =
                format!("<{root}&page={}>; rel=\"next\", <{root}&page={last}>; rel=\"last\"", page + 1);
            if page < last {
                Reply::json(&json!(body)).with("link", &links)
            } else {
                Reply::json(&json!(body))
            }
        }
    }

    async fn ids_of(count: usize) -> Vec<u64> {
        let fake = FakeGitHub::answering(serve(count));
        let comments = fake.github().comments(seven()).await.unwrap();
        fake.holds_to_the_contract();
        assert_eq!(comments.is_whole, comments.read.len() == count, "{count}");
        comments.read.iter().map(|comment| comment.id.as_str().parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn all_comments_are_read_and_of_too_many_the_oldest_and_the_newest() {
        for count in [0, 1, 100, 101, 999, 1000] {
            let count_as_id = u64::try_from(count).unwrap();
            assert_eq!(ids_of(count).await, (1..=count_as_id).collect::<Vec<_>>());
        }
        let ids = ids_of(2345).await;
        assert!(ids.len() <= MAX_COMMENTS);
        assert_eq!((ids[0], ids[99], ids[100], *ids.last().unwrap()), (1, 100, 1501, 2345));
        assert!(ids.is_sorted());
        assert_eq!(ids_of(1050).await.len(), 950, "less than the most, and not all");
    }

    #[tokio::test]
    async fn a_comment_is_bounded_and_may_have_lost_its_author() {
        let long = "é".repeat(MAX_READ_BYTES);
        let body = json!([{"id": 5, "created_at": NOW, "body": long, "user": null}]);
        let fake = FakeGitHub::scripted([Reply::json(&body)]);
        let comment = fake.github().comments(seven()).await.unwrap().read.remove(0);
        assert_eq!(comment.body.len(), MAX_READ_BYTES);
        assert_eq!(comment.author.name, "ghost");
    }

    #[tokio::test]
    async fn githubs_own_example_is_understood() {
        let Some(list) = example("issue-comment-items") else { return };
        let comments = FakeGitHub::scripted([Reply::json(&list)]).github().comments(seven()).await.unwrap();
        assert_eq!((comments.read[0].id.as_str(), comments.read[0].author.name.as_str()), ("1", "octocat"));
        assert_eq!(comments.read[0].body, "Me too");
    }

    #[tokio::test]
    async fn a_comment_is_edited_in_place_and_written_anew_when_it_is_gone() {
        let user = json!({"id": 1, "login": "bot"});
        let created = || Reply::json(&json!({"id": 12, "updated_at": NOW, "user": user}));
        let fake =
            FakeGitHub::scripted([created(), created(), Reply::new(StatusCode::NOT_FOUND, "{}"), created()]);
        let github = fake.github();
        let old = CommentId::from(11);
        let posted =
            |id: u64| Ok(Posted { id: id.into(), at: NOW.parse().ok(), by: Some(Author::new("1", "bot")) });
        assert_eq!(github.write_comment(seven(), None, "a").await, posted(12));
        assert_eq!(github.write_comment(seven(), Some(&old), "b").await, posted(11));
        assert_eq!(github.write_comment(seven(), Some(&old), "c").await, posted(12));
        let lines: Vec<String> = fake.requests().iter().map(Recorded::line).collect();
        let (create, update) = (
            "POST /api/v3/repos/octo/ml/issues/7/comments",
            "PATCH /api/v3/repos/octo/ml/issues/comments/11",
        );
        assert_eq!(lines, [create, update, update, create]);
        assert_eq!(fake.requests()[3].body, json!({"body": "c"}));
        fake.holds_to_the_contract();
    }

    #[tokio::test]
    async fn a_command_is_acknowledged_with_eyes() {
        for code in [StatusCode::CREATED, StatusCode::OK] {
            let fake = FakeGitHub::scripted([Reply::new(code, r#"{"id":1}"#)]);
            let outcome = fake.github().acknowledge(&CommentId::from(3)).await;
            assert_eq!(outcome, Ok(Acknowledged::ByReaction));
            let request = fake.requests().remove(0);
            assert_eq!(request.line(), "POST /api/v3/repos/octo/ml/issues/comments/3/reactions");
            assert_eq!(request.body, json!({"content": "eyes"}));
            fake.holds_to_the_contract();
        }
        let fake = FakeGitHub::scripted([Reply::new(StatusCode::OK, "<html>Sign in</html>")]);
        assert!(fake.github().acknowledge(&CommentId::from(3)).await.is_err());
    }

    #[tokio::test]
    async fn roles_are_permissions_and_nobody_inherits_a_name() {
        let granted = |permission: &str, id: u64| {
            Reply::json(&json!({"permission": permission, "user": {"id": id, "login": "a[bot]"}}))
        };
        let cases = [
            (granted("admin", 1), Permission::Admin),
            (granted("maintain", 1), Permission::Write),
            (granted("write", 1), Permission::Write),
            (granted("triage", 1), Permission::Read),
            (granted("read", 1), Permission::Read),
            (granted("none", 1), Permission::None),
            (granted("owner", 1), Permission::None),
            (granted("admin", 2), Permission::None),
            (Reply::new(StatusCode::NOT_FOUND, r#"{"message":"a is not a user"}"#), Permission::None),
        ];
        for (reply, permission) in cases {
            let fake = FakeGitHub::scripted([reply]);
            let answer = fake.github().permission(&Author::new("1", "a[bot]")).await;
            assert_eq!(answer, Ok(permission));
            let line = "GET /api/v3/repos/octo/ml/collaborators/a%5Bbot%5D/permission";
            assert_eq!(fake.requests()[0].line(), line);
            fake.holds_to_the_contract();
        }
        let fake = FakeGitHub::scripted([Reply::new(StatusCode::BAD_GATEWAY, "")]);
        let error = fake.github().permission(&Author::new("1", "a")).await.unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
    }
}

//! How an App comes to its tokens, on a passed-in clock.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::engine::general_purpose::STANDARD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::forge::github::fixture::{COMMIT, FakeGitHub, KEY, NOW, Recorded, Reply, clock};
use crate::forge::github::{Access, GitHub};
use crate::forge::{Author, Context, Description, Permission, Status};

/// A GitHub that numbers the tokens that it grants, each for an hour, and believes the newest one only.
fn granting() -> FakeGitHub {
    let (granted, clock) = (AtomicUsize::new(0), clock());
    FakeGitHub::at(clock.clone(), move |request| {
        if request.path.ends_with("/access_tokens") {
            let number = granted.fetch_add(1, Ordering::SeqCst) + 1;
            let expires = clock.now().checked_add(Duration::from_secs(3600)).unwrap();
            return Reply::json(&json!({ "token": format!("ghs_{number}"), "expires_at": expires }));
        }
        if request.path.ends_with("/installation") {
            return Reply::json(&json!({ "id": 34 }));
        }
        let newest = format!("Bearer ghs_{}", granted.load(Ordering::SeqCst));
        if request.headers["authorization"] == newest.as_str() {
            Reply::json(&json!({ "permission": "read" }))
        } else {
            Reply::new(StatusCode::UNAUTHORIZED, r#"{"message":"Bad credentials"}"#)
        }
    })
}

async fn ask(github: &GitHub) -> Result<Permission, ForgeError> {
    github.permission(&Author::new("1", "octocat")).await
}

fn grants(fake: &FakeGitHub) -> Vec<Recorded> {
    fake.requests().into_iter().filter(|request| request.path.ends_with("/access_tokens")).collect()
}

#[tokio::test(start_paused = true)]
async fn an_app_asks_with_a_token_of_its_installation_for_this_repository_only() {
    let fake = granting();
    assert_eq!(ask(&fake.app("29310")).await, Ok(Permission::Read));
    let requests = fake.requests();
    assert_eq!(requests[0].line(), "POST /api/v3/app/installations/12/access_tokens");
    assert_eq!(requests[0].body, json!({ "repositories": ["ml"] }));
    assert_eq!(requests[1].headers["authorization"], "Bearer ghs_1");
    fake.holds_to_the_contract();
}

#[tokio::test(start_paused = true)]
async fn the_assertion_is_signed_dated_back_and_short_lived() {
    let fake = granting();
    ask(&fake.app("Iv23liABC")).await.unwrap();
    let header = fake.requests()[0].headers["authorization"].to_str().unwrap().to_owned();
    let jwt = header.strip_prefix("Bearer ").unwrap();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let part =
        |text: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap() };
    let (first, second) = signed.split_once('.').unwrap();
    assert_eq!(part(first), json!({ "alg": "RS256", "typ": "JWT" }));
    let now = NOW.parse::<Timestamp>().unwrap().as_second();
    assert_eq!(part(second), json!({ "iat": now - 60, "exp": now + 540, "iss": "Iv23liABC" }));
}

/// The claims of a JWT.
fn claims(request: &Recorded) -> Value {
    let header = request.headers["authorization"].to_str().unwrap();
    let claims = header.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// A GitHub on `theirs` that believes a JWT that is dated as it documents, and shows its date.
fn strict(theirs: crate::clock::Clock, ours: crate::clock::Clock) -> FakeGitHub {
    FakeGitHub::at(ours, move |request| {
        let now = theirs.now();
        let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        let reply = if request.path.ends_with("/access_tokens") {
            let (claims, second) = (claims(request), now.as_second());
            let (from, until) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
            if from <= second && (second..=second + 600).contains(&until) {
                let expires = now.checked_add(Duration::from_secs(3600)).unwrap();
                Reply::json(&json!({ "token": "ghs_1", "expires_at": expires }))
            } else {
                let words = r#"{"message":"'Expiration time' claim ('exp') is too far in the future"}"#;
                Reply::new(StatusCode::UNAUTHORIZED, words)
            }
        } else {
            Reply::json(&json!({ "permission": "read" }))
        };
        reply.with("date", &date)
    })
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_hours_off_keeps_no_app_from_its_token() {
    for hours in [2, -2] {
        let (theirs, ours) = (clock(), clock());
        let fake = strict(theirs, ours.clone());
        let github = fake.app("29310");
        ours.jump(jiff::SignedDuration::from_hours(hours));
        assert_eq!(ask(&github).await, Ok(Permission::Read), "{hours} h");
        assert_eq!(grants(&fake).len(), 2, "{hours} h: once by our clock, once by theirs");
        fake.clock.sleep(Duration::from_secs(3400)).await;
        assert_eq!(ask(&github).await, Ok(Permission::Read), "{hours} h");
        assert_eq!(grants(&fake).len(), 3, "{hours} h: that is remembered");
        ours.jump(jiff::SignedDuration::from_hours(-hours));
        fake.clock.sleep(Duration::from_secs(3400)).await;
        assert_eq!(ask(&github).await, Ok(Permission::Read), "{hours} h: the clock was corrected");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_may_be_the_clocks_fault_names_the_clock() {
    let (theirs, ours) = (clock(), clock());
    let fake = FakeGitHub::at(ours.clone(), move |_| {
        let date = jiff::fmt::rfc2822::to_string(&theirs.now().to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        Reply::new(StatusCode::UNAUTHORIZED, r#"{"message":"Bad credentials"}"#).with("date", &date)
    });
    let refused = ask(&fake.app("29310")).await.unwrap_err();
    assert!(!refused.message.contains("clock"), "{refused}");
    ours.jump(jiff::SignedDuration::from_hours(2));
    let refused = ask(&fake.app("29310")).await.unwrap_err();
    assert!(refused.message.contains("this machine's clock is 120 min ahead of theirs: set it"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_installation_that_is_not_configured_is_looked_up_once() {
    let fake = granting();
    let access = Access::App { app_id: "29310".to_owned(), installation_id: None, private_key: KEY.into() };
    let github = fake.with(access);
    ask(&github).await.unwrap();
    fake.clock.sleep(Duration::from_secs(3600)).await;
    ask(&github).await.unwrap();
    let lines: Vec<String> = fake.requests().iter().map(Recorded::line).collect();
    assert_eq!(lines[0], "GET /api/v3/repos/octo/ml/installation");
    assert_eq!(lines[1], "POST /api/v3/app/installations/34/access_tokens");
    assert_eq!(lines.iter().filter(|line| line.ends_with("/installation")).count(), 1);
    fake.holds_to_the_contract();
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_until_five_minutes_before_its_end_however_many_ask() {
    let fake = granting();
    let github = fake.app("29310");
    futures::future::join_all((0..20).map(|_| ask(&github))).await;
    assert_eq!(grants(&fake).len(), 1);
    fake.clock.sleep(Duration::from_secs(3600 - 301)).await;
    ask(&github).await.unwrap();
    assert_eq!(grants(&fake).len(), 1);
    fake.clock.sleep(Duration::from_secs(2)).await;
    ask(&github.clone()).await.unwrap();
    assert_eq!(grants(&fake).len(), 2);
    assert_eq!(github.git_password().await.unwrap().expose_secret(), "ghs_2");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_no_longer_believed_is_renewed_once() {
    let fake = granting();
    let github = fake.app("29310");
    ask(&github).await.unwrap();
    fake.app("29310").git_password().await.unwrap();
    assert_eq!(ask(&github).await, Ok(Permission::Read));
    assert_eq!(grants(&fake).len(), 3);

    let never = FakeGitHub::answering(|request| match request.path.ends_with("/access_tokens") {
        true => Reply::token("ghs_1"),
        false => Reply::new(StatusCode::UNAUTHORIZED, r#"{"message":"Bad credentials"}"#),
    });
    let error = ask(&never.app("29310")).await.unwrap_err();
    assert_eq!((error.class, never.requests().len()), (Class::Refused, 4));
    assert!(!error.message.contains("ghs_"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_hurts_nobody_while_the_old_token_is_valid() {
    let asked = AtomicUsize::new(0);
    let fake = FakeGitHub::answering(move |request| {
        let is_grant = request.path.ends_with("/access_tokens");
        match (is_grant, is_grant && asked.fetch_add(1, Ordering::SeqCst) > 0) {
            (true, true) => Reply::new(StatusCode::BAD_GATEWAY, ""),
            (true, false) => Reply::token("ghs_1"),
            (false, _) => Reply::json(&json!({ "permission": "read" })),
        }
    });
    let github = fake.app("29310");
    ask(&github).await.unwrap();
    fake.clock.sleep(Duration::from_secs(3400)).await;
    assert!(ask(&github).await.is_ok() && ask(&github).await.is_ok());
    assert_eq!(grants(&fake).len(), 2, "not tried again at once");
    fake.clock.sleep(Duration::from_secs(201)).await;
    assert_eq!(ask(&github).await.unwrap_err().class, Class::Retry { after: None });
}

#[tokio::test(start_paused = true)]
async fn what_github_refuses_an_app_says_what_to_do() {
    let status = Status {
        commit: COMMIT.parse().unwrap(),
        context: Context::apply(),
        state: crate::forge::State::Pending,
        description: Description::new("x"),
        target_url: None,
        pull_request: None,
    };
    for (code, said, next) in [
        (StatusCode::UNAUTHORIZED, "'Expiration time' claim ('exp') is too far in the future", "clock"),
        (StatusCode::NOT_FOUND, "Not Found", "Install the App on octo/ml"),
    ] {
        let fake = FakeGitHub::answering(move |_| Reply::new(code, &json!({ "message": said }).to_string()));
        let outcomes = fake.app("29310").post(&[status.clone(), status.clone()]).await;
        assert_eq!((outcomes.len(), fake.requests().len()), (2, 1), "nothing else is tried");
        let error = outcomes[0].clone().unwrap_err();
        assert_eq!(error.class, Class::Refused);
        assert!(error.message.contains(said) && error.message.contains(next), "{error}");
    }
}

#[test]
fn both_forms_of_key_are_read_and_others_refused() {
    let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    // PKCS#8 wraps the PKCS#1 key of 2048 bits in 26 bytes.
    let pkcs1 = STANDARD.encode(&pkcs8.secret_pkcs8_der()[26..]);
    let pkcs1 = format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
    assert!(key_of(&pkcs1.into()).is_ok());
    assert!(key_of(&KEY.into()).is_ok());
    let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for bad in
        ["", "ghp_token", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", &elliptic]
    {
        assert!(key_of(&bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn an_id_that_is_none_is_refused_before_anything_is_sent() {
    for id in ["", "a b", "a/b", &"1".repeat(101)] {
        let made = App::new(id.to_owned(), None, KEY.into(), &"octo/ml".parse().unwrap(), String::new());
        assert!(matches!(made.err(), Some(OptionsError::AppId { .. })), "{id}");
    }
}

#[tokio::test]
async fn neither_key_nor_token_is_printed() {
    let github = granting().app("29310");
    let password = github.git_password().await.unwrap();
    let printed = format!("{github:?} {password:?}");
    assert!(!printed.contains("ghs_") && !printed.contains("PRIVATE"), "{printed}");
}

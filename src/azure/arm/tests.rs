//! Stories of the client against routers in this process, on paused time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::azure::{Credential, Style};
use crate::wire::Sent;

const API: ApiVersion = ApiVersion("2025-04-01");
const GROUP: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg";

/// Answers with what it is told, in order, and keeps the requests. Token requests answer themselves.
#[derive(Clone)]
struct Azure {
    answers: Arc<Mutex<VecDeque<Response>>>,
    requests: Arc<Mutex<Vec<(Timestamp, http::request::Parts, Value)>>>,
    clock: Clock,
}

impl Azure {
    fn new() -> Self {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1);
        Self { answers: Arc::default(), requests: Arc::default(), clock }
    }

    fn then(self, status: u16, headers: &[(&str, &str)], body: impl Into<Option<Value>>) -> Self {
        let body = body.into().map(|body| body.to_string()).unwrap_or_default();
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        self.answers.lock().unwrap().push_back(builder.body(body.into()).unwrap());
        self
    }

    fn wire(&self) -> wire::Client {
        wire::Client::in_process(Router::new().fallback(answer).with_state(self.clone()))
    }

    fn arm(&self) -> Arm {
        self.arm_with(Tokens::fixed("fixed-token"))
    }

    fn arm_with(&self, tokens: Tokens) -> Arm {
        let budget = Budget::new(self.clock.clone());
        Arm::new(self.wire(), Cloud::azure_public(), Arc::new(tokens), budget, self.clock.clone())
    }

    fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|(_, head, _)| format!("{} {}", head.method, head.uri.path_and_query().unwrap()))
            .collect()
    }

    fn header(&self, request: usize, name: &str) -> String {
        self.requests.lock().unwrap()[request].1.headers[name].to_str().unwrap().to_owned()
    }

    fn seconds_between(&self, first: usize, second: usize) -> i64 {
        let requests = self.requests.lock().unwrap();
        requests[second].0.duration_since(requests[first].0).as_secs()
    }
}

async fn answer(State(azure): State<Azure>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut requests = azure.requests.lock().unwrap();
    if head.uri.path().ends_with("/oauth2/v2.0/token") {
        let token = json!({"access_token": format!("token-{}", requests.len()), "expires_in": 3600, "token_type": "Bearer"});
        return axum::Json(token).into_response();
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    requests.push((azure.clock.now(), head, body));
    azure.answers.lock().unwrap().pop_front().expect("a request that the story does not expect")
}

fn group() -> ResourceId {
    GROUP.parse().unwrap()
}

fn error(code: &str) -> Value {
    json!({"error": {"code": code, "message": "because"}})
}

fn call(method: Method, body: Option<Value>) -> Call {
    Call {
        method,
        id_or_path: GROUP.to_owned(),
        api_version: API.0.to_owned(),
        query: Vec::new(),
        body,
        client_request_id: Uuid::from_u128(7),
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_carries_its_ids_and_the_run_s_correlation() {
    let azure = Azure::new().then(200, &[], json!({"id": GROUP})).then(200, &[], json!({"id": GROUP}));
    let arm = azure.arm().with_correlation(Uuid::from_u128(9));
    assert_eq!(arm.get(&group(), API).await.unwrap(), Some(json!({"id": GROUP})));
    arm.send(&call(Method::Put, Some(json!({"location": "eastus"})))).await.unwrap();
    let path = format!("{GROUP}?api-version=2025-04-01");
    assert_eq!(azure.requests(), [format!("GET {path}"), format!("PUT {path}")]);
    for request in [0, 1] {
        assert_eq!(azure.header(request, "authorization"), "Bearer fixed-token");
        assert_eq!(azure.header(request, "accept"), "application/json");
        assert_eq!(azure.header(request, "x-ms-return-client-request-id"), "true");
        assert_eq!(azure.header(request, "x-ms-correlation-request-id"), Uuid::from_u128(9).to_string());
    }
    assert_eq!(azure.header(1, "x-ms-client-request-id"), Uuid::from_u128(7).to_string());
    assert_eq!(azure.header(1, "content-type"), "application/json");
    assert_eq!(azure.requests.lock().unwrap()[1].2, json!({"location": "eastus"}));
    assert_eq!(arm.request_count(), RequestCount { reads: 1, writes: 1, polls: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_missing_resource_is_none_and_a_missing_subscription_an_error() {
    let azure = Azure::new()
        .then(404, &[], error("ResourceGroupNotFound"))
        .then(404, &[], None)
        .then(404, &[], error("SubscriptionNotFound"))
        .then(404, &[], error("NoRegisteredProviderFound"));
    let arm = azure.arm();
    assert_eq!(arm.get(&group(), API).await.unwrap(), None);
    assert_eq!(arm.list("/subscriptions/s/resources", API, &[]).await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(arm.get(&group(), API).await.unwrap_err().class(), ErrorClass::Fatal);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_survives_faults_that_pass_and_waits_as_long_as_azure_asks() {
    let azure = Azure::new()
        .then(503, &[], None)
        .then(429, &[("Retry-After", "37")], error("TooManyRequests"))
        .then(200, &[], json!({"id": GROUP}));
    let arm = azure.arm();
    assert!(arm.get(&group(), API).await.unwrap().is_some());
    assert!((37..=60).contains(&azure.seconds_between(1, 2)));
    assert_eq!(arm.request_count().reads, 3);
    assert_ne!(azure.header(0, "x-ms-client-request-id"), azure.header(1, "x-ms-client-request-id"));
}

#[tokio::test(start_paused = true)]
async fn a_read_is_given_up_after_ten_more_attempts() {
    let azure = (0..11).fold(Azure::new(), |azure, _| azure.then(500, &[], error("InternalServerError")));
    let error = azure.arm().get(&group(), API).await.unwrap_err();
    assert_eq!(error.message_for_people(), "InternalServerError: because");
    assert_eq!(azure.requests().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_sent_once_and_its_error_says_whether_it_had_an_effect() {
    let azure = Azure::new().then(503, &[], None).then(409, &[("Retry-After", "5")], error("Conflict"));
    let arm = azure.arm();
    let lost = arm.send(&call(Method::Put, None)).await.unwrap_err();
    assert_eq!((lost.class(), lost.sent()), (ErrorClass::Transient, Sent::Maybe));
    let refused = arm.send(&call(Method::Delete, None)).await.unwrap_err();
    assert_eq!((refused.class(), refused.sent()), (ErrorClass::Busy, Sent::No));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(5)));
    assert_eq!(azure.requests().len(), 2);
}

#[tokio::test]
async fn a_write_that_never_left_says_so() {
    let clock = Clock::system();
    let cloud = Cloud::custom("gone", "https://127.0.0.1:1", "https://127.0.0.1:1", "x").unwrap();
    let wire = wire::Client::new(&wire::Options::default()).unwrap();
    let tokens = Arc::new(Tokens::fixed("t"));
    let arm = Arm::new(wire, cloud, tokens, Budget::new(clock.clone()), clock);
    let error = arm.send(&call(Method::Put, None)).await.unwrap_err();
    assert_eq!((error.class(), error.sent()), (ErrorClass::Transient, Sent::No));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_once_for_reads_and_writes() {
    let azure = Azure::new()
        .then(401, &[], error("ExpiredAuthenticationToken"))
        .then(200, &[], json!({}))
        .then(401, &[], error("InvalidAuthenticationToken"))
        .then(401, &[], error("InvalidAuthenticationToken"));
    let secret = Credential::ClientSecret { tenant: "t".into(), client_id: "c".into(), secret: "s".into() };
    let tokens =
        Tokens::new(secret, &Cloud::azure_public(), &azure.wire(), azure.clock.clone(), None).unwrap();
    let arm = azure.arm_with(tokens);
    assert!(arm.get(&group(), API).await.unwrap().is_some());
    assert_eq!(azure.header(0, "authorization"), "Bearer token-0");
    assert_eq!(azure.header(1, "authorization"), "Bearer token-1");
    let refused = arm.send(&call(Method::Put, None)).await.unwrap_err();
    assert!(matches!(refused, ArmError::Refused { status: 401, .. }));
    assert_eq!(azure.requests().len(), 4);
    assert_eq!(azure.header(2, "x-ms-client-request-id"), azure.header(3, "x-ms-client-request-id"));
}

#[tokio::test(start_paused = true)]
async fn a_list_follows_its_pages_on_the_cloud_s_own_host_only() {
    let next = "https://management.azure.com/subscriptions/s/resources?$skiptoken=a%2Fb&x=1";
    let azure = Azure::new()
        .then(200, &[], json!({"value": [1, 2], "nextLink": next}))
        .then(200, &[], json!({"value": [3], "nextLink": ""}))
        .then(200, &[], json!({"value": [1], "nextLink": "https://evil.example/steal"}));
    let arm = azure.arm();
    let items = arm.list("/subscriptions/s/resources", API, &[("$filter", "a eq 'b'")]).await.unwrap();
    assert_eq!(items, Some(vec![json!(1), json!(2), json!(3)]));
    assert_eq!(
        azure.requests(),
        [
            "GET /subscriptions/s/resources?api-version=2025-04-01&$filter=a%20eq%20%27b%27",
            "GET /subscriptions/s/resources?$skiptoken=a%2Fb&x=1",
        ]
    );
    let refused = arm.list("/subscriptions/s/resources", API, &[]).await;
    assert!(matches!(refused, Err(ArmError::ForeignLink { host }) if host == "evil.example"));
    assert_eq!(azure.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_endless_list_is_refused() {
    async fn endless() -> axum::Json<Value> {
        axum::Json(json!({"value": [], "nextLink": "/subscriptions/s/resources?again=1"}))
    }
    let azure = Azure::new();
    let wire = wire::Client::in_process(Router::new().fallback(endless));
    let budget = Budget::new(azure.clock.clone());
    let tokens = Arc::new(Tokens::fixed("t"));
    let arm = Arm::new(wire, Cloud::azure_public(), tokens, budget, azure.clock.clone());
    let refused = arm.list("/subscriptions/s/resources", API, &[]).await;
    assert!(matches!(refused, Err(ArmError::TooMany { limit: 1000, unit: "pages", .. })));
    assert_eq!(arm.request_count().reads, 1000);
}

#[tokio::test(start_paused = true)]
async fn only_listed_posts_are_reads() {
    let azure = Azure::new().then(500, &[], None).then(200, &[], json!({"nameAvailable": true}));
    let arm = azure.arm();
    let path = "/subscriptions/s/providers/Microsoft.Storage/checkNameAvailability";
    let answer = arm.post_read(path, API, &json!({"name": "x"})).await.unwrap();
    assert_eq!(answer, json!({"nameAvailable": true}));
    for path in [
        "/subscriptions/s/providers/Microsoft.Storage/storageAccounts/a/listKeys",
        "/subscriptions/s/x?y=/checkNameAvailability",
        "/providers/Microsoft.ResourceGraph/resources/delete",
    ] {
        let refused = arm.post_read(path, API, &json!({})).await;
        assert!(matches!(refused, Err(ArmError::NotAReadOnlyPost { .. })), "{path}");
    }
    assert_eq!(arm.request_count(), RequestCount { reads: 2, writes: 0, polls: 0 });
}

async fn finish(arm: &Arm, mut operation: Operation) -> (Polled, usize) {
    for looks in 1..20 {
        arm.clock().sleep(operation.retry_after).await;
        match arm.poll(&operation).await.unwrap() {
            Polled::Running { operation: next, .. } => operation = next,
            end @ (Polled::Done { .. } | Polled::Failed { .. }) => return (end, looks),
        }
    }
    panic!("the operation does not end");
}

#[tokio::test(start_paused = true)]
async fn operations_of_each_style_are_followed_to_their_end() {
    let signed = "https://management.azure.com/subscriptions/s/ops/1?t=1&s=SIGNATURE";
    let creating = json!({"id": GROUP, "properties": {"provisioningState": "Creating"}});
    let made = json!({"id": GROUP, "properties": {"provisioningState": "Succeeded"}});
    let azure = Azure::new()
        .then(
            201,
            &[("Azure-AsyncOperation", signed), ("Location", "/other"), ("Retry-After", "3")],
            creating.clone(),
        )
        .then(404, &[], None)
        .then(200, &[], json!({"status": "InProgress"}))
        .then(200, &[], json!({"status": "Succeeded"}))
        .then(202, &[("Location", signed)], None)
        .then(202, &[("Location", "/subscriptions/s/ops/2?t=2")], None)
        .then(200, &[], made.clone())
        .then(200, &[], creating.clone())
        .then(200, &[], creating)
        .then(200, &[], made.clone())
        .then(202, &[], None)
        .then(200, &[], made.clone())
        .then(404, &[], error("ResourceNotFound"));
    let arm = azure.arm();
    let mut styles = Vec::new();
    let mut ends = Vec::new();
    for method in [Method::Put, Method::Put, Method::Put, Method::Delete] {
        let operation = arm.send(&call(method, None)).await.unwrap().operation.unwrap();
        styles.push(operation.style);
        ends.push(finish(&arm, operation).await);
    }
    assert_eq!(styles, [Style::AzureAsyncOperation, Style::Location, Style::Resource, Style::Resource]);
    assert_eq!(
        ends,
        [
            (Polled::Done { body: None }, 3),
            (Polled::Done { body: Some(made.clone()) }, 2),
            (Polled::Done { body: Some(made) }, 2),
            (Polled::Done { body: None }, 2),
        ]
    );
    assert_eq!(azure.seconds_between(0, 1), 3);
    // Azure's 3 s and half as long again, as it names none any more.
    assert_eq!(azure.seconds_between(1, 2), 4);
    assert_eq!(azure.requests()[1], "GET /subscriptions/s/ops/1?t=1&s=SIGNATURE");
    assert_eq!(azure.requests()[6], "GET /subscriptions/s/ops/2?t=2");
    assert_eq!(arm.request_count(), RequestCount { reads: 0, writes: 4, polls: 9 });
}

#[tokio::test(start_paused = true)]
async fn a_journaled_operation_that_leads_elsewhere_is_not_followed() {
    let azure = Azure::new();
    let operation = Operation {
        url: "https://evil.example/op".into(),
        style: Style::Location,
        retry_after: Duration::ZERO,
    };
    let refused = azure.arm().poll(&operation).await;
    assert!(matches!(refused, Err(ArmError::ForeignLink { .. })));
    assert!(azure.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_silences_all_writers_of_the_budget_until_its_time() {
    let azure = Azure::new()
        .then(429, &[("Retry-After", "20")], error("TooManyRequests"))
        .then(200, &[], json!({}))
        .then(200, &[], json!({}));
    let arm = azure.arm();
    assert_eq!(arm.send(&call(Method::Put, None)).await.unwrap_err().class(), ErrorClass::Throttled);
    let (write, read) = (arm.clone(), arm.clone());
    let write = tokio::spawn(async move { write.send(&call(Method::Put, None)).await });
    assert!(read.get(&group(), API).await.unwrap().is_some());
    write.await.unwrap().unwrap();
    assert_eq!(azure.seconds_between(0, 1), 0);
    assert_eq!(azure.seconds_between(0, 2), 20);
}

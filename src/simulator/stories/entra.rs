//! Entra and the instance metadata service: what they tell, and what they refuse in their own words.

use serde_json::json;

use super::bench::{Answer, Bench, group, path};
use crate::{Access, DEFAULT_TENANT, Latency};

const ELSEWHERE: &str = "99999999-9999-4999-8999-999999999999";

async fn get(bench: &Bench, target: &str) -> Answer {
    bench.raw("GET", target, &[], Vec::new()).await
}

async fn ask(bench: &Bench, endpoint: &str, form: &str) -> Answer {
    bench.raw("POST", &format!("/{DEFAULT_TENANT}/{endpoint}"), &[], form.as_bytes().to_vec()).await
}

#[tokio::test(start_paused = true)]
async fn an_authority_of_this_host_is_discovered_and_another_is_not() {
    let bench = Bench::new(Latency::None);
    bench.world.set_base_url("https://localhost:1");
    let discover = async |authority: &str| {
        let query = format!("api-version=1.1&authorization_endpoint={authority}");
        get(&bench, &format!("/common/discovery/instance?{query}")).await
    };
    let known = discover("https%3A%2F%2Flocalhost%3A1%2Fmytenant%2Foauth2%2Fv2.0%2Fauthorize").await;
    assert_eq!(
        known.body["tenant_discovery_endpoint"],
        "https://localhost:1/mytenant/v2.0/.well-known/openid-configuration"
    );
    assert_eq!(known.body["metadata"][0]["aliases"], json!(["localhost:1"]));
    let unknown = discover("https://login.example.net/common/oauth2/v2.0/authorize").await;
    assert_eq!((unknown.status, &unknown.body["error"]), (400, &json!("invalid_instance")));
    assert_eq!(get(&bench, "/common/discovery/instance").await.body["error"], "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn both_versions_describe_their_own_endpoints() {
    let bench = Bench::new(Latency::None);
    bench.world.set_base_url("https://localhost:1");
    let second = get(&bench, &format!("/{DEFAULT_TENANT}/v2.0/.well-known/openid-configuration")).await.body;
    assert_eq!(second["issuer"], format!("https://localhost:1/{DEFAULT_TENANT}/v2.0"));
    let endpoint = |path: &str| json!(format!("https://localhost:1/{DEFAULT_TENANT}/{path}"));
    assert_eq!(second["token_endpoint"], endpoint("oauth2/v2.0/token"));
    assert_eq!(second["authorization_endpoint"], endpoint("oauth2/v2.0/authorize"));
    let first = get(&bench, &format!("/{DEFAULT_TENANT}/.well-known/openid-configuration")).await.body;
    assert_eq!(first["issuer"], format!("https://sts.windows.net/{DEFAULT_TENANT}/"));
    assert_eq!(first["token_endpoint"], endpoint("oauth2/token"));
    let federation = get(&bench, "/adfs/.well-known/openid-configuration").await.body;
    assert_eq!(federation["token_endpoint"], "https://localhost:1/adfs/oauth2/token");
    for keys in [&second["jwks_uri"], &first["jwks_uri"]] {
        let place = keys.as_str().unwrap().replace("https://localhost:1", "");
        assert_eq!(get(&bench, &place).await.body, json!({ "keys": [] }));
    }
    let common = get(&bench, "/common/v2.0/.well-known/openid-configuration").await.body;
    assert_eq!(common["issuer"], "https://localhost:1/{tenantid}/v2.0");
}

#[tokio::test(start_paused = true)]
async fn people_are_refused_politely() {
    let bench = Bench::new(Latency::None);
    let token = "oauth2/v2.0/token";
    for (endpoint, form, status, error, code) in [
        ("oauth2/v2.0/devicecode", "client_id=app&scope=openid", 401, "invalid_client", 7_000_218),
        ("oauth2/devicecode", "client_id=app&resource=r", 401, "invalid_client", 7_000_218),
        ("oauth2/v2.0/authorize", "", 401, "invalid_client", 7_000_218),
        (token, "grant_type=device_code&client_id=app&device_code=d", 401, "invalid_client", 7_000_218),
        (
            token,
            "grant_type=password&client_id=app&username=u&password=p&scope=s",
            400,
            "invalid_grant",
            50_034,
        ),
        (token, "grant_type=tea&client_id=app", 400, "unsupported_grant_type", 70_003),
    ] {
        let refused = ask(&bench, endpoint, form).await;
        assert_eq!((refused.status, &refused.body["error"]), (status, &json!(error)), "{endpoint} {form}");
        assert_eq!(refused.body["error_codes"], json!([code]), "{endpoint} {form}");
        let said = refused.body["error_description"].as_str().unwrap();
        assert!(said.starts_with(&format!("AADSTS{code}: ")) && said.contains(" Trace ID: "), "{said}");
        for name in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
            assert!(refused.body[name].is_string(), "{name} of {endpoint}");
        }
    }
    let realm = get(&bench, "/common/userrealm/somebody@example.net?api-version=1.0").await;
    assert_eq!(realm.body["account_type"], "Unknown");
}

#[tokio::test(start_paused = true)]
async fn a_token_request_says_everything_or_is_refused() {
    let bench = Bench::new(Latency::None);
    let whole = "grant_type=client_credentials&client_id=app&client_secret=s&scope=https://management.azure.com/.default";
    let given = ask(&bench, "oauth2/v2.0/token", whole).await;
    assert_eq!((given.status, &given.body["token_type"]), (200, &json!("Bearer")));
    let assertion = whole.replace(
        "client_secret=s",
        "client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
    );
    assert_eq!(ask(&bench, "oauth2/v2.0/token", &assertion).await.status, 200);
    for (part, instead, error, code) in [
        ("grant_type=client_credentials&", "", "invalid_request", 900_144),
        ("client_id=app&", "", "invalid_request", 900_144),
        ("&scope=https://management.azure.com/.default", "", "invalid_request", 900_144),
        ("client_secret=s&", "", "invalid_client", 7_000_216),
        ("/.default", "", "invalid_scope", 1_002_012),
    ] {
        let refused = ask(&bench, "oauth2/v2.0/token", &whole.replace(part, instead)).await;
        assert_eq!(
            (&refused.body["error"], &refused.body["error_codes"]),
            (&json!(error), &json!([code])),
            "{part}"
        );
    }
    let first =
        whole.replace("scope=https://management.azure.com/.default", "resource=https://management.azure.com");
    assert_eq!(ask(&bench, "oauth2/token", &first).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn under_enforced_access_other_tenants_and_identities_do_not_exist() {
    let bench = Bench::with_options(|options| options.with_access(Access::Enforced));
    let openid = get(&bench, &format!("/{ELSEWHERE}/v2.0/.well-known/openid-configuration")).await;
    assert_eq!((openid.status, &openid.body["error"]), (400, &json!("invalid_tenant")));
    let form = "grant_type=client_credentials&client_id=app&client_secret=s&scope=x/.default";
    let token = bench.raw("POST", &format!("/{ELSEWHERE}/oauth2/v2.0/token"), &[], form.into()).await;
    assert_eq!(token.body["error_codes"], json!([90_002]));
    let imds = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com";
    let target = format!("{imds}&client_id={ELSEWHERE}");
    let unknown = bench.raw("GET", &target, &[("metadata", "true")], Vec::new()).await;
    assert_eq!((unknown.status, &unknown.body["error_description"]), (400, &json!("Identity not found")));
}

#[tokio::test(start_paused = true)]
async fn the_instance_metadata_service_refuses_what_was_forwarded_or_is_incomplete() {
    let bench = Bench::new(Latency::None);
    let whole =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com";
    let marked = [("metadata", "true")];
    assert_eq!(bench.raw("GET", whole, &marked, Vec::new()).await.status, 200);
    let unmarked = get(&bench, whole).await;
    assert_eq!((unmarked.status, &unmarked.body["error"]), (400, &json!("bad_request_102")));
    let forwarded = [("metadata", "true"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(bench.raw("GET", whole, &forwarded, Vec::new()).await.status, 400);
    assert_eq!(bench.raw("POST", whole, &marked, Vec::new()).await.status, 405);
    for (part, instead) in [
        ("api-version=2018-02-01&", ""),
        ("2018-02-01", "2017-12-01"),
        ("&resource=https://management.azure.com", ""),
        ("&resource=", "&client_id=a&object_id=b&resource="),
    ] {
        let refused = bench.raw("GET", &whole.replace(part, instead), &marked, Vec::new()).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_request")), "{part}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_named_by_client_principal_or_resource_id() {
    let bench = Bench::with_options(|options| options.with_access(Access::Enforced));
    bench.world.put(&super::bench::id(&group()), json!({ "location": "eastus" }));
    let identity = super::bench::id(&path("Microsoft.ManagedIdentity/userAssignedIdentities/uai"));
    bench.world.put(&identity, json!({ "location": "eastus" }));
    let shown = bench.world.get(&identity).unwrap()["properties"].clone();
    let imds = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com";
    for selector in [
        format!("client_id={}", shown["clientId"].as_str().unwrap()),
        format!("object_id={}", shown["principalId"].as_str().unwrap()),
        format!("mi_res_id={identity}"),
        format!("msi_res_id={identity}"),
    ] {
        let token =
            bench.raw("GET", &format!("{imds}&{selector}"), &[("metadata", "true")], Vec::new()).await;
        assert_eq!(token.body["client_id"], shown["clientId"], "{selector}");
    }
}

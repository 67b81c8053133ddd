//! Deaths of workers over HTTP: listed page by page and in groups for who may see inside, counted for readers.

use crate::fake::{DEATHS, Fake};
use crate::server::Server;
use procpool_frontend::{OrdersToken, Scope, Token, TokenDigest, Tokens};
use serde_json::{Value, json};

const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

async fn server() -> Server {
    Server::with(Fake::echo(), |config| config.orders_token = Some(OrdersToken::new(TOKEN).unwrap())).await
}

fn get(path: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}\r\n")
}

fn ids(list: &Value) -> Vec<u64> {
    list["deaths"].as_array().unwrap().iter().map(|death| death["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn deaths_are_listed_page_by_page_and_found_by_pool_worker_and_group() {
    let server = server().await;
    let list = async |query: &str| server.ask(get(&format!("/v1{query}"), Some(TOKEN))).await.json();
    let all = list("/deaths").await;
    assert_eq!((ids(&all), &all["next"]), ((1..=DEATHS).rev().collect(), &Value::Null));
    let newest = &all["deaths"][0];
    assert_eq!((&newest["pool"], &newest["signal_name"]), (&json!("gone"), &json!("SIGSEGV")));
    assert_eq!(newest["stderr"], json!(["out of cheese"]));

    let first = list("/deaths?limit=2").await;
    assert_eq!(ids(&first), [DEATHS, DEATHS - 1]);
    let next = first["next"].as_str().unwrap();
    assert_eq!(ids(&list(&format!("/deaths?limit=200&cursor={next}")).await), [2, 1]);
    assert_eq!(ids(&list("/deaths?pool=fib").await), [3, 1]);
    assert_eq!(ids(&list("/pools/fib/deaths").await), [3, 1]);
    assert_eq!(ids(&list("/pools/gone/deaths").await), [4, 2], "of a pool that was removed");
    assert_eq!(ids(&list("/pools/down/deaths").await), [0; 0]);
    assert_eq!(ids(&list("/deaths?worker=fib-3").await), [3]);
    assert_eq!(ids(&list("/deaths?group=g-gone&limit=1").await), [4]);
    assert_eq!(list("/deaths/3").await["worker"], "fib-3");
}

#[tokio::test]
async fn a_death_has_the_command_that_sends_its_job_again_while_the_server_remembers_that() {
    let server = server().await;
    let commands = async |path: &str, host: &str| {
        let proof = format!("Authorization: Bearer {TOKEN}\r\nConnection: close\r\n");
        let reply = server.ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{proof}\r\n")).await.json();
        let death = reply["deaths"].as_array().map_or(&reply, |deaths| &deaths[0]);
        death["commands"].clone()
    };
    assert_eq!(commands("/v1/deaths/3", "localhost").await, json!([]), "it ended with its request");
    let accepted = server.post_as("/v1/pools/fib/jobs", "Prefer: respond-async", "30").await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let again = format!("{}/rerun", accepted.header("location").unwrap());
    for path in ["/v1/deaths/3", "/v1/deaths?worker=fib-3", "/v1/pools/fib/deaths"] {
        let command = format!("curl -X POST http://127.0.0.1:3000{again}");
        assert_eq!(commands(path, "127.0.0.1:3000").await, json!([command]), "{path}");
    }
    assert_eq!(server.post(&again, "").await.status, 202);
}

#[tokio::test]
async fn groups_are_whole_for_who_may_see_inside_and_counted_for_readers() {
    let server = server().await;
    let groups = |answer: Value| answer["groups"].as_array().unwrap().clone();
    let whole = server.ask(get("/v1/deaths?by=group", Some(TOKEN))).await.json();
    let whole = groups(whole);
    assert_eq!((whole.len(), &whole[0]["signature"]), (2, &json!("SIGSEGV: out of cheese")));
    assert_eq!((&whole[0]["count"], &whole[0]["newest"]), (&json!(2), &json!(4)));
    let of_fib = server.ask(get("/v1/pools/fib/deaths?by=group", Some(TOKEN))).await.json();
    assert_eq!(groups(of_fib)[0]["group"], "g-fib");
    let counted = server.ask(get("/v1/deaths/groups?pool=gone", None)).await;
    assert!(!counted.text().contains("cheese"), "{}", counted.text());
    assert_eq!(groups(counted.json())[0]["signature"], "SIGSEGV");
}

#[tokio::test]
async fn a_request_that_means_nothing_is_refused_with_what_would() {
    let server = server().await;
    for (path, parameter, words) in [
        ("/v1/deaths?poool=fib", "poool", "`by`, `pool`, `group`, `worker`, `limit`, `cursor`"),
        ("/v1/deaths?pool=fob", "pool", "there are: down, fib, gone"),
        ("/v1/deaths?limit=0", "limit", "from 1 to 200"),
        ("/v1/deaths?limit=-1", "limit", "from 1 to 200"),
        ("/v1/deaths?limit=201", "limit", "from 1 to 200"),
        ("/v1/deaths?cursor=x", "cursor", "`next`"),
        ("/v1/deaths?by=pool", "by", "`group` is needed"),
        ("/v1/deaths?by=group&worker=fib-3", "worker", "`by=group`"),
        ("/v1/pools/fib/deaths?pool=fib", "pool", "`by`, `group`"),
    ] {
        let reply = server.ask(get(path, Some(TOKEN))).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_parameter"), "{path}");
        let problem = reply.problem();
        assert_eq!(problem["parameter"], parameter, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let unknown = server.ask(get("/v1/pools/fob/deaths", Some(TOKEN))).await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "unknown_pool"));
    for number in ["5", "x", "0"] {
        let none = server.ask(get(&format!("/v1/deaths/{number}"), Some(TOKEN))).await;
        assert_eq!((none.status, none.kind().as_str()), (404, "not_found"), "{number}");
        assert!(none.problem()["detail"].as_str().unwrap().contains("GET /v1/deaths"));
    }
    let refused = server.ask(get("/v1/deaths", None)).await;
    assert_eq!((refused.status, refused.kind().as_str()), (403, "not_local"));
}

#[tokio::test]
async fn a_token_for_some_pools_sees_no_deaths_of_others() {
    let mut token = Token::new("of-fib").unwrap();
    token.digest = Some(TokenDigest::of(b"the-secret-of-fib"));
    token.scopes = [Scope::Debug, Scope::Read, Scope::Submit].into_iter().collect();
    token.pools = vec!["fib*".parse().unwrap()];
    let server = Server::with_tokens(Fake::echo(), &Tokens::new(vec![token])).await;
    let ask = async |path: &str| server.ask(get(path, Some("the-secret-of-fib"))).await;
    assert_eq!(ids(&ask("/v1/deaths").await.json()), [3, 1]);
    let proof = "Authorization: Bearer the-secret-of-fib\r\nPrefer: respond-async";
    let accepted = server.post_as("/v1/pools/fib/jobs", proof, "30").await;
    let command = ask("/v1/deaths/3").await.json()["commands"][0].clone();
    let address = format!("http://localhost{}/rerun", accepted.header("location").unwrap());
    assert_eq!(command, format!("curl -X POST -H \"Authorization: Bearer $PROCPOOL_TOKEN\" {address}"));
    let groups = ask("/v1/deaths?by=group").await.json();
    assert_eq!(groups["groups"].as_array().unwrap().len(), 1);
    assert_eq!(ask("/v1/deaths/groups").await.json()["groups"].as_array().unwrap().len(), 1);
    assert_eq!(ask("/v1/deaths/4").await.status, 404);
    assert_eq!(ask("/v1/deaths?pool=gone").await.status, 400);
    assert_eq!(ask("/v1/pools/gone/deaths").await.status, 403);
}

//! `procpool report`: the state of a server as one page.

use super::{printed, procpool};
use procpool_tests::server::Server;
use procpool_tests::{eventually, process};
use serde_json::Value;

#[tokio::test]
async fn a_report_is_a_page_that_holds_the_state_of_the_server() {
    let server = Server::of_verbs(2, "").await;
    process::kill(server.workers("verbs").await[0]);
    eventually("the death", async || {
        let pool = server.pool("verbs").await;
        (pool["deaths"] == 1 && pool["workers"]["idle"] == 2).then_some(())
    })
    .await;
    let ended = procpool(&server, &["report"]).await;
    let page = printed(&ended);
    assert!(page.starts_with("<!doctype html>") && page.contains("default-src 'none'"), "{page}");
    let data = page.split("id=\"snapshot\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["answers"]["/v1/pools"]["pools"][0]["name"], "verbs");
    for worker in server.workers("verbs").await {
        assert!(page.contains(&format!("<td>{worker}</td>")), "{worker} is not in\n{page}");
    }
    // Deaths, like the quarantine, are for operators.
    let deaths = &data["answers"]["/v1/deaths?limit=200"];
    assert!(deaths["deaths"].is_array() || deaths["error"].is_string(), "{deaths}");
}

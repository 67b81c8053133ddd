//! The page that shows the pools, as a browser gets it.

use crate::fake::Fake;
use crate::server::Server;

#[tokio::test]
async fn the_page_and_its_files_come_from_this_server_alone() {
    let server = Server::of(Fake::echo()).await;
    let page = server.get("/dashboard").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let links = page.text().split('"').filter(|part| part.starts_with("/dashboard/"));
    let links: Vec<&str> = links.collect();
    assert!(links.len() > 5 && !page.text().contains("http"), "{links:?}");
    for link in links {
        let file = server.get(link).await;
        assert_eq!((file.status, file.header("x-content-type-options")), (200, Some("nosniff")), "{link}");
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{link}: {policy}");
    }
    let slash = server.get("/dashboard/").await;
    assert_eq!((slash.status, slash.header("location")), (308, Some("/dashboard")));
    let library = server.get("/dashboard/preact.js").await;
    assert_eq!(library.header("content-encoding"), Some("gzip"));
    let unknown = server.get("/dashboard/index.js").await;
    assert_eq!((unknown.status, &*unknown.kind()), (404, "not_found"));
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_told_so() {
    let server = Server::of(Fake::echo()).await;
    let first = server.get("/dashboard/main.js").await;
    let tag = first.header("etag").unwrap();
    let asked = format!(
        "GET /dashboard/main.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"
    );
    let again = server.ask(asked).await;
    assert_eq!((again.status, again.header("etag"), again.text()), (304, Some(tag), ""));
    assert_eq!(again.header("cache-control"), Some("no-cache"));
}

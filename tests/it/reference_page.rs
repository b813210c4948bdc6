//! `/docs`: every operation, in a page that needs nothing from elsewhere.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::http::Listener;
use sha2::{Digest, Sha256};

use crate::support::TestApp;
use crate::support::openapi::{document, operations};

async fn page() -> (String, String) {
    let app = TestApp::start().await;
    let answer = app.nobody().get("/docs").await;
    answer.expect_edge_headers();
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap().to_owned();
    (answer.body, policy)
}

/// The text after each occurrence of something, up to the next quotation mark.
fn behind<'a>(page: &'a str, what: &str) -> Vec<&'a str> {
    page.split(what).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn the_page_has_every_operation_and_every_schema() {
    let (page, _) = page().await;
    let document = document(Listener::Public);
    for (path, _, operation) in operations(&document) {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        assert!(page.contains(&format!("<h3 id=\"{}\">", operation["operationId"].as_str().unwrap())), "{path}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        for field in schema["properties"].as_object().into_iter().flatten() {
            assert!(page.contains(&format!("<code>{}</code>", field.0)), "{name}.{}", field.0);
        }
    }
}

#[tokio::test]
async fn every_link_of_the_page_leads_somewhere() {
    let (page, _) = page().await;
    let places = behind(&page, " id=\"");
    let links = behind(&page, "href=\"");
    assert!(links.len() > 100, "{}", links.len());
    for link in links {
        match link.strip_prefix('#') {
            Some(place) => assert!(places.contains(&place), "{link}"),
            None => assert_eq!(link, "/openapi.json"),
        }
    }
}

#[tokio::test]
async fn nothing_is_loaded_and_nothing_runs() {
    let (page, policy) = page().await;
    for loading in ["<script", "<link", "<img", "<iframe", " src=", "@import", "url(", " style=", " on"] {
        let tags: Vec<_> = page.split('<').skip(1).filter_map(|tag| tag.split('>').next()).collect();
        let found = tags.iter().any(|tag| format!("<{tag}").contains(loading));
        assert!(!found, "{loading}");
    }
    // The policy lets in the style that is there, and nothing else.
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64_STANDARD.encode(Sha256::digest(style));
    assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}';")), "{policy}");
    assert!(!style.contains("url(") && !style.contains("@import"));
}

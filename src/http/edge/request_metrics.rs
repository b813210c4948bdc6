//! Counts requests and their duration by route. The handles of every route are made with the router, so that
//! counting a request looks nothing up by labels.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

use crate::http::listener::Listener;

/// The metrics of a listener's requests.
pub(in crate::http) struct RequestMetrics {
    routes: HashMap<String, Vec<(Method, Handles)>>,
    /// Handles of requests for no operation.
    other: Handles,
}

struct Handles {
    /// Counters by the first digit of the status.
    answered: [Counter; 5],
    seconds: Histogram,
}

impl RequestMetrics {
    /// Makes the handles of a listener's operations.
    pub fn new(listener: Listener, operations: &OpenApi) -> Self {
        let routes = operations.paths.paths.iter().map(|(path, item)| {
            let handles = methods(item).map(|method| (method.clone(), Handles::new(listener, path, method.as_str())));
            (path.clone(), handles.collect())
        });
        Self { routes: routes.collect(), other: Handles::new(listener, "-", "-") }
    }

    /// Notes an answer to a request for a route, by its template.
    pub fn note(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        // The router answers HEAD by the operation of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let operations = route.and_then(|route| self.routes.get(route));
        let operation = operations.and_then(|methods| methods.iter().find(|(known, _)| known == method));
        let handles = operation.map_or(&self.other, |(_, handles)| handles);
        if let Some(answered) = handles.answered.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            answered.increment(1);
        }
        handles.seconds.record(took.as_secs_f64());
    }
}

fn methods(item: &PathItem) -> impl Iterator<Item = Method> {
    let operations = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::PUT, &item.put),
        (Method::DELETE, &item.delete),
    ];
    operations.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method)
}

impl Handles {
    fn new(listener: Listener, route: &str, method: &str) -> Self {
        let labels = [("listener", listener.as_str()), ("route", route), ("method", method)];
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        let answered = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|status| {
            let mut labels = labels.to_vec();
            labels.push(("status", status.to_owned()));
            counter!("credenza_requests_total", &labels)
        });
        Self { answered, seconds: histogram!("credenza_request_seconds", &labels) }
    }
}

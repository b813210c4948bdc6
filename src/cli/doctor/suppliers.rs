//! Suppliers: whether their endpoints can be used, and whether they refuse logins.

use std::collections::BTreeSet;

use super::finding::Finding;
use crate::app::App;
use crate::suppliers::endpoints;

const CHECK: &str = "suppliers";

pub(super) async fn check(app: &App) -> Finding {
    let (stored, counts) = match (endpoints::list(&app.pool, None).await, app.health.count().await) {
        (Ok(stored), Ok(counts)) => (stored, counts),
        (Err(error), _) | (_, Err(error)) => return Finding::failed(CHECK, &error),
    };
    let suppliers: BTreeSet<_> = stored.iter().map(|endpoint| &endpoint.supplier).collect();
    let mut usable = 0;
    for supplier in &suppliers {
        match app.endpoints.of(supplier).await {
            Ok(found) => usable += found.len(),
            Err(error) => return Finding::failed(CHECK, &error),
        }
    }
    if usable < stored.len() {
        return Finding::wrong(
            CHECK,
            format!(
                "{} of {} endpoints are not as they were authenticated, and are not called",
                stored.len() - usable,
                stored.len()
            ),
            "import them again with `credenza suppliers endpoints import`, and find out who wrote them",
        );
    }
    let suspended: Vec<_> = counts
        .iter()
        .filter(|(_, state, count)| *state == "suspended" && *count > 0)
        .map(|(supplier, _, count)| format!("{count} of {supplier}"))
        .collect();
    if suspended.is_empty() {
        return Finding::ok(
            CHECK,
            format!("{} endpoints of {} suppliers; no login is suspended", stored.len(), suppliers.len()),
        );
    }
    Finding::warning(
        CHECK,
        format!("logins that were refused three times or more in a row and are not sent now: {}", suspended.join(", ")),
        "one or two are the business of their accounts; many of one supplier are a lock or a fault of the supplier",
    )
}
